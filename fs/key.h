/*
 * The key map: how names, inodes, blocks and attributes become keys of the engine. All fields are
 * big-endian behind a one-byte tag, so that byte order is the order of numbers. The tags and
 * layouts are on disk and may never change; they are described in fs/README.md.
 */
#ifndef FS_KEY_H
#define FS_KEY_H

#include "lsm/base/codec.h"

enum key_tag {
    KEY_BLOCK = 'B',  /* be64 ino, be64 block number -> contents of the block */
    KEY_DIRENT = 'D', /* be64 parent, be64 hash63(name), name -> dirent value */
    KEY_INODE = 'I',  /* be64 ino -> inode record (inode.h) */
    KEY_ORPHAN = 'O', /* be64 ino -> empty */
    KEY_SUPER = 'S',  /* a fact's name -> value (super.h) */
    KEY_XATTR = 'X',  /* be64 ino, name -> value */
};

enum {
    KEY_INODE_LEN = 9,
    KEY_BLOCK_LEN = 17,
    KEY_DIRENT_HEAD_LEN = 17,
    KEY_LEN_MAX = KEY_DIRENT_HEAD_LEN + 255,
};

/* A key being made; on the stack. */
struct key {
    size_t len;
    uint8_t data[KEY_LEN_MAX + 1];
};

static inline void key_ino(struct key *k, enum key_tag tag, uint64_t ino)
{
    k->data[0] = (uint8_t)tag;
    put_be64(k->data + 1, ino);
    k->len = KEY_INODE_LEN;
}

static inline void key_block(struct key *k, uint64_t ino, uint64_t block)
{
    key_ino(k, KEY_BLOCK, ino);
    put_be64(k->data + KEY_INODE_LEN, block);
    k->len = KEY_BLOCK_LEN;
}

/* The bounds of all entries of a directory that have this hash; the upper one is none of them. */
static inline void key_dirent_range(struct key *lower, struct key *upper, uint64_t parent,
                                    uint64_t hash)
{
    key_block(lower, parent, hash);
    key_block(upper, parent + (hash == UINT64_MAX), hash + 1);
    lower->data[0] = upper->data[0] = KEY_DIRENT;
}

/* name_len at most 255, also for an extended attribute. */
static inline void key_dirent(struct key *k, uint64_t parent, uint64_t hash, const char *name,
                              size_t name_len)
{
    key_ino(k, KEY_DIRENT, parent);
    put_be64(k->data + KEY_INODE_LEN, hash);
    if (name_len)
        memcpy(k->data + KEY_DIRENT_HEAD_LEN, name, name_len);
    k->len = KEY_DIRENT_HEAD_LEN + name_len;
}

static inline void key_xattr(struct key *k, uint64_t ino, const char *name, size_t name_len)
{
    key_ino(k, KEY_XATTR, ino);
    if (name_len)
        memcpy(k->data + KEY_INODE_LEN, name, name_len);
    k->len = KEY_INODE_LEN + name_len;
}

/* A dirent's value: le64 ino, u8 type (the S_IFMT bits >> 12). */
enum {
    DIRENT_VALUE_LEN = 9
};

/* False when the bytes are no dirent key or value; then the outputs are unspecified. */
bool dirent_key_decode(const void *key, size_t key_len, uint64_t *ret_parent, uint64_t *ret_hash,
                       struct slice *ret_name);
bool dirent_value_decode(const void *value, size_t value_len, uint64_t *ret_ino,
                         uint32_t *ret_type);

/* Secret that keys the hash of names: XXH3 with a secret of the store's own, so that nobody can
 * craft names that collide. */
enum {
    HASH_SECRET_LEN = 192,
    DIRENT_OFFSET_FIRST = 3
};

/*
 * The offset and hash of a name: 63 bits, at least DIRENT_OFFSET_FIRST (0 is the start of a
 * listing, 1 and 2 are "." and "..").
 */
uint64_t dirent_hash(const uint8_t secret[HASH_SECRET_LEN], const char *name, size_t name_len);

#endif
