/*
 * The inside of lsm_repair, for the repair*.c files only. Used by one thread.
 *
 * A repair first finds out what is wrong and builds, in new files, what is to stand in for it; the
 * old store stays whole all the while. Then one switch of CURRENT makes the new one count. Only
 * then files are taken away. With dry_run no file is made, and findings are the same.
 */
#ifndef LSM_DB_REPAIR_H
#define LSM_DB_REPAIR_H

#include "lsm/db/losses.h"

struct repair {
    /* Constant. */
    struct env *env; /* the caller's */
    struct lsm_options options;
    struct sst_builder_options builder;
    struct table_store store;
    bool dry_run;
    int (*each)(void *arg, const char *file, const char *text);
    int (*loss)(void *arg, const struct lsm_loss *loss);
    void *arg;

    int count; /* of things repaired, or to be */

    /* The directory. */
    struct file_numbers tables, logs, blobs, manifests; /* ascending */
    bool any_current;
    uint64_t next_file; /* above every number seen */

    /* What the manifest says, or what is left of all manifests. */
    bool rebuild;                /* no manifest tells which tables there are */
    struct manifest_state state; /* numbers of both kinds; version: NULL with rebuild */
    struct file_numbers removed; /* with rebuild: tables that are known to be obsolete; ascending */
    uint64_t seqno_max;          /* the largest seen anywhere */
    uint64_t *snapshots;         /* of the named snapshots that are kept; ascending, malloced */
    size_t snapshot_count;

    /* What is to be done. */
    bool new_manifest, new_superblock, new_log;
    struct superblock superblock;
    struct version_edit edit;      /* to state.version, or to nothing */
    struct blob_store *blob_store; /* for checking references; holds nothing but blob_file */
    struct blob_meta *blob_file;   /* of the last reference that was checked */
    struct buf blob_buf;
    struct file_numbers blob_headers; /* of blob files, to be written anew; in no order */
    struct table_meta **found;        /* with rebuild: all tables, one reference each */
    size_t found_count, found_cap;
    char (*aside)[32]; /* names of files to be moved into `lost` */
    size_t aside_count, aside_cap;
    struct losses losses; /* to be written down */
};

/* repair.c */
/* Tell, and count, something that is wrong. `file` may be "". Negative when the caller ends it. */
int repair_found(struct repair *r, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Tell a circumstance. */
int repair_note(struct repair *r, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Tell and write down a loss; as each_loss for the callbacks of others. */
int repair_lose(void *repair, const struct lsm_loss *loss);
/* That all operations from first to last are gone (UINT64_MAX: nobody knows the last one). */
int repair_lose_operations(struct repair *r, const char *file, uint64_t first, uint64_t last);
/* Damage of a file, which an environment may also report as -EIO? Anything else ends the repair. */
bool repair_is_damage(int err);
/* The file is to be moved into `lost`. */
int repair_set_aside(struct repair *r, const char *name);
void repair_saw_number(struct repair *r, uint64_t number);
void repair_saw_seqno(struct repair *r, uint64_t seqno);
/* As compact_run's. */
uint64_t repair_new_number(void *repair);
/* Take over a reference; also when it fails. */
int repair_add_found(struct repair *r, struct table_meta *meta);

enum {
    REPAIR_KEY_TEXT_LEN = 4 * 48 + 8
};
/* A key for a human reader, shortened to 48 bytes. */
const char *repair_key_text(struct slice key, char buf[REPAIR_KEY_TEXT_LEN]);

/* repair_manifest.c: find the manifest that counts, or decide to do without. */
int repair_find_manifest(struct repair *r);

/* repair_tables.c: verify every table that counts, and replace the damaged ones. */
int repair_tables(struct repair *r);

/* repair_logs.c: are the logs what recovery accepts? If not, put what they hold into tables. */
int repair_logs(struct repair *r);

/* repair_refs.c */
/* Can the large value of this key be read? 1, 0 (err_detail says why not), or an error. */
int repair_ref_whole(struct repair *r, struct slice user, struct slice ref);
/* Of all references of a batch. A batch that cannot be decoded has none. */
int repair_batch_whole(struct repair *r, struct slice batch);
/* The same of any version: is its value one that the store takes, and if it is large, there? */
int repair_value_whole(struct repair *r, enum kind kind, struct slice user, struct slice value);
/* Tell that the value which this operation wrote is lost. */
int repair_tell_value(struct repair *r, const char *file, struct slice user, uint64_t seqno);
/* As batch_insert, with deletions for what cannot be read or is too long; each is told, with the
 * log's name. */
int repair_batch_insert(struct repair *r, const char *file, struct memtable *mt, struct slice batch,
                        uint64_t first_seqno);
/* Write the damaged headers of blob files anew. */
int repair_blob_headers(struct repair *r);
void repair_refs_done(struct repair *r);

/* repair_place.c: with rebuild, find a level for every table; the edit adds them. */
int repair_place(struct repair *r);

#endif
