/*
 * The inside of the checker, for fs/check/ and fs/repair/ only.
 *
 * What grows with the store is kept in sorted lists that spill to disk (sort_spill.h), within the
 * budget of the options: one entry for each name, in the order of the inodes that they name, and a
 * few numbers for each directory. Everything else is read in key order, and streams are joined by
 * inode number. Two bits for each directory are all that grows in memory.
 */
#ifndef FS_CHECK_IMPL_H
#define FS_CHECK_IMPL_H

#include "fs/check/fsck.h"
#include "fs/inode.h"
#include "fs/key.h"
#include "fs/check/sort_spill.h"
#include "lsm/base/err.h"

/* Inode numbers stay below 2^52: the bits above name a snapshot in a mount. */
#define CHECK_INO_END  INODE_NUMBER_END
#define CHECK_INO_NONE UINT64_MAX

/* A name: which inode it names, of which type, and where: so it is found again by one look-up. */
struct check_entry {
    uint64_t ino_type; /* ino << 4 | S_IFMT bits >> 12 */
    uint64_t parent;
    uint64_t hash; /* as its key has it, right or not */
};

/* In S_IFMT bits. */
static inline uint32_t check_entry_type(const struct check_entry *e)
{
    return (uint32_t)(e->ino_type & 0xf) << 12;
}

/* A place in a directory where an entry is not right by itself. */
struct check_fault {
    uint64_t parent, hash;
};

/* What the entries of one directory add up to. */
struct check_sum {
    uint64_t dir;
    uint64_t entry_count, subdir_count;
};

/* A directory's inode: where it hangs and which numbers it hands out. */
struct check_dir {
    uint64_t ino;
    uint64_t parent; /* that holds its entry; 0: none does */
    uint64_t group;
    uint32_t next_slot;
};

/* The highest number in use of a group. */
struct check_group {
    uint64_t group;
    uint64_t slot_max;
};

/* Grows by doubling. All zeros is empty. */
struct check_array {
    void *items;
    size_t count, cap;
};

struct check {
    struct lsm_db *db;
    struct lsm_snapshot *snapshot; /* all is read as of this moment: repairs do not show */
    const struct check_options *options;
    struct check_result *result;

    /* Facts of the superblock. */
    uint32_t block_len;
    uint64_t group_next; /* 0: unknown */
    uint8_t hash_secret[HASH_SECRET_LEN];
    bool has_secret;

    struct sort_spill *entries;    /* struct check_entry, sorted by ino_type once names_known */
    struct sort_spill *faults;     /* struct check_fault, in the order in which they were read */
    struct sort_spill *sums;       /* struct check_sum, by dir */
    struct sort_spill *dirs;       /* struct check_dir, by ino */
    struct sort_spill *groups;     /* struct check_group, by group */
    struct sort_spill *group_dirs; /* struct check_dir, by group; those that have one */
    struct check_sum sum;          /* the last one, not yet in sums; dir UINT64_MAX: none */
    struct check_group group;      /* the same for groups; group UINT64_MAX: none */
    bool names_known;
    bool damaged;    /* some bytes could not be read: nothing may be repaired on their account */
    bool repaired;   /* what was read no longer holds: the check is to begin anew */
    bool names_lost; /* some names could not be read: missing ones prove nothing */
    struct buf path;

    /* The directory whose path was asked for last, for what lies beside (check_path.c). */
    uint64_t dir; /* 0: none */
    bool dir_known;
    struct buf dir_path;
    uint64_t level_count; /* directories that were passed on the way up */

    /* Only what is below one path: its inode, the directory that holds it, its S_IFMT bits. */
    bool subtree;
    uint64_t top, top_parent, top_hash;
    uint32_t top_type;
    struct buf top_path; /* "/a/b", with its NUL */
};

/* Room for one more item of item_len bytes at the end, counted; NULL when memory is short. */
void *check_array_add(struct check_array *a, size_t item_len);

/* check_lists.c: make the lists, all empty; free them. */
int check_lists_new(struct check *c);
void check_lists_free(struct check *c);
/* Names are complete; then what the inodes added. */
int check_lists_names_done(struct check *c);
int check_lists_inodes_done(struct check *c);
/* Orders of struct check_entry: by ino_type, then parent, then hash. */
int check_entry_cmp(const void *a, const void *b);
/* The item of a list; copied. */
int check_entry_get(struct check *c, uint64_t i, struct check_entry *ret);
/* The first of the sorted names of ino; false: none, or it cannot be read. */
bool check_entry_find(struct check *c, uint64_t ino, struct check_entry *ret);
int check_fault_get(struct check *c, uint64_t i, struct check_fault *ret);
int check_sum_get(struct check *c, uint64_t i, struct check_sum *ret);
int check_dir_get(struct sort_spill *list, uint64_t i, struct check_dir *ret);
int check_group_get(struct check *c, uint64_t i, struct check_group *ret);

/* --- check_report.c --- */

/*
 * How a finding can be repaired; fs/repair/ has a function for each. A repair looks at the store
 * as it is by then, not as it was when the finding was made.
 */
