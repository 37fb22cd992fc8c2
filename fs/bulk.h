/*
 * Naming many new inodes with one batch. For fs/ only; tree_put.h is what others use.
 *
 * An inode that has a number but no name is invisible, so its attributes and contents go into the
 * batch without any lock. A commit takes the locks of all directories and older inodes concerned,
 * looks at every name again, and writes records, entries and contents at once: all of it takes
 * effect, or nothing. What cannot have its name any more (somebody else was quicker) becomes an
 * orphan by the same batch, is purged, and is told; the others are not touched by that.
 *
 * Numbers are reserved for a directory some at a time. Those that are not used are lost, like those
 * of a crash.
 *
 * Threads: one at a time per struct bulk; several of them, and all other operations, side by side.
 */
#ifndef FS_BULK_H
#define FS_BULK_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "fs/op.h"

enum {
    /* A commit is due with so many items, bytes, or locks. */
    BULK_ITEM_COUNT_DUE = 1024,
    BULK_LEN_DUE = 4 << 20,
    BULK_LOCK_COUNT_DUE = 40,
    /* With some more locks than that the thread sanitizer gives up. */
    BULK_LOCK_COUNT_MAX = 56,
};

enum bulk_kind {
    BULK_NEW,   /* a new inode */
    BULK_ADOPT, /* one that bulk_orphan has made */
    BULK_LINK,  /* another name of an inode that has one, or is to get one by an earlier item */
};

/* A name to be made. */
struct bulk_item {
    struct bulk_item *next; /* in the order in which they were added */
    enum bulk_kind kind;
    uint64_t parent;
    char *path;       /* for whoever is told; owned */
    const char *name; /* in path, or as a copy behind it */
    uint8_t *key;     /* be64 parent, name; owned */
    size_t key_len;
    /*
     * BULK_NEW: the record. BULK_ADOPT: mode, owners, flags, atime and mtime that it gets.
     * BULK_LINK: the number.
     */
    struct inode in;
    char *target;      /* of a symlink; owned */
    uint64_t data_len; /* the caller's */

    /* The commit's. */
    uint64_t old_ino; /* what has the name; 0: nothing */
    uint32_t old_type;
    int err; /* why it does not get its name */

    UT_hash_handle by_name;
    UT_hash_handle by_ino; /* of BULK_NEW */
};

struct bulk_events {
    /* The item was not made. */
    void (*failed)(void *arg, const struct bulk_item *item);
    /*
     * It was, in place of item->old_ino, if that is not 0. The kernel must not go on believing what
     * it knows of the name, of the directory and of the old inode.
     */
    void (*made)(void *arg, const struct bulk_item *item);
    /* The inode has no name any more, and is to be purged when nobody has it open. */
    void (*orphaned)(void *arg, uint64_t ino);
    void *arg;
};

/* Numbers that are reserved for children of a directory. */
struct bulk_numbers {
    uint64_t dir;
    uint64_t next, end;
    uint32_t take; /* so many the next time */
    UT_hash_handle hh;
};

struct bulk {
    /* Set by bulk_init, then constant. */
    struct fs *fs;
    struct bulk_events events;
    bool keep_old; /* what has a name keeps it */

    struct op op; /* its batch collects; its locks are not used */
    size_t len;   /* bytes in the batch, about */
    struct bulk_item *items, **last;
    unsigned count;
    struct bulk_item *names;   /* uthash of all items */
    struct bulk_item *numbers; /* uthash of those that are BULK_NEW */
    struct bulk_numbers *reserved;
    uint64_t
        locks[BULK_LOCK_COUNT_MAX]; /* older inodes that the commit locks, in ascending order */
    int lock_count;
};

/* bulk_done after success. */
int bulk_init(struct bulk *b, struct fs *fs, bool keep_old, const struct bulk_events *events);
/* Forgets what was not committed. */
void bulk_done(struct bulk *b);

/* What a name stands for, items included: 0, -ENOENT, or damage. */
int bulk_lookup(struct bulk *b, uint64_t parent, const char *name, uint64_t *ret_ino,
                uint32_t *ret_type);
/* Whether the name belongs to an item: then nothing else may be added under it before a commit. */
bool bulk_has_name(struct bulk *b, uint64_t parent, const char *name);
/* A number for a child of the directory, which may be an item. */
int bulk_number(struct bulk *b, uint64_t parent, uint64_t *ret);
/*
 * Contents of the new inode: data is that of the block from its first byte on. in->block_count is
 * counted.
 */
int bulk_block(struct bulk *b, struct inode *in, uint64_t block, const void *data, size_t len);
/*
 * An attribute of an inode that has none of this name: its flags, and with an ACL its mode, are set
 * in `in`. *names_len: bytes of all its names so far, to begin with 0. Errors as fs_setxattr.
 */
int bulk_xattr(struct bulk *b, struct inode *in, size_t *names_len, const char *name,
               const void *value, size_t len);
/*
 * Add an item: `path` is copied, and its last component is the name; `target` too (NULL: none).
 * in->ino is from bulk_number, or bulk_orphan, or an inode's. old_ino: what bulk_lookup has found;
 * 0: nothing. Commits when it is due, before or after.
 */
int bulk_add(struct bulk *b, enum bulk_kind kind, uint64_t parent, const char *path,
             const struct inode *in, const char *target, uint64_t old_ino, uint64_t data_len);
/*
 * Make a regular file without a name at once, in the store, for contents that are too long for a
 * batch: fs_write fills it, an item names it.
 */
int bulk_orphan(struct bulk *b, uint64_t parent, uint64_t *ret);
/* Write all items. After a failure none of them has been made, and they are forgotten. */
int bulk_commit(struct bulk *b);

#endif
