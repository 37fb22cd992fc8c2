/*
 * The checker: does everything in a store of FluxFS agree with everything else? It only reads.
 *
 * It needs no file system to be open, only the engine, so that it can judge a store whose file
 * system would refuse to open. Memory: 16 bytes for each name, about 50 for each directory.
 */
#ifndef FS_FSCK_H
#define FS_FSCK_H

#include "fs/fs.h"

/* What is wrong. check_kind_name gives each as a word for scripts. */
enum check_kind {
    CHECK_STORE_DAMAGE,  /* the engine found damaged bytes */
    CHECK_UNREADABLE,    /* something is there but cannot be read */
    CHECK_SUPER,         /* a fact of the superblock */
    CHECK_KEY,           /* a key that no file system makes */
    CHECK_NAME,          /* an illegal name */
    CHECK_NAME_HASH,     /* a name stored where nobody finds it */
    CHECK_ENTRY_RECORD,  /* a directory entry that cannot be decoded */
    CHECK_ENTRY_PARENT,  /* entries in what is no directory */
    CHECK_ENTRY_INODE,   /* an entry for an inode that does not exist */
    CHECK_ENTRY_TYPE,    /* entry and inode disagree on the type */
    CHECK_ROOT,          /* the root directory */
    CHECK_INODE_RECORD,  /* an inode record that cannot be decoded or is impossible */
    CHECK_INODE_NUMBER,  /* a number that was never handed out */
    CHECK_LINK_COUNT,    /* link count against names */
    CHECK_DIR_LINKS,     /* a directory with several names */
    CHECK_DIR_PARENT,    /* a directory's parent field */
    CHECK_DIR_SIZE,      /* a directory's size against its entries */
    CHECK_DIR_LOOP,      /* directories that hold each other */
    CHECK_UNREACHABLE,   /* no name leads to it */
    CHECK_ORPHAN,        /* the list of orphans */
    CHECK_BLOCK_OWNER,   /* contents of what is no regular file */
    CHECK_BLOCK_COUNT,   /* block count against blocks */
    CHECK_BLOCK_PLACE,   /* a block behind the end of the file */
    CHECK_BLOCK_LEN,     /* a block longer than blocks are */
    CHECK_XATTR_OWNER,   /* attributes of no inode */
    CHECK_XATTR_FLAG,    /* the inode does not know of its attributes */
    CHECK_XATTR_INVALID, /* an attribute's name or length */
    CHECK_KIND_COUNT
};

const char *check_kind_name(enum check_kind kind); /* "link-count"; static */

/* One finding. Everything borrows and is valid during the callback. */
struct check_problem {
    enum check_kind kind;
    uint64_t ino;     /* 0: unknown or none */
    const char *path; /* from the root, raw bytes; NULL when it cannot be told */
    const char *text; /* one line, printable ASCII */
};

enum check_phase {
    CHECK_PHASE_STORE, /* bytes of the store's files */
    CHECK_PHASE_NAMES, /* groups of inode numbers, as they are used up */
    CHECK_PHASE_INODES,
    CHECK_PHASE_COUNT
};

struct check_options {
    bool skip_store;      /* do not verify the engine's checksums first */
    uint64_t problem_max; /* tell so many, count the rest; 0: tell all */
    /* Any may be NULL. All are called from the thread that called check_run. */
    void (*problem)(void *arg, const struct check_problem *problem);
    void (*info)(void *arg, const char *text);
    void (*progress)(void *arg, enum check_phase phase, uint64_t done, uint64_t total);
    void *arg;
};

struct check_result {
    uint64_t problem_count;
    uint64_t problems[CHECK_KIND_COUNT]; /* by kind */
    uint64_t inode_count, directory_count, file_count, symlink_count, special_count;
    uint64_t name_count; /* directory entries */
    uint64_t block_count;
    uint64_t block_len; /* bytes of all blocks */
    uint64_t xattr_count;
    uint64_t orphan_count; /* unlinked files that the next mount removes; no problem */
};

/*
 * Check the store. 0 when it was checked, whatever was found; negative when that was impossible
 * (-ENOMEM, an error of the disk that is no damage). *ret holds what was counted in either case.
 */
int check_run(struct lsm_db *db, const struct check_options *options, struct check_result *ret);

#endif