enum check_fix {
    FIX_NONE,
    FIX_FACTS,        /* write the facts that are missing or damaged */
    FIX_NUMBER,       /* raise group_next above the group of ino */
    FIX_KEY_DELETE,   /* delete key */
    FIX_KEYS_DELETE,  /* delete all keys from key up to value (empty: to the end) */
    FIX_ENTRY_RENAME, /* give the entry at key a legal name */
    FIX_ENTRY_REHASH, /* move the entry at key to where it is looked for */
    FIX_ENTRY_RECORD, /* write the value of the entry at key from its inode, or remove it */
    FIX_ENTRY_REMOVE, /* remove the entry at key */
    FIX_ENTRY_TYPE,   /* write the inode's type into the entry of ino in parent at hash */
    FIX_NAME_REMOVE,  /* remove the entry of ino in parent at hash */
    FIX_ENTRIES_MOVE, /* move the entries in ino, which is no directory, to lost+found */
    FIX_ROOT,         /* make the root a directory */
    FIX_REBUILD,      /* make a record of ino from what carries its number (item) */
    FIX_RECORD_DROP,  /* remove the record of ino and the names in its entries */
    FIX_LINK_COUNT,   /* add expected - found to the field; so do the others of fields */
    FIX_DIR_SIZE,
    FIX_BLOCK_COUNT,
    FIX_DIR_PARENT, /* set the field to expected */
    FIX_XATTR_FLAG,
    FIX_ACL_FLAGS,      /* set the flags to expected */
    FIX_DIR_LINKS,      /* remove all names of directory ino but one */
    FIX_CONNECT,        /* give ino a name in lost+found */
    FIX_ORPHAN_UNLIST,  /* there is no such inode */
    FIX_ORPHAN_NAMED,   /* unlist it, link count as expected */
    FIX_ORPHAN_CONNECT, /* unlist it, and a name in lost+found */
    FIX_BLOCKS_MOVE,    /* blocks from number found on that the inode does not show: lost+found;
                           a file then has expected blocks */
    FIX_BLOCKS_TRIM,    /* cut blocks to block_len */
    FIX_XATTRS_DELETE,  /* all of ino */
    FIX_GROUP_RESET,    /* let directory ino take a new group */
    FIX_NEXT_SLOT,      /* set the field to expected */
    FIX_LOOP,           /* take ino out of directory parent at hash, a name in lost+found */
    FIX_COUNT
};

struct check_item;

/* A problem as the checker sees it. Everything borrows, during the call. */
struct check_finding {
    enum check_kind kind;
    enum check_fix fix;
    uint64_t ino;            /* 0: none */
    uint64_t parent, hash;   /* with ino: of its entry there; parent 0: of it as a whole */
    struct slice key, value; /* of one key in the store */
    uint64_t found, expected;
    const struct check_item *item;
};

/* Count a problem, tell it, with a path where ino or an entry's key gives one, repair it. */
int check_found(struct check *c, const struct check_finding *finding, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_progress(struct check *c, enum check_phase phase, uint64_t ino);

/* --- check_path.c --- */

/*
 * The path of an inode into c->path, NUL-terminated; false when none can be told: also before the
 * names are known. entry: that name of it; NULL for any.
 */
bool check_path(struct check *c, uint64_t ino, const struct check_entry *entry);
/* --- check_stream.c --- */

/*
 * The keys of one tag in order. Where bytes are damaged, the stream goes on behind them and
 * remembers which inodes may have lost keys.
 */
struct check_stream {
    struct check *check;
    struct lsm_iter *it;
    enum key_tag tag;
    uint64_t ino; /* of the key it stands on; CHECK_INO_NONE at the end */
    struct slice key, value;
    bool has_hole;
    uint64_t hole_first, hole_last; /* inodes that may have lost keys to the last damage */
    unsigned hole_count;
    bool gave_up;
};

/* Placed on the first key. check_stream_done is due also after a failure. */
int check_stream_open(struct check *c, enum key_tag tag, struct check_stream *ret);
int check_stream_next(struct check_stream *s);
/* Go to the first key of ino or a higher number. */
int check_stream_seek(struct check_stream *s, uint64_t ino);
void check_stream_done(struct check_stream *s);

static inline bool check_stream_unsure(const struct check_stream *s, uint64_t ino)
{
    return s->has_hole && ino >= s->hole_first && ino <= s->hole_last;
}

/* --- check_names.c --- */

/*
 * Collect what an entry names and what its directory holds; where it is not right by itself, it is
 * told after all have been collected, since only then its path can be.
 */
int check_entry_add(struct check *c, uint64_t parent, struct slice key, struct slice value);
/* Collect that directory `parent` names ino, of a type in S_IFMT bits, at this hash. */
int check_name_collect(struct check *c, uint64_t ino, uint32_t type, uint64_t parent,
                       uint64_t hash);

/* --- The phases --- */

int check_super(struct check *c);          /* check_super.c */
int check_keys(struct check *c);           /* check_super.c: no keys of unknown tags */
int check_names(struct check *c);          /* check_names.c: every D key; fills entries and sums */
bool check_path_is_part(const char *path); /* names more than the root */
int check_subtree_names(struct check *c);  /* check_subtree.c: of a part of the tree */
int check_inodes(struct check *c); /* check_join.c: I, B, X, O against the names; fills dirs */
int check_tree(struct check *c);   /* check_tree.c: directories reach the root, numbers */

#endif
