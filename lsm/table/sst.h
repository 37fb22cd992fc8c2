/*
 * Sorted string tables: immutable files NNNNNNNN.sst of sorted internal keys and values. Format and
 * the valid-if rule: lsm/FORMAT.md, "Table". Index and filter are partitioned: opening reads only
 * the footer, the properties, the top index and the range tombstones; partitions and data blocks
 * come through the block cache. Every block's checksum is verified when it is read from disk.
 */
#ifndef LSM_TABLE_SST_H
#define LSM_TABLE_SST_H

#include "lsm/blob/blob_uses.h"
#include "lsm/cache/block_cache.h"
#include "lsm/env/env.h"
#include "lsm/iter/fold.h"
#include "lsm/iter/iter.h"
#include "lsm/iter/rangedel.h"

/* What the table says of itself, in its properties block, and the manifest of it. */
struct sst_stats {
    uint64_t file_len;       /* bytes */
    uint64_t entry_count;    /* point entries */
    uint64_t delete_count;   /* of them, KIND_DELETE */
    uint64_t patch_count;    /* of them, KIND_PATCH */
    uint64_t rangedel_count; /* range tombstones as added */
    uint64_t raw_len;        /* bytes of keys and values before compression */
    uint64_t seqno_min, seqno_max;
};

struct sst_builder_options {
    size_t block_len;             /* cut a data block at about so many bytes before compression */
    size_t partition_len;         /* the same for an index partition */
    unsigned restart_interval;    /* entries between restart points */
    unsigned filter_bits_per_key; /* 0: no filter */
    bool compress;                /* LZ4; a block that does not shrink by 1/16 is stored as it is */
};

struct sst_builder;

/* Creates the file. Options are copied. */
int sst_builder_new(struct env *env, uint64_t number, const struct sst_builder_options *options,
                    struct sst_builder **ret);
/* Keys strictly ascending by ikey_cmp, else ERR_SST_ORDER. Kinds other than DELETE_RANGE. */
int sst_builder_add(struct sst_builder *b, struct slice ikey, struct slice value);
/* In any order, before or between points. */
int sst_builder_add_rangedel(struct sst_builder *b, const struct rangedel *del);
/* Bytes written to the file so far, plus what waits in the current block (before compression). */
uint64_t sst_builder_len(const struct sst_builder *b);
/* Write the rest, sync and close the file; *ret describes it. The builder is still to be freed. */
int sst_builder_finish(struct sst_builder *b, struct sst_stats *ret);
/* What its references (KIND_BLOB_REF) lie in; valid while the builder lives. */
const struct blob_uses *sst_builder_blobs(const struct sst_builder *b);
/* Closes; removes the file unless finished. NULL is allowed. */
void sst_builder_free(struct sst_builder *b);

struct sst;

/*
 * Open a table; cache may be NULL (then nothing is cached). Errors: -ENOENT, ERR_SST_FOOTER and
 * the block errors, each naming file and offset. One reference for the caller.
 */
int sst_open(struct env *env, struct block_cache *cache, uint64_t number, struct sst **ret);
void sst_ref(struct sst *t);
void sst_unref(struct sst *t); /* closes with the last one; NULL is allowed */
const struct sst_stats *sst_stats(const struct sst *t);
/* What the table's references lie in, as it says of itself; valid while t is. */
const struct blob_uses *sst_blobs(const struct sst *t);
/* Feed l; values are pinned in cached blocks. Any thread. */
int sst_lookup(struct sst *t, struct lookup *l);
/* The table's range tombstones, valid while t is; NULL when there are none. */
const struct rangedel_list *sst_rangedels(const struct sst *t);

/*
 * The table in stretches of about as many bytes, ascending: `each` gets a user key at or a little
 * behind the last of a stretch, borrowed for the call, and the stretch's length on disk. A non-zero
 * answer ends it with that.
 */
int sst_each_part(struct sst *t, int (*each)(void *arg, struct slice user, uint64_t len),
                  void *arg);

enum {
    SST_ITER_NO_CACHE = 1,  /* do not put blocks into the cache (compaction, verification) */
    SST_ITER_READAHEAD = 2, /* read large pieces where blocks are read one after the other */
};
/* The iterator holds a reference to t. */
int sst_iter_new(struct sst *t, unsigned flags, struct iter **ret);
/*
 * Read every block, verify checksums, order, filters (every key is in its filter), that the
 * properties agree, and that no value but a large one is longer than value_len_max bytes. Stops at
 * the first error unless `each_damage` is given, which is then called for each damaged block (with
 * its offset, length and err_detail text set) and may return 0 to go on.
 */
int sst_verify(struct sst *t, size_t value_len_max,
               int (*each_damage)(void *arg, int err, uint64_t offset, uint64_t len), void *arg);
/* The table as text through `put`, line by line; values in full or shortened to 32 bytes. */
int sst_to_text(struct sst *t, bool full_values, int (*put)(void *arg, const char *line),
                void *arg);

/* "00000012.sst" into buf. */
void sst_file_name(uint64_t number, char buf[32]);

#endif
