/*
 * Putting a whole tree, described object by object, into a directory of the file system: many
 * objects with one batch of the engine each time, no sync. What an archive or a stream is made of
 * is somebody else's business.
 *
 * Paths are relative to the directory, components separated by single slashes; "" is the directory
 * itself. Nothing is ever made outside of it: a path with "." or ".." or an empty component is
 * refused, symbolic links are not followed, and a hard link can only lead to what is below it.
 * Missing directories on the way are made, 0755.
 *
 * An object gets exactly what is said of it; nothing is inherited from its directory (group,
 * default ACL). ctime and btime are now. An existing directory that is put again stays, and gets
 * the attributes; anything else that has the name is replaced, an empty directory too; a directory
 * with entries is not. With keep_old nothing that exists is touched.
 *
 * A regular file gets its name when it is complete, with what it replaces going by the same batch.
 * (The exception: contents that come with a hard link are written to the file that has them.)
 *
 * Two kinds of failure: an object that is refused is told to `refused`, and it goes on; a negative
 * answer is the end of it (a full disk, a damaged store, no memory): then what was committed
 * before is there, whole objects only.
 *
 * Threads: one at a time per struct tree_put; any number of these, and all other operations, side
 * by side. Callbacks are called by that thread, without locks held.
 */
#ifndef FS_TREE_PUT_H
#define FS_TREE_PUT_H

#include "fs/fs.h"

struct tree_put;

struct tree_put_options {
    uint64_t dir; /* the directory */
    bool keep_old;
    uint32_t uid, gid; /* owners of directories that are made on the way */
    /* An object, or an attribute of one, was refused: `text` says why, -err is an errno. */
    void (*refused)(void *arg, const char *path, int err, const char *text);
    /*
     * A name of a directory stands for something new; old_ino (0: none) had it before. May be NULL,
     * as the others below.
     */
    void (*named)(void *arg, uint64_t parent, const char *name, uint64_t old_ino);
    void (*changed)(void *arg, uint64_t ino); /* attributes or contents of an older inode */
    /* An inode has lost its last name. NULL: it is purged at once, nobody can have it open. */
    void (*orphaned)(void *arg, uint64_t ino);
    void *arg;
};

/* What is said of an object. Strings borrow during the call. */
struct tree_entry {
    const char *path;
    const char *link; /* target of a symlink; path of a hard link's other name; else NULL */
    bool hard_link;   /* only path, link and mtime count, and the contents, if some come */
    uint32_t mode;    /* type and permissions */
    uint32_t uid, gid;
    uint64_t rdev; /* of devices */
    struct timespec atime, mtime;
};

struct tree_put_stats {
    uint64_t files, dirs, symlinks, hard_links, others; /* that are in the store */
    uint64_t data_len;                                  /* bytes of contents in them */
    uint64_t refused;                                   /* calls of `refused` */
};

/* One object more. */
static inline void tree_put_count(struct tree_put_stats *s, uint32_t mode, bool hard_link)
{
    if (hard_link)
        s->hard_links++;
    else if (S_ISDIR(mode))
        s->dirs++;
    else if (S_ISREG(mode))
        s->files++;
    else if (S_ISLNK(mode))
        s->symlinks++;
    else
        s->others++;
}

int tree_put_new(struct fs *fs, const struct tree_put_options *options, struct tree_put **ret);
/* Forgets what was not committed; removes the beginning of a file that was not completed. */
void tree_put_free(struct tree_put *t); /* NULL is allowed */

/* Begin an object. It ends with tree_put_end or tree_put_drop. -EINVAL: one has not ended. */
int tree_put_begin(struct tree_put *t, const struct tree_entry *e);
/* An attribute of it, or an ACL; the values are as fs_setxattr takes them. */
int tree_put_xattr(struct tree_put *t, const char *name, const void *value, size_t len);
/* Contents of a regular file, in ascending order; what is between them is a hole. */
int tree_put_data(struct tree_put *t, uint64_t offset, const void *data, size_t len);
/* It is complete; a regular file has `size` bytes. */
int tree_put_end(struct tree_put *t, uint64_t size);
/* It is not to be made. */
int tree_put_drop(struct tree_put *t);
/*
 * Set times of a directory, once nothing is put into it any more. One that is not there, or was
 * refused, is passed over.
 */
int tree_put_times(struct tree_put *t, const char *path, const struct timespec *atime,
                   const struct timespec *mtime);
/* Everything that ended is in the store, though not yet durable. */
int tree_put_commit(struct tree_put *t);
/* Counts what was committed. Valid as long as t. */
const struct tree_put_stats *tree_put_stats(const struct tree_put *t);

#endif
