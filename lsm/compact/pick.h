/*
 * Which compaction to do next: a pure function of a version and the options, with no lock and no
 * I/O, so that it can be tested alone.
 */
#ifndef LSM_COMPACT_PICK_H
#define LSM_COMPACT_PICK_H

#include "lsm/version/version.h"

struct pick_options {
    uint64_t table_len;
    uint64_t level_base_len;
    unsigned level_ratio;
    unsigned l0_compact_count;
    /*
     * While writes come in: so many flushes may gather in level 0, whose compaction rewrites the
     * base level, unless they have twice as many bytes as that or its target. 0: no waiting.
     */
    unsigned l0_patience_count;
};

/* The wished size of each level, in bytes. Those above base_level are 0 and stay empty. */
struct level_targets {
    uint64_t len[LEVEL_COUNT];
    unsigned base_level; /* where level 0 is compacted to */
};

/*
 * Dynamic level targets: the last level's target is its actual size (level_base_len at least), each
 * level above is smaller by the ratio, as long as that is half of level_base_len or more: so about
 * nine tenths of the data lie in the last level and space amplification stays near 1.1. (As
 * RocksDB's level_compaction_dynamic_level_bytes.) A level that holds tables is never above
 * base_level, whatever its size: level 0 must not be compacted past it.
 */
void pick_level_targets(const struct version *v, const struct pick_options *options,
                        struct level_targets *ret);
/* Memtable flushes in level 0: tables are counted once per flush (table_meta.run). */
unsigned pick_l0_run_count(const struct version *v);
/* Bytes that compaction has still to move before every level is within its target. */
uint64_t pick_debt_len(const struct version *v, const struct pick_options *options);

struct compaction {
    unsigned input_level, output_level;
    struct table_meta **inputs[2]; /* [0] of input_level, [1] of output_level; one reference each */
    size_t input_count[2];
    uint64_t input_len; /* bytes of all inputs */
    bool trivial_move;  /* inputs[0] can move down as they are */
    bool split;         /* of level 0 into level 0, cut where the base level's tables begin */
    bool bottom;        /* no table below output_level overlaps the inputs */
    struct slice smallest, largest; /* hull of the inputs' user keys; borrowed from the metas */
    bool largest_exclusive;
};

/*
 * The best compaction whose inputs are not `compacting`: the level with the highest score (level 0
 * counts flushes, the others bytes, each against its target; 1 is full); in it, the table with the
 * least overlap below per byte, tables rich in tombstones first. When every level is within its
 * target, a table rich in tombstones with data below it. 1 with *ret, 0 when there is nothing to
 * do, -ENOMEM. len_max > 0 limits the input bytes (disk nearly full): smaller ones are looked for,
 * and 0 is returned when there is none. Trivial moves need no space and are exempt from it. Where
 * tables of level 0 lie over more of the base level than may be rewritten at once, they are split.
 */
int pick_compaction(const struct version *v, const struct pick_options *options, uint64_t len_max,
                    struct compaction *ret);
/*
 * All tables of `level` that touch [start, end] (NULL: no bound) and what they overlap in the next
 * level that is used. For compact-range. 1 with *ret; 0 when there is none, when `level` is the
 * last one, or when one of them is compacting (only then *ret_busy is true).
 */
int pick_range(const struct version *v, const struct pick_options *options, unsigned level,
               const struct slice *start, const struct slice *end, bool *ret_busy,
               struct compaction *ret);
/* Drop the references. */
void compaction_done(struct compaction *c, struct table_store *store);

#endif
