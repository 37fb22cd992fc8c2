/*
 * The public iterator. It merges all sources of one superversion and shows, for each user key, the
 * value as of its sequence number.
 *
 * Forwards the merged input gives a key's versions newest first, and stands on the version that
 * decided the value, so that a plain value is shown where it lies. Backwards it gives them oldest
 * first: each full value or deletion starts afresh, each patch is laid over, and the input then
 * stands on the last version of the key before. `reverse` says which of the two holds.
 */
#include "lsm/db/db.h"

/* A list of range tombstones, and the piece of key space that was asked about last. */
struct rangedel_source {
    const struct rangedel_list *list; /* a set's, or a table's */
    struct slice lo, hi;              /* between them, [lo, hi), `seqno` is the answer */
    bool known, bounded;              /* bounded: hi is a bound */
    uint64_t seqno;
};

struct lsm_iter {
    struct lsm_db *db;
    struct superversion *sv;
    uint64_t seqno;
    struct iter *input;
    struct rangedel_source *dels;
    size_t del_count, del_cap;
    struct tombstone_set *del_sets[1 + IMM_COUNT_MAX]; /* of the memtables */
    unsigned del_set_count;
    struct buf lower, upper;
    bool has_lower, has_upper;

    bool reverse;
    bool on_key;         /* forwards: the input stands on a version of the key, known for sure */
    struct buf key;      /* the user key it stands on */
    struct fold fold;    /* forwards */
    struct buf old;      /* backwards: the value */
    struct blob_ref ref; /* backwards: or where it lies, if has_ref */
    bool has_ref;
    int too_long;              /* backwards: what is laid over so far is: ERR_VALUE_LEN, or 0 */
    struct cache_block *block; /* backwards: holds the value that was read; NULL: `old` has it */
    struct buf seek_key;
    struct slice value;
};

static void drop_block(struct lsm_iter *it)
{
    cache_block_unref(it->block);
    it->block = NULL;
}

static uint64_t source_covering(struct rangedel_source *s, struct slice key, uint64_t snapshot)
{
    const struct rangedel_fragment *f;
    size_t i;

    if (s->known && slice_cmp(s->lo, key) <= 0 && (!s->bounded || slice_cmp(key, s->hi) < 0))
        return s->seqno;
    i = rangedel_list_find(s->list, key);
    s->known = true;
    s->bounded = i < s->list->fragment_count;
    f = &s->list->fragments[i];
    s->seqno = 0;
    if (s->bounded && slice_cmp(f->start, key) <= 0) {
        s->lo = f->start;
        s->hi = f->end;
        s->seqno = rangedel_list_covering(s->list, key, snapshot);
    } else {
        s->lo = i ? s->list->fragments[i - 1].end : slice_of(NULL, 0);
        if (s->bounded)
            s->hi = f->start;
    }
    return s->seqno;
}

/* The newest visible range tombstone over the key. */
static uint64_t covering(struct lsm_iter *it, struct slice key)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < it->del_count; i++) {
        uint64_t seqno = source_covering(&it->dels[i], key, it->seqno);

        newest = seqno > newest ? seqno : newest;
    }
    return newest;
}

static int add_source(struct lsm_iter *it, const struct rangedel_list *list)
{
    if (it->del_count == it->del_cap) {
        size_t cap = it->del_cap ? it->del_cap * 2 : 4;
        struct rangedel_source *dels = realloc(it->dels, cap * sizeof(*dels));

        if (!dels)
            return -ENOMEM;
        it->dels = dels;
        it->del_cap = cap;
    }
    it->dels[it->del_count++] = (struct rangedel_source){.list = list};
    return 0;
}

static int add_memtable_dels(struct lsm_iter *it, struct memtable *mem)
{
    struct tombstone_set *set;
    int err = memtable_rangedel_lists(mem, &set);

    if (err || !set)
        return err;
    it->del_sets[it->del_set_count++] = set;
    for (unsigned i = 0; !err && i < tombstone_set_count(set); i++)
        err = add_source(it, tombstone_set_list(set, i));
    return err;
}

