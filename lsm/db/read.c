/*
 * Point reads: from the newest source to the oldest until the key is decided. A plain value is
 * handed out where it lies, in a memtable or in a cached block, which is kept alive until the value
 * is released; only patched values are put together in memory of their own.
 */
#include "lsm/db/db.h"

#include "lsm/cache/gather.h"

enum {
    GATHER_KEYS = 64 /* keys whose missing blocks and large values are read together */
};

/* What lsm_value.held[0] says of held[1]. */
static char held_memtable, held_pin_block, held_memory;

void lsm_value_done(struct lsm_value *value)
{
    if (value->held[0] == &held_memtable)
        memtable_unref(value->held[1]);
    else if (value->held[0] == &held_pin_block)
        cache_block_release(value->held[1]);
    else if (value->held[0] == &held_memory)
        free(value->held[1]);
    *value = (struct lsm_value){0};
}

/* Ask the memtables; *ret_last is the one asked last. Is the newest version in the first one? */
static int lookup_memtables(const struct superversion *sv, struct lookup *l,
                            struct memtable **ret_last, bool *ret_newest_first)
{
    int err;

    *ret_last = sv->mem;
    err = memtable_lookup(sv->mem, l);
    *ret_newest_first = l->fold.newest_seqno != 0;
    for (unsigned i = 0; !err && !lookup_done(l) && i < sv->imm_count; i++) {
        *ret_last = sv->imms[i];
        err = memtable_lookup(sv->imms[i], l);
    }
    return err;
}

/* Move the value out of the look-up, together with what keeps it alive. */
static void take_value(struct lookup *l, struct slice value, struct memtable *mem,
                       struct lsm_value *ret)
{
    struct fold *f = &l->fold;

    *ret = (struct lsm_value){.data = value.data, .len = value.len, .seqno = f->newest_seqno};
    if (value.data == f->merged.data && value.len) {
        ret->held[0] = &held_memory;
        ret->held[1] = f->merged.data;
        f->merged = (struct buf){0};
    } else if (f->layer_count && f->layers[f->layer_count - 1].pin.release) {
        struct pin *pin = &f->layers[f->layer_count - 1].pin;

        CHECK(pin->release == cache_block_release);
        ret->held[0] = &held_pin_block;
        ret->held[1] = pin->arg;
        *pin = (struct pin){0};
    } else if (mem) {
        memtable_ref(mem);
        ret->held[0] = &held_memtable;
        ret->held[1] = mem;
    }
}

/* l's memory is used again from key to key. */
int sv_lookup(struct superversion *sv, uint64_t seqno, struct lookup *l, struct memtable **ret_mem,
              bool *ret_newest_first)
{
    int err;

    fold_begin(&l->fold);
    l->fold.value_len_max = sv->version->store->value_len_max;
    l->snapshot = seqno;
    l->rangedel_seqno = 0;
    err = lookup_memtables(sv, l, ret_mem, ret_newest_first);
    if (!err && !lookup_done(l)) {
        *ret_mem = NULL;
        err = version_lookup(sv->version, l);
    }
    if (!err)
        fold_end(&l->fold);
    return err;
}

static int get_one(struct superversion *sv, uint64_t snapshot, struct lookup *l, struct slice key,
                   enum blob_use_cache use, struct lsm_value *ret)
{
    struct memtable *mem = NULL;
    struct slice value;
    bool newest_first;
    int err;

    l->key = key;
    err = sv_lookup(sv, snapshot, l, &mem, &newest_first);
    if (err)
        return err;
    err = blob_fetch(sv->version->store->blobs, &l->fold, use, l->gather);
    if (err)
        return err;
    err = fold_value(&l->fold, &value);
    if (err <= 0)
        return err ? err : -ENOENT;
    if (newest_first)
        fold_limit_keep(sv->mem, key, &l->fold, value);
    take_value(l, value, mem, ret);
    return 0;
}

static uint64_t read_seqno(const struct lsm_db *db, const struct lsm_snapshot *snapshot)
{
    return snapshot ? snapshot->seqno
                    : atomic_load_explicit(&db->visible_seqno, memory_order_acquire);
}

/* Look up keys whose missing blocks and large values are read together; see gather.h. */
static void get_together(struct superversion *sv, uint64_t seqno, struct lookup *l,
                         const struct lsm_key *keys, size_t count, enum blob_use_cache use,
                         struct lsm_value *ret_values, int *ret_errs)
{
    struct gather gather = {0};
    bool again = false;

    l->gather = count > 1 ? &gather : NULL;
    for (;;) {
        for (size_t i = 0; i < count; i++) {
            if (!again || ret_errs[i] == GATHER_LATER)
                ret_errs[i] =
                    get_one(sv, seqno, l, slice_of(keys[i].data, keys[i].len), use, &ret_values[i]);
        }
        if (!gather_waits(&gather))
            break;
        gather_read(&gather);
        again = true;
    }
    gather_done(&gather);
}

static int multi_get(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                     const struct lsm_key *keys, size_t count, enum blob_use_cache use,
                     struct lsm_value *ret_values, int *ret_errs)
{
    struct superversion *sv = sv_get(db);
    uint64_t seqno = read_seqno(db, snapshot);
    struct lookup l = {0};
    int first_err = 0;

    err_clear();
    for (size_t i = 0; i < count; i++)
        ret_values[i] = (struct lsm_value){0};
    for (size_t i = 0; i < count; i += GATHER_KEYS) {
        size_t n = count - i < GATHER_KEYS ? count - i : GATHER_KEYS;

        get_together(sv, seqno, &l, keys + i, n, use, ret_values + i, ret_errs + i);
    }
    for (size_t i = 0; i < count; i++) {
        if (ret_errs[i] && ret_errs[i] != -ENOENT && !first_err)
            first_err = ret_errs[i];
    }
    fold_done(&l.fold);
    sv_put(sv);
    return first_err;
}

int lsm_multi_get(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                  const struct lsm_key *keys, size_t count, struct lsm_value *ret_values,
                  int *ret_errs)
{
    return multi_get(db, snapshot, keys, count, BLOB_FILL, ret_values, ret_errs);
}

int lsm_multi_get_once(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                       const struct lsm_key *keys, size_t count, struct lsm_value *ret_values,
                       int *ret_errs)
{
    return multi_get(db, snapshot, keys, count, BLOB_LOOK, ret_values, ret_errs);
}

int lsm_get(struct lsm_db *db, const struct lsm_snapshot *snapshot, const void *key, size_t key_len,
            struct lsm_value *ret)
{
    struct lsm_key k = {key, key_len};
    int err, first_err = lsm_multi_get(db, snapshot, &k, 1, ret, &err);

    return first_err ? first_err : err;
}
