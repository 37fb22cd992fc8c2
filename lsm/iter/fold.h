/*
 * The value of a key from its versions: patches are laid over the newest full value below them.
 *
 * A fold is fed the versions of one user key, newest first, and says when it has seen enough. The
 * fed values are borrowed until fold_value or the next fold_begin; a source that cannot keep them
 * alive hands over a pin, which is released then.
 */
#ifndef LSM_ITER_FOLD_H
#define LSM_ITER_FOLD_H

#include "lsm/base/value_len.h"

/* Keeps borrowed bytes alive until released. All zeros: nothing to release. */
struct pin {
    void (*release)(void *arg);
    void *arg;
};

static inline void pin_release(struct pin *pin)
{
    if (pin->release)
        pin->release(pin->arg);
    *pin = (struct pin){0};
}

struct fold_layer {
    struct slice value; /* of a KIND_PATCH record, or of the base */
    struct pin pin;
};

enum {
    FOLD_INLINE_LAYERS = 4 /* so many versions are folded without an allocation */
};

struct fold {
    struct fold_layer *layers; /* newest first; the base, if any, is last */
    size_t layer_count, layer_cap;
    bool done;             /* a full value, a deletion or an error ended it */
    bool has_base;         /* the last layer is a full value */
    bool base_is_ref;      /* or a reference to one, which fold_resolve must replace */
    uint64_t newest_seqno; /* of the newest version fed; 0 when none was */
    uint64_t oldest_seqno; /* of the oldest one */
    int err;               /* what ended it; fold_value returns it */
    size_t value_len_max;  /* bytes; the owner's, begin keeps it; 0: VALUE_LEN_MAX */
    struct buf merged;     /* the folded value, where there were patches */
    struct fold_layer inline_layers[FOLD_INLINE_LAYERS];
};

/*
 * All zeros is a fresh fold. begin forgets the previous key but keeps memory. Between fold_add and
 * the next fold_begin or fold_done the struct must stay where it is: layers may point into it.
 */
void fold_begin(struct fold *f);
void fold_done(struct fold *f);
/*
 * Feed the next older version. Takes over *pin (also on error). Returns 1 when no older version
 * matters, 0 to go on, or an error. kind is PUT, PATCH, DELETE or BLOB_REF; anything else
 * ERR_KIND_UNKNOWN.
 */
int fold_add(struct fold *f, enum kind kind, uint64_t seqno, struct slice value, struct pin *pin);
/* Everything older is deleted by a range tombstone with this seqno, or there is nothing older. */
void fold_end(struct fold *f);
/* Whether the base is a reference, with its bytes: borrowed like any layer. */
bool fold_base_ref(const struct fold *f, struct slice *ret);
/* Replace the reference by the value that it means; takes over the pin. */
void fold_resolve(struct fold *f, struct slice value, struct pin pin);
/*
 * The value: 1 with *ret (valid until the next fold_begin or fold_done), 0 when the key does not
 * exist, or an error (ERR_PATCH_DAMAGED, ERR_VALUE_LEN before memory is taken for it, -ENOMEM).
 * Patches with no base lie over an empty value; a gap before a patch reads as zeros; a patch
 * without bytes still grows the value to its offset. A base that is still a reference:
 * ERR_BLOB_REF.
 */
int fold_value(struct fold *f, struct slice *ret);

/* Bytes that the fold's value may have. */
static inline size_t fold_value_len_max(const struct fold *f)
{
    return f->value_len_max ? f->value_len_max : VALUE_LEN_MAX;
}

/* Lay a patch, whose length was checked, over an owned value, oldest first; for reading backwards.
 */
int patch_apply(struct buf *value, struct slice record);

/*
 * A point look-up on its way from the newest source to the oldest. Each source calls
 * lookup_rangedel with its tombstones, then lookup_add for its versions <= snapshot, newest first.
 */
struct gather;

struct lookup {
    struct slice key;        /* user key */
    uint64_t snapshot;       /* versions above it are invisible */
    uint64_t rangedel_seqno; /* newest visible range tombstone over the key so far */
    struct gather *gather;   /* cache/gather.h; NULL: what is missing is read when needed */
    struct fold fold;
};

/* True when the look-up is decided and no older source need be asked. */
static inline bool lookup_done(const struct lookup *l)
{
    return l->fold.done;
}

static inline void lookup_rangedel(struct lookup *l, uint64_t seqno)
{
    if (seqno > l->rangedel_seqno)
        l->rangedel_seqno = seqno;
}

/* As fold_add, and a version below the tombstone ends the look-up. */
int lookup_add(struct lookup *l, enum kind kind, uint64_t seqno, struct slice value,
               struct pin *pin);

#endif
