/*
 * What the picking of level 0 and of the deeper levels have in common: key ranges, and a compaction
 * made of chosen inputs. Internal to picking.
 */
#ifndef LSM_COMPACT_PICK_INPUTS_H
#define LSM_COMPACT_PICK_INPUTS_H

#include "lsm/compact/pick.h"

/* A picking in progress; nothing in it is owned. */
struct picking {
    const struct version *v;
    const struct pick_options *options;
    struct level_targets targets;
    uint64_t len_max;    /* hard limit of the input bytes; UINT64_MAX: none */
    uint64_t len_wished; /* compactions are not made larger than so many bytes by choice */
};

void picking_init(struct picking *p, const struct version *v, const struct pick_options *options,
                  uint64_t len_max);

/* A range of user keys; keys are borrowed from metas. */
struct key_range {
    struct slice smallest, largest;
    bool largest_exclusive;
};

struct key_range range_of(const struct table_meta *m);
/* Widen r so that it covers m. */
void range_add(struct key_range *r, const struct table_meta *m);
bool range_touches(const struct key_range *r, const struct table_meta *m);

/* Tables [first, end) of a level >= 1 that touch a range. */
struct overlap {
    size_t first, end;
    uint64_t len; /* bytes of them */
    bool busy;    /* one of them is compacting */
};

struct overlap overlap_of(const struct level *level, const struct key_range *r);
/* Does a table in `level` or deeper touch r? */
bool range_has_data_from(const struct version *v, unsigned level, const struct key_range *r);
/* More tombstones than anything else: compacting it gives space back. */
bool table_is_rich(const struct table_meta *m);

uint64_t add_saturating(uint64_t a, uint64_t b);

/* What has been chosen; borrowed. */
struct chosen {
    unsigned input_level, output_level;
    struct table_meta **inputs; /* of input_level */
    size_t input_count;
    struct overlap below; /* in output_level, over the hull of inputs (or nothing, for a move) */
    bool may_move;        /* inputs are disjoint and nothing of output_level touches them */
};

/*
 * 1 with the compaction. A bottom-most move is refused where rewriting would drop tombstones: of
 * tables rich in them, or of all that have any, with `drop_all`.
 */
int compaction_make(const struct version *v, const struct chosen *c, bool drop_all,
                    struct compaction *ret);

/* Of one flush? Run 0 says nothing, so such a table stands for itself. a may be NULL: no. */
bool same_run(const struct table_meta *a, const struct table_meta *b);
/* pick_level0.c: 1, 0 (nothing can be done now), -ENOMEM. */
int pick_level0(const struct picking *p, struct compaction *ret);
/* Only what moves down without I/O. */
int pick_level0_moves(const struct picking *p, struct compaction *ret);
int pick_level0_range(const struct picking *p, const struct slice *start, const struct slice *end,
                      bool *ret_busy, struct compaction *ret);

#endif
