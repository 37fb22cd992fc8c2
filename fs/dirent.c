/*
 * Directory entries: one 'D' key per name. The key holds the parent, a keyed hash of the name, and
 * the name; the value holds the inode's number and its type, so that a listing needs no inode.
 *
 * The hash is the offset that readdir shows. It depends on the name and the store's secret alone,
 * so it stays the same whatever happens to other names, and nobody who does not know the secret
 * can make many names with the same offset.
 */
#include <inttypes.h>
#include <xxhash.h>

#include "fs/impl.h"

uint64_t dirent_hash(const uint8_t secret[HASH_SECRET_LEN], const char *name, size_t name_len)
{
    uint64_t h = XXH3_64bits_withSecret(name, name_len, secret, HASH_SECRET_LEN) & INT64_MAX;

    return h < DIRENT_OFFSET_FIRST ? h + DIRENT_OFFSET_FIRST : h;
}

bool dirent_key_decode(const void *key, size_t key_len, uint64_t *ret_parent, uint64_t *ret_hash,
                       struct slice *ret_name)
{
    const uint8_t *p = key;

    if (key_len <= KEY_DIRENT_HEAD_LEN || key_len > KEY_LEN_MAX || p[0] != KEY_DIRENT)
        return false;
    *ret_parent = get_be64(p + 1);
    *ret_hash = get_be64(p + KEY_INODE_LEN);
    *ret_name = slice_of(p + KEY_DIRENT_HEAD_LEN, key_len - KEY_DIRENT_HEAD_LEN);
    return *ret_hash >= DIRENT_OFFSET_FIRST && *ret_hash <= INT64_MAX &&
           !memchr(ret_name->data, '/', ret_name->len) && !memchr(ret_name->data, 0, ret_name->len);
}

bool dirent_value_decode(const void *value, size_t value_len, uint64_t *ret_ino, uint32_t *ret_type)
{
    const uint8_t *p = value;

    if (value_len != DIRENT_VALUE_LEN)
        return false;
    *ret_ino = get_le64(p);
    *ret_type = (uint32_t)p[8] << 12;
    if (*ret_ino == 0 || *ret_ino >= INODE_NUMBER_END)
        return false;
    switch (*ret_type) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        return true;
    default:
        return false;
    }
}

static void name_key(const struct fs *fs, struct key *k, uint64_t parent, const char *name)
{
    size_t len = strlen(name);

    CHECK(len <= FS_NAME_LEN_MAX);
    key_dirent(k, parent, dirent_hash(fs->hash_secret, name, len), name, len);
}

int dirent_get(struct fs *fs, uint64_t parent, const char *name, uint64_t *ret_ino,
               uint32_t *ret_type)
{
    struct key k;
    struct lsm_value v;
    uint64_t ino;
    uint32_t type;
    int err;

    name_key(fs, &k, parent, name);
    err = lsm_get(fs->db, NULL, k.data, k.len, &v);
    if (err)
        return err;
    if (dirent_value_decode(v.data, v.len, &ino, &type)) {
        *ret_ino = ino;
        *ret_type = type;
    } else {
        err = err_raise(ERR_DIRENT_RECORD,
                        "directory %" PRIu64 ": the entry \"%s\" has a value of %zu bytes that "
                        "names no inode",
                        parent, name, v.len);
    }
    lsm_value_done(&v);
    return fs_report(fs, err);
}

int dirent_put(struct fs *fs, struct lsm_batch *b, uint64_t parent, const char *name, uint64_t ino,
               uint32_t mode)
{
    struct key k;
    uint8_t value[DIRENT_VALUE_LEN];

    name_key(fs, &k, parent, name);
    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    return lsm_batch_put(b, k.data, k.len, value, sizeof(value));
}

int dirent_delete(struct fs *fs, struct lsm_batch *b, uint64_t parent, const char *name)
{
    struct key k;

    name_key(fs, &k, parent, name);
    return lsm_batch_delete(b, k.data, k.len);
}
