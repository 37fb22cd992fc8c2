/*
 * The memtable: a tree of point versions and a chain of range tombstones, both in one arena.
 *
 * Two versions may have one sequence number: a patch, and behind it the whole value that it makes.
 *
 * Nothing is ever changed or removed, so a slice of a key or a value is valid as long as the
 * memtable. Holders of a reference: whoever made it or was given it, and each iterator. There is
 * nothing on disk; what a crash loses here is read again from the log with the memtable's number.
 */
#include "lsm/mem/memtable.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lsm/base/blob_ref.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/base/mutex.h"
#include "lsm/mem/arena.h"
#include "lsm/mem/entry_tree.h"
#include "lsm/mem/tombstones.h"

/* A file that references lie in. */
struct held_file {
    uint64_t number;
    uint64_t count, len; /* references, and bytes of the file */
    void *object;        /* what `hold` gave */
};

struct memtable {
    uint64_t number;             /* constant */
    struct memtable_files files; /* constant after the first reference */

    atomic_uint refs;
    atomic_uint_fast64_t entry_count;
    atomic_uint_fast64_t file_len; /* of all held files */
    atomic_bool flushed;

    struct mutex files_mu;  /* order 4 */
    struct held_file *held; /* [files_mu] in no order */
    size_t held_count, held_cap;

    /* With their own synchronisation. */
    struct arena arena;
    struct entry_tree points;
    struct tombstones tombstones;

    struct mutex folded_mu; /* a leaf, but for the arena's; two may not add the same whole value */
};

int memtable_new(uint64_t number, struct memtable **ret)
{
    struct memtable *mt = calloc(1, sizeof(*mt));
    int err;

    if (!mt)
        return -ENOMEM;
    mt->number = number;
    atomic_init(&mt->refs, 1);
    atomic_init(&mt->entry_count, 0);
    atomic_init(&mt->file_len, 0);
    atomic_init(&mt->flushed, false);
    mutex_init(&mt->files_mu);
    mutex_init(&mt->folded_mu);
    arena_init(&mt->arena);
    tombstones_init(&mt->tombstones, &mt->arena);
    err = entry_tree_init(&mt->points, &mt->arena);
    if (err) {
        memtable_unref(mt);
        return err;
    }
    *ret = mt;
    return 0;
}

void memtable_set_account(struct memtable *mt, struct arena_account account)
{
    arena_set_account(&mt->arena, account);
}

void memtable_ref(struct memtable *mt)
{
    atomic_fetch_add_explicit(&mt->refs, 1, memory_order_relaxed);
}

