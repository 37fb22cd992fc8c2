/*
 * One table as a version knows it: number, key range, statistics, and the open file once somebody
 * has needed it.
 *
 * Opening takes no lock. Two threads may open the same table at once; the first to publish its
 * handle wins and the other closes its own. A handle is only replaced from NULL, and only the last
 * reference takes it away, so a borrowed handle lives as long as the borrower's reference.
 *
 * An obsolete table's file is removed with its last reference. A crash before that leaves a file
 * that no manifest names; opening the store removes it.
 */
#include "lsm/version/table_array.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

/* Far above any disk, and low enough that sums of lengths stay within 64 bits. */
#define TABLE_LEN_MAX (UINT64_C(1) << 48)

static bool meta_possible(uint64_t number, const struct sst_stats *s, struct slice smallest,
                          struct slice largest, bool largest_exclusive)
{
    int c = slice_cmp(smallest, largest);

    if (number == 0 || c > 0 || (c == 0 && largest_exclusive))
        return false;
    if (s->seqno_min > s->seqno_max || s->seqno_max > SEQNO_MAX || s->file_len > TABLE_LEN_MAX)
        return false;
    return s->delete_count <= s->entry_count && s->patch_count <= s->entry_count - s->delete_count;
}

int table_meta_new(uint64_t number, uint64_t run, const struct sst_stats *stats,
                   struct slice smallest, struct slice largest, bool largest_exclusive,
                   struct table_meta **ret)
{
    struct table_meta *m;
    uint8_t *keys;

    if (!meta_possible(number, stats, smallest, largest, largest_exclusive))
        return err_raise(EINVAL, "table %" PRIu64 ": impossible key range or statistics", number);
    m = malloc(sizeof(*m) + smallest.len + largest.len);
    if (!m)
        return -ENOMEM;
    keys = (uint8_t *)(m + 1);
    if (smallest.len)
        memcpy(keys, smallest.data, smallest.len);
    if (largest.len)
        memcpy(keys + smallest.len, largest.data, largest.len);
    m->number = number;
    m->run = run;
    m->stats = *stats;
    m->smallest = slice_of(keys, smallest.len);
    m->largest = slice_of(keys + smallest.len, largest.len);
    m->largest_exclusive = largest_exclusive;
    m->held_count = m->held_snapshots = 0;
    m->compacting = false;
    atomic_init(&m->refs, 1);
    atomic_init(&m->obsolete, false);
    atomic_init(&m->sst, NULL);
    m->blobs = (struct blob_uses){0};
    m->blob_files = NULL;
    *ret = m;
    return 0;
}

static int hold_blobs(struct table_meta *m, struct blob_store *s)
{
    size_t i = 0;
    int err = 0;

    m->blob_files = calloc(m->blobs.count, sizeof(struct blob_meta *));
    if (!m->blob_files)
        return -ENOMEM;
    for (; !err && i < m->blobs.count; i++)
        err = blob_store_get(s, m->blobs.uses[i].number, &m->blob_files[i]);
    return err;
}

int table_meta_set_blobs(struct table_meta *m, struct table_store *store,
                         const struct blob_uses *uses)
{
    int err = 0;

    for (size_t i = 0; !err && i < uses->count; i++)
        err =
            blob_uses_add(&m->blobs, uses->uses[i].number, uses->uses[i].count, uses->uses[i].len);
    if (!err && m->blobs.count && store && store->blobs)
        err = hold_blobs(m, store->blobs);
    return err;
}

/* The table's file goes too, or something on disk names it still. */
static void release_blobs(struct table_meta *m, bool kept)
{
    for (size_t i = 0; m->blob_files && i < m->blobs.count; i++)
        blob_meta_unref(m->blob_files[i], kept);
    free(m->blob_files);
    blob_uses_done(&m->blobs);
}

void table_meta_ref(struct table_meta *m)
{
    CHECK(atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed) > 0);
}

