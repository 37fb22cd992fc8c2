/*
 * The checker: does everything in a store of FluxFS agree with everything else? check_run only
 * reads; repair_run mends what a check finds, until it finds nothing.
 *
 * It needs no file system to be open, only the engine, so that it can judge a store whose file
 * system would refuse to open. Memory: a budget, whatever the number of inodes.
 */
#ifndef FS_FSCK_H
#define FS_FSCK_H

#include "fs/fs.h"

/* What is wrong. check_kind_name gives each as a word for scripts. */
enum check_kind {
    CHECK_STORE_DAMAGE,  /* the engine found damaged bytes */
    CHECK_UNREADABLE,    /* something is there but cannot be read */
    CHECK_LOST,          /* contents that damage has taken */
    CHECK_OLD,           /* something may be older than it should be, after damage */
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
    CHECK_ACL,           /* an access control list, or the inode's word on it */
    CHECK_KIND_COUNT
};

const char *check_kind_name(enum check_kind kind); /* "link-count"; static */

/*
 * What is no printable ASCII becomes '?'. Texts of the engine may quote what is on disk; neither
 * JSON nor a terminal takes all of that.
 */
void check_make_printable(char *text);

struct check;
struct check_finding;

/* One problem. Everything borrows and is valid during the callback. */
struct check_problem {
    enum check_kind kind;
    uint64_t ino;     /* 0: unknown or none */
    const char *path; /* from the root, raw bytes; NULL when it cannot be told */
    const char *text; /* one line, printable ASCII */
    const struct check_finding
        *finding; /* fs/check/check_impl.h: the same for whoever repairs it */
    struct check *check;
    bool has_bytes; /* of a file's contents: */
    uint64_t first_byte, last_byte;
};

enum check_phase {
    CHECK_PHASE_STORE, /* every byte of the store's files; progress counts bytes */
    CHECK_PHASE_FACTS, /* the superblock, and keys of unknown kinds; no progress */
    CHECK_PHASE_NAMES, /* directory entries; progress: groups of inode numbers, as they were used */
    CHECK_PHASE_INODES, /* the same */
    CHECK_PHASE_TREE,   /* in memory; no progress */
    CHECK_PHASE_COUNT
};

const char *check_phase_name(enum check_phase phase); /* "store"; static */

struct check_options {
    bool skip_store; /* without the phase that verifies the engine's checksums */
    /*
     * Bytes of memory for what grows with the number of inodes, and of problems; beyond it a
     * temporary file is used, in $TMPDIR or /tmp. 0: 256 MiB. The engine's cache comes on top.
     */
    size_t memory_len;
    /*
     * Bytes of a block, as the user tells it, for a file system that has lost this fact; 0: not
     * known. -EINVAL when the file system says otherwise, or when it cannot be one.
     */
    uint32_t block_len;
    uint64_t problem_max; /* tell so many, count the rest; 0: tell all */
    /*
     * Check only what is below this path, as of fs_resolve, without ".."; NULL, "" and "/": all.
     * -ENOENT, -ENOTDIR, -EINVAL. What a part cannot tell is not judged; `info` says so.
     */
    const char *path;
    /* Any may be NULL. All are called from the thread that called check_run. */
    void (*problem)(void *arg, const struct check_problem *problem);
    /*
     * Called for every problem, after it was told or counted; then without text and path when it
     * was not. Negative ends the check. For repair_run.
     */
    int (*repair)(void *arg, const struct check_problem *problem);
    void (*info)(void *arg, const char *text);
    void (*phase)(void *arg, enum check_phase phase); /* begins */
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
    uint64_t lost_count;   /* blocks that are marked as lost; no problem any more */
};

/*
 * Check the store. 0 when it was checked, whatever was found; negative when that was impossible
 * (-ENOMEM, an error of the disk that is no damage). *ret holds what was counted in either case.
 */
int check_run(struct lsm_db *db, const struct check_options *options, struct check_result *ret);

/* --- Repair --- */

enum repair_outcome {
    REPAIR_DONE,
    REPAIR_DECLINED, /* decide said no */
    REPAIR_FAILED,   /* it could not be done */
};

struct repair_options {
    struct check_options check; /* its member `repair` is not looked at */
    /*
     * Whether to repair what was just told; NULL: always. `safe`: no name and no contents can be
     * lost by it. `what` says what would be done ("remove the entry").
     */
    bool (*decide)(void *arg, const struct check_problem *problem, bool safe, const char *what);
    /* What came of it; text, printable ASCII: what was done, or why not. May be NULL. */
    void (*outcome)(void *arg, const struct check_problem *problem, enum repair_outcome outcome,
                    const char *text);
};

struct repair_result {
    struct check_result last; /* of the last check: its problems are what is left */
    uint64_t found_count;     /* problems, each once, in however many rounds it was found; beyond
                                 memory_len / 64 that are left, in each round */
    uint64_t repaired_count;  /* of these */
    uint64_t repaired[CHECK_KIND_COUNT];
    unsigned round_count;
    bool gave_up; /* each round found something to repair: what is left is not known to be right */
};

/*
 * Check and repair in rounds, until one repairs nothing: what could not be repaired is tried again
 * after other repairs, and told again, with its outcome, when it succeeds. The store must be
 * open for writing, and nobody else may use it. Each repair is one batch, or a few of which each
 * leaves the store no worse: a repair that was killed can be run again. What is damaged in the
 * store's files keeps everything from being repaired: lsm_repair comes first. Returns as check_run
 * does; the result is filled in either case. All is durable when it returns 0.
 */
int repair_run(struct lsm_db *db, const struct repair_options *options, struct repair_result *ret);

#endif