void memtable_unref(struct memtable *mt)
{
    if (!mt || atomic_fetch_sub_explicit(&mt->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < mt->held_count; i++) {
        if (mt->held[i].object)
            mt->files.release(mt->held[i].object, atomic_load(&mt->flushed));
    }
    free(mt->held);
    mutex_done(&mt->files_mu);
    tombstones_done(&mt->tombstones);
    arena_done(&mt->arena);
    mutex_done(&mt->folded_mu);
    free(mt);
}

void memtable_set_files(struct memtable *mt, const struct memtable_files *files)
{
    mt->files = *files;
}

void memtable_set_flushed(struct memtable *mt)
{
    atomic_store(&mt->flushed, true);
}

static int hold_locked(struct memtable *mt, uint64_t number, struct held_file **ret)
    REQUIRES(mt->files_mu)
{
    struct held_file file = {.number = number};

    if (mt->held_count == mt->held_cap) {
        size_t cap = mt->held_cap ? mt->held_cap * 2 : 4;
        struct held_file *held = realloc(mt->held, cap * sizeof(*held));

        if (!held)
            return -ENOMEM;
        mt->held = held;
        mt->held_cap = cap;
    }
    if (mt->files.hold) {
        file.object = mt->files.hold(mt->files.arg, number);
        if (!file.object)
            return -ENOMEM;
    }
    mt->held[mt->held_count] = file;
    *ret = &mt->held[mt->held_count++];
    return 0;
}

/* Before the entry can be seen: who sees it may follow it. */
static int hold_file(struct memtable *mt, struct slice value)
{
    struct held_file *file = NULL;
    struct blob_ref ref;
    int err = 0;

    if (!blob_ref_decode(value, &ref))
        return err_raise(ERR_BLOB_REF, "a reference to a large value cannot be decoded");
    mutex_lock(&mt->files_mu);
    /* The newest files are at the end. */
    for (size_t i = mt->held_count; i-- > 0 && !file;) {
        if (mt->held[i].number == ref.file)
            file = &mt->held[i];
    }
    if (!file)
        err = hold_locked(mt, ref.file, &file);
    if (!err) {
        file->count++;
        file->len += blob_padded(ref.len);
        atomic_fetch_add_explicit(&mt->file_len, blob_padded(ref.len), memory_order_relaxed);
    }
    mutex_unlock(&mt->files_mu);
    return err;
}

int memtable_each_file(struct memtable *mt,
                       int (*each)(void *arg, uint64_t number, uint64_t count, uint64_t len),
                       void *arg)
{
    int err = 0;

    mutex_lock(&mt->files_mu);
    for (size_t i = 0; !err && i < mt->held_count; i++)
        err = each(arg, mt->held[i].number, mt->held[i].count, mt->held[i].len);
    mutex_unlock(&mt->files_mu);
    return err;
}

uint64_t memtable_file_len(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->file_len, memory_order_relaxed);
}

uint64_t memtable_number(const struct memtable *mt)
{
    return mt->number;
}

int memtable_add(struct memtable *mt, uint64_t seqno, enum kind kind, struct slice key,
                 struct slice value)
{
    int err;

    if (key.len > USER_KEY_LEN_MAX || value.len > UINT32_MAX || seqno > SEQNO_MAX)
        return -EINVAL;
    switch (kind) {
    case KIND_BLOB_REF:
        err = hold_file(mt, value);
        if (err)
            return err;
        err = entry_tree_insert(&mt->points, key, ikey_trailer(seqno, kind), value);
        break;
    case KIND_PUT:
    case KIND_DELETE:
    case KIND_PATCH:
        err = entry_tree_insert(&mt->points, key, ikey_trailer(seqno, kind), value);
        break;
    case KIND_DELETE_RANGE:
        err = tombstones_add(&mt->tombstones, &(struct rangedel){key, value, seqno});
        break;
    default:
        return err_raise(ERR_KIND_UNKNOWN, "record %llu has the unknown kind %u",
                         (unsigned long long)seqno, (unsigned)kind);
    }
    if (!err)
        atomic_fetch_add_explicit(&mt->entry_count, 1, memory_order_relaxed);
    return err;
}

int memtable_add_folded(struct memtable *mt, uint64_t seqno, struct slice key, struct slice value)
{
    uint64_t trailer = ikey_trailer(seqno, KIND_PUT);
    struct entry_cursor c;
    int err = 0;

    if (value.len > UINT32_MAX)
        return -EINVAL;
    mutex_lock(&mt->folded_mu);
    entry_tree_seek(&mt->points, key, trailer, &c);
    if (!c.entry || ikey_tail(entry_key(c.entry)) != trailer ||
        !slice_eq(ikey_user(entry_key(c.entry)), key))
        err = entry_tree_insert(&mt->points, key, trailer, value);
    mutex_unlock(&mt->folded_mu);
    return err;
}