static int add_table_dels(struct lsm_iter *it, const struct slice *lower, const struct slice *upper)
{
    struct version *v = it->sv->version;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        /* Mostly no table of the level has any. */
        size_t left = v->levels[level].rangedel_table_count;

        for (size_t i = 0; left && i < v->levels[level].count; i++) {
            struct table_meta *m = v->levels[level].tables[i];
            struct sst *sst;
            int err;

            if (m->stats.rangedel_count == 0)
                continue;
            left--;
            if (!table_meta_overlaps(m, lower, upper))
                continue;
            err = table_meta_sst(m, v->store, &sst);
            if (!err && sst_rangedels(sst))
                err = add_source(it, sst_rangedels(sst));
            if (err)
                return err;
        }
    }
    return 0;
}

static int add_memtable(struct lsm_iter *it, struct memtable *mem, struct iter ***children,
                        unsigned *count, unsigned *cap)
{
    if (memtable_empty(mem))
        return 0;
    if (*count == *cap) {
        unsigned new_cap = *cap ? *cap * 2 : 16;
        struct iter **grown = realloc(*children, new_cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        *children = grown;
        *cap = new_cap;
    }
    int err = memtable_iter_new(mem, &(*children)[*count]);

    if (!err)
        (*count)++;
    return err ? err : add_memtable_dels(it, mem);
}

/* Build the merged input of all sources that touch the bounds. */
static int build_input(struct lsm_iter *it)
{
    struct slice lower = buf_slice(&it->lower), upper = buf_slice(&it->upper);
    const struct slice *lo = it->has_lower ? &lower : NULL, *up = it->has_upper ? &upper : NULL;
    struct iter **children = NULL;
    unsigned count = 0, cap = 0;
    int err = add_memtable(it, it->sv->mem, &children, &count, &cap);

    for (unsigned i = 0; !err && i < it->sv->imm_count; i++)
        err = add_memtable(it, it->sv->imms[i], &children, &count, &cap);
    if (!err)
        err =
            version_add_iters(it->sv->version, lo, up, SST_ITER_READAHEAD, &children, &count, &cap);
    if (!err)
        err = add_table_dels(it, lo, up);
    if (!err) {
        err = merge_iter_new(children, count, &it->input);
    } else {
        for (unsigned i = 0; i < count; i++)
            iter_free(children[i]);
    }
    free(children);
    return err;
}

int lsm_iter_new(struct lsm_db *db, const struct lsm_snapshot *snapshot, const void *lower,
                 size_t lower_len, const void *upper, size_t upper_len, struct lsm_iter **ret)
{
    struct lsm_iter *it = calloc(1, sizeof(*it));
    int err = 0;

    err_clear();
    if (!it)
        return -ENOMEM;
    it->db = db;
    it->sv = sv_get(db);
    it->seqno =
        snapshot ? snapshot->seqno : atomic_load_explicit(&db->visible_seqno, memory_order_acquire);
    it->has_lower = lower != NULL;
    it->has_upper = upper != NULL;
    if (lower)
        err = buf_assign(&it->lower, lower, lower_len);
    if (upper && !err)
        err = buf_assign(&it->upper, upper, upper_len);
    it->fold.value_len_max = it->sv->version->store->value_len_max;
    if (!err)
        err = build_input(it);
    if (err) {
        lsm_iter_free(it);
        return err;
    }
    *ret = it;
    return 0;
}

void lsm_iter_free(struct lsm_iter *it)
{
    if (!it)
        return;
    for (unsigned i = 0; i < it->del_set_count; i++)
        tombstone_set_put(it->del_sets[i]);
    free(it->dels);
    iter_free(it->input);
    sv_put(it->sv);
    fold_done(&it->fold);
    drop_block(it);
    buf_free(&it->lower);
    buf_free(&it->upper);
    buf_free(&it->key);
    buf_free(&it->old);
    buf_free(&it->seek_key);
    free(it);
}

static bool on_current_key(const struct lsm_iter *it)
{
    return it->input->valid && slice_eq(ikey_user(it->input->key), buf_slice(&it->key));
}

/* To the next older version of the key, if there is one. */
static bool next_version(struct lsm_iter *it)
{
    iter_next(it->input);
    it->on_key = on_current_key(it);
    return it->on_key;
}

static void skip_key(struct lsm_iter *it)
{
    while (it->on_key)
        next_version(it);
}

/* A patch must outlive the input's next move; a full value ends the walk, so it may borrow. */
static int feed(struct lsm_iter *it)
{
    enum kind kind = ikey_kind(it->input->key);
    struct slice value = it->input->value;
    struct pin pin = {0};
    int err = value_len_check(kind, value, fold_value_len_max(&it->fold));

    if (err)
        return err;
    if (kind == KIND_PATCH) {
        uint8_t *copy = malloc(value.len ? value.len : 1);

        if (!copy)
            return -ENOMEM;
        memcpy(copy, value.data, value.len);
        value.data = copy;
        pin = (struct pin){free, copy};
    }
    return fold_add(&it->fold, kind, ikey_seqno(it->input->key), value, &pin);
}

/* Most keys: the newest version is a visible value, and there is nothing to fold. */
static bool is_plain(const struct lsm_iter *it, uint64_t deleted_to)
{
    uint64_t seqno = ikey_seqno(it->input->key);

    return ikey_kind(it->input->key) == KIND_PUT && seqno <= it->seqno && seqno >= deleted_to &&
           it->input->value.len <= fold_value_len_max(&it->fold);
}

/* The value of the key whose first version the input stands on: 1, 0 when it has none, an error. */
static int resolve_forward(struct lsm_iter *it)
{
    uint64_t deleted_to;
    int err = buf_assign(&it->key, it->input->key.data, it->input->key.len - IKEY_TRAILER_LEN);

    if (err)
        return err;
    fold_begin(&it->fold);
    deleted_to = covering(it, buf_slice(&it->key));
    it->on_key = true;
    if (is_plain(it, deleted_to)) {
        it->value = it->input->value;
        return 1;
    }
    do {
        uint64_t seqno = ikey_seqno(it->input->key);

        if (seqno > it->seqno)
            continue;
        if (seqno < deleted_to)
            break;
        err = feed(it);
        if (err < 0)
            return err;
        if (it->fold.done)
            break;
    } while (next_version(it));
    if (it->input->err)
        return it->input->err;
    fold_end(&it->fold);
    err = blob_fetch(it->sv->version->store->blobs, &it->fold, BLOB_FILL, NULL);
    return err ? err : fold_value(&it->fold, &it->value);
}

static bool beyond_upper(const struct lsm_iter *it, struct slice user)
{
    return it->has_upper && slice_cmp(user, buf_slice(&it->upper)) >= 0;
}

static bool before_lower(const struct lsm_iter *it, struct slice user)
{
    return it->has_lower && slice_cmp(user, buf_slice(&it->lower)) < 0;
}

/* From the input's position on, find the first key that has a value. */
static int find_forward(struct lsm_iter *it)
{
    it->reverse = it->on_key = false;
    while (it->input->valid) {
        int found;

        if (beyond_upper(it, ikey_user(it->input->key)))
            return 0;
        found = resolve_forward(it);
        if (found)
            return found;
        skip_key(it);
    }
    return it->input->err;
}

/* Read what a reference means: into the value, or to lay patches over it. */
static int fetch(struct lsm_iter *it)
{
    int err;

    drop_block(it);
    err = blob_read(it->sv->version->store->blobs, &it->ref, BLOB_FILL, &it->block, &it->value);
    it->has_ref = false;
    return err;
}

/*
 * Is the version too long, or is it a patch over one that is? Whatever hides what is older hides
 * this too, so it is no error before the newest version has been seen.
 */
static bool is_too_long(struct lsm_iter *it, enum kind kind, struct slice value)
{
    if (it->too_long && kind != KIND_PATCH) {
        it->too_long = 0;
        err_clear();
    }
    if (!it->too_long)
        it->too_long = value_len_check(kind, value, fold_value_len_max(&it->fold));
    return it->too_long;
}

/* Lay one version over what is older. A reference is followed only if what it means is needed. */
static int lay_over(struct lsm_iter *it, enum kind kind, struct slice value, bool *found)
{
    int err = 0;

    if (is_too_long(it, kind, value)) {
        *found = true;
        it->has_ref = false;
        it->old.len = 0;
        return 0;
    }
    switch (kind) {
    case KIND_PUT:
        *found = true;
        it->has_ref = false;
        return buf_assign(&it->old, value.data, value.len);
    case KIND_BLOB_REF:
        *found = it->has_ref = true;
        return blob_ref_decode(value, &it->ref) ? 0 : blob_raise_ref(value);
    case KIND_PATCH:
        *found = true;
        if (it->has_ref) {
            err = fetch(it);
            if (!err)
                err = buf_assign(&it->old, it->value.data, it->value.len);
        }
        return err ? err : patch_apply(&it->old, value);
    case KIND_DELETE:
        *found = it->has_ref = false;
        it->old.len = 0;
        return 0;
    default:
        return err_raise(ERR_KIND_UNKNOWN, "a record of an unknown kind %u", (unsigned)kind);
    }
}

/* The value of the key whose oldest version the input stands on, and step before the key. */
static int resolve_backward(struct lsm_iter *it)
{
    uint64_t deleted_to;
    bool found = false;
    int err = buf_assign(&it->key, it->input->key.data, it->input->key.len - IKEY_TRAILER_LEN);

    if (err)
        return err;
    deleted_to = covering(it, buf_slice(&it->key));
    it->old.len = 0;
    it->has_ref = false;
    it->too_long = 0;
    for (; on_current_key(it) && !err; iter_prev(it->input)) {
        uint64_t seqno = ikey_seqno(it->input->key);
        struct slice value = it->input->value;

        if (seqno > it->seqno || seqno < deleted_to)
            continue;
        err = lay_over(it, ikey_kind(it->input->key), value, &found);
    }
    if (!err)
        err = it->input->err;
    if (!err)
        err = it->too_long;
    if (!err && found && it->has_ref) {
        err = fetch(it);
        return err ? err : 1;
    }
    it->value = buf_slice(&it->old);
    return err ? err : found;
}

static int find_backward(struct lsm_iter *it)
{
    it->reverse = true;
    while (it->input->valid) {
        int found;

        if (before_lower(it, ikey_user(it->input->key)))
            return 0;
        found = resolve_backward(it);
        if (found)
            return found;
    }
    return it->input->err;
}

int lsm_iter_seek(struct lsm_iter *it, const void *key, size_t key_len)
{
    struct slice user = slice_of(key, key_len);
    int err;

    err_clear();
    if (before_lower(it, user))
        user = buf_slice(&it->lower);
    err = ikey_make(&it->seek_key, user, it->seqno, IKEY_SEEK_KIND);
    if (err)
        return err;
    iter_seek(it->input, buf_slice(&it->seek_key));
    return find_forward(it);
}

int lsm_iter_seek_prev(struct lsm_iter *it, const void *key, size_t key_len)
{
    struct slice user = slice_of(key, key_len);
    int err;

    err_clear();
    if (beyond_upper(it, user))
        user = buf_slice(&it->upper);
    err = ikey_make(&it->seek_key, user, SEQNO_MAX, IKEY_SEEK_KIND);
    if (err)
        return err;
    iter_seek_prev(it->input, buf_slice(&it->seek_key));
    return find_backward(it);
}

int lsm_iter_first(struct lsm_iter *it)
{
    err_clear();
    if (it->has_lower)
        return lsm_iter_seek(it, it->lower.data, it->lower.len);
    iter_seek_first(it->input);
    return find_forward(it);
}

int lsm_iter_last(struct lsm_iter *it)
{
    err_clear();
    if (it->has_upper)
        return lsm_iter_seek_prev(it, it->upper.data, it->upper.len);
    iter_seek_last(it->input);
    return find_backward(it);
}

int lsm_iter_next(struct lsm_iter *it)
{
    err_clear();
    if (it->reverse) {
        /* The input stands before the key: go to the first version behind all of the key's. */
        int err = ikey_make(&it->seek_key, buf_slice(&it->key), 0, 0);

        if (err)
            return err;
        iter_seek(it->input, buf_slice(&it->seek_key));
    } else {
        skip_key(it);
    }
    return find_forward(it);
}

int lsm_iter_prev(struct lsm_iter *it)
{
    err_clear();
    if (!it->reverse) {
        int err = ikey_make(&it->seek_key, buf_slice(&it->key), SEQNO_MAX, IKEY_SEEK_KIND);

        if (err)
            return err;
        iter_seek_prev(it->input, buf_slice(&it->seek_key));
    }
    return find_backward(it);
}

const void *lsm_iter_key(const struct lsm_iter *it, size_t *ret_len)
{
    *ret_len = it->key.len;
    return it->key.data;
}

const void *lsm_iter_value(const struct lsm_iter *it, size_t *ret_len)
{
    *ret_len = it->value.len;
    return it->value.data;
}