void table_meta_unref(struct table_meta *m, struct table_store *store)
{
    unsigned before;
    char name[32];

    if (!m)
        return;
    before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    sst_unref(atomic_load(&m->sst));
    if (atomic_load(&m->obsolete)) {
        if (store->cache)
            block_cache_drop_file(store->cache, m->number);
        sst_file_name(m->number, name);
        /* A file that stays behind costs space only: the next open removes it. */
        (void)env_remove(store->env, name);
    }
    release_blobs(m, !atomic_load(&m->obsolete));
    free(m);
}

static int stats_mismatch(const char *name, const char *field, uint64_t expected, uint64_t found)
{
    return err_raise(ERR_SST_STATS, "%s: %s is %" PRIu64 ", the manifest says %" PRIu64, name,
                     field, found, expected);
}

/* The table must be the very one that the manifest means, not another of the same name. */
static int stats_agree(const char *name, const struct sst_stats *want, const struct sst_stats *is)
{
    const struct {
        const char *field;
        uint64_t want, is;
    } pairs[] = {
        {"file length", want->file_len, is->file_len},
        {"number of entries", want->entry_count, is->entry_count},
        {"number of deletions", want->delete_count, is->delete_count},
        {"number of patches", want->patch_count, is->patch_count},
        {"number of range tombstones", want->rangedel_count, is->rangedel_count},
        {"raw length", want->raw_len, is->raw_len},
        {"smallest sequence number", want->seqno_min, is->seqno_min},
        {"largest sequence number", want->seqno_max, is->seqno_max},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].want != pairs[i].is)
            return stats_mismatch(name, pairs[i].field, pairs[i].want, pairs[i].is);
    }
    return 0;
}

int table_meta_sst(struct table_meta *m, struct table_store *store, struct sst **ret)
{
    struct sst *t = atomic_load_explicit(&m->sst, memory_order_acquire), *other = NULL;
    char name[32];
    int err;

    if (t) {
        *ret = t;
        return 0;
    }
    sst_file_name(m->number, name);
    err = sst_open(store->env, store->cache, m->number, &t);
    if (err == -ENOENT)
        return err_raise(ERR_FILE_MISSING, "%s: the manifest names it, but it is missing", name);
    if (err)
        return err;
    err = stats_agree(name, &m->stats, sst_stats(t));
    if (!err && !blob_uses_equal(&m->blobs, sst_blobs(t)))
        err =
            err_raise(ERR_SST_STATS, "%s: refers to other blob files than the manifest says", name);
    if (err) {
        sst_unref(t);
        return err;
    }
    if (!atomic_compare_exchange_strong(&m->sst, &other, t)) {
        sst_unref(t);
        t = other;
    }
    *ret = t;
    return 0;
}

bool table_meta_ends_before(const struct table_meta *m, struct slice key)
{
    int c = slice_cmp(m->largest, key);

    return c < 0 || (c == 0 && m->largest_exclusive);
}

bool table_meta_overlaps(const struct table_meta *m, const struct slice *start,
                         const struct slice *end)
{
    if (start && table_meta_ends_before(m, *start))
        return false;
    return !end || slice_cmp(m->smallest, *end) <= 0;
}

int table_array_new(size_t cap, struct table_array **ret)
{
    struct table_array *a;

    if (cap > (SIZE_MAX - sizeof(*a)) / sizeof(a->tables[0]))
        return -ENOMEM;
    a = malloc(sizeof(*a) + cap * sizeof(a->tables[0]));
    if (!a)
        return -ENOMEM;
    atomic_init(&a->refs, 1);
    a->count = 0;
    *ret = a;
    return 0;
}

void table_array_push(struct table_array *a, struct table_meta *m)
{
    table_meta_ref(m);
    a->tables[a->count++] = m;
}

void table_array_ref(struct table_array *a)
{
    CHECK(atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed) > 0);
}

void table_array_unref(struct table_array *a, struct table_store *store)
{
    unsigned before;

    if (!a)
        return;
    before = atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < a->count; i++)
        table_meta_unref(a->tables[i], store);
    free(a);
}