int memtable_lookup(struct memtable *mt, struct lookup *l)
{
    struct entry_cursor c;
    uint64_t tombstone;
    int r = tombstones_covering(&mt->tombstones, l->key, l->snapshot, &tombstone);

    if (r)
        return r;
    lookup_rangedel(l, tombstone);
    entry_tree_seek(&mt->points, l->key, l->snapshot << 8 | IKEY_SEEK_KIND, &c);
    for (; c.entry; entry_cursor_next(&c)) {
        struct slice ikey = entry_key(c.entry);
        struct pin pin = {0};

        if (!slice_eq(ikey_user(ikey), l->key))
            break;
        r = lookup_add(l, ikey_kind(ikey), ikey_seqno(ikey), entry_value(c.entry), &pin);
        if (r)
            return r < 0 ? r : 0;
    }
    /* Every older source holds only older versions, so a tombstone from here covers them all. */
    if (tombstone)
        fold_end(&l->fold);
    return 0;
}

int memtable_rangedel_lists(struct memtable *mt, struct tombstone_set **ret)
{
    return tombstones_get_set(&mt->tombstones, ret);
}

int memtable_rangedels_get(struct memtable *mt, const struct rangedel_list **ret)
{
    return tombstones_get(&mt->tombstones, ret);
}

void memtable_rangedels_put(struct memtable *mt, const struct rangedel_list *list)
{
    (void)mt;
    tombstones_put(list);
}

size_t memtable_len(const struct memtable *mt)
{
    return arena_len(&mt->arena);
}

uint64_t memtable_entry_count(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->entry_count, memory_order_relaxed);
}

bool memtable_empty(const struct memtable *mt)
{
    return memtable_entry_count(mt) == 0;
}

/* --- Iterating --- */

struct memtable_iter {
    struct iter it;
    struct memtable *mt;
    struct entry_cursor cursor;
};

static struct entry_cursor *mem_cursor(struct iter *it)
{
    return &((struct memtable_iter *)it)->cursor;
}

static const struct entry_tree *mem_points(struct iter *it)
{
    return &((struct memtable_iter *)it)->mt->points;
}

/* Show what the cursor stands on. */
static void mem_show(struct iter *it)
{
    const struct entry *e = mem_cursor(it)->entry;

    it->valid = e != NULL;
    if (!e)
        return;
    it->key = entry_key(e);
    it->value = entry_value(e);
}

static void mem_seek_first(struct iter *it)
{
    entry_tree_first(mem_points(it), mem_cursor(it));
    mem_show(it);
}

static void mem_seek_last(struct iter *it)
{
    entry_tree_last(mem_points(it), mem_cursor(it));
    mem_show(it);
}

static void mem_seek(struct iter *it, struct slice ikey)
{
    entry_tree_seek(mem_points(it), ikey_user(ikey), ikey_tail(ikey), mem_cursor(it));
    mem_show(it);
}

static void mem_seek_prev(struct iter *it, struct slice ikey)
{
    entry_tree_seek_prev(mem_points(it), ikey_user(ikey), ikey_tail(ikey), mem_cursor(it));
    mem_show(it);
}

static void mem_next(struct iter *it)
{
    DCHECK(it->valid);
    entry_cursor_next(mem_cursor(it));
    mem_show(it);
}

static void mem_prev(struct iter *it)
{
    DCHECK(it->valid);
    entry_cursor_prev(mem_cursor(it));
    mem_show(it);
}

static void mem_free(struct iter *it)
{
    memtable_unref(((struct memtable_iter *)it)->mt);
    free(it);
}

static const struct iter_ops mem_ops = {
    .seek_first = mem_seek_first,
    .seek_last = mem_seek_last,
    .seek = mem_seek,
    .seek_prev = mem_seek_prev,
    .next = mem_next,
    .prev = mem_prev,
    .free = mem_free,
};

int memtable_iter_new(struct memtable *mt, struct iter **ret)
{
    struct memtable_iter *mi = calloc(1, sizeof(*mi));

    if (!mi)
        return -ENOMEM;
    mi->it.ops = &mem_ops;
    mi->mt = mt;
    memtable_ref(mt);
    *ret = &mi->it;
    return 0;
}
