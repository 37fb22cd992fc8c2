/*
 * The registry of blob files that somebody holds.
 *
 * All counting is done under one lock, which is held for a few instructions only, so that a file
 * cannot be found while its last reference goes. Readers of values do not count: what they read is
 * held by the superversion that told them of it.
 *
 * A crash leaves files that nothing refers to; opening the store removes them.
 */
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/blob/blob_format.h"
#include "lsm/blob/blob_store_impl.h"

int blob_store_new(struct env *env, struct block_cache *cache, size_t value_cache_len_max,
                   struct blob_store **ret)
{
    struct blob_store *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->env = env;
    s->cache = cache;
    s->value_cache_len_max = value_cache_len_max;
    s->value_len_max = BLOB_VALUE_LEN_MAX;
    mutex_init(&s->mu);
    *ret = s;
    return 0;
}

void blob_store_set_value_len_max(struct blob_store *s, size_t len)
{
    s->value_len_max = len;
}

void blob_store_free(struct blob_store *s)
{
    if (!s)
        return;
    CHECK(s->count == 0);
    mutex_done(&s->mu);
    free(s->metas);
    free(s);
}

struct env *blob_store_env(const struct blob_store *s)
{
    return s->env;
}

/* The first with a number not below `number`. */
static size_t find_locked(const struct blob_store *s, uint64_t number)
{
    size_t lo = 0, hi = s->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->metas[mid]->number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct blob_meta *meta_at_locked(const struct blob_store *s, uint64_t number)
{
    size_t i = find_locked(s, number);

    return i < s->count && s->metas[i]->number == number ? s->metas[i] : NULL;
}

static int insert_locked(struct blob_store *s, struct blob_meta *m)
{
    size_t at = find_locked(s, m->number);

    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct blob_meta **metas = realloc(s->metas, cap * sizeof(struct blob_meta *));

        if (!metas)
            return -ENOMEM;
        s->metas = metas;
        s->cap = cap;
    }
    memmove(s->metas + at + 1, s->metas + at, (s->count - at) * sizeof(struct blob_meta *));
    s->metas[at] = m;
    s->count++;
    return 0;
}

static int get_locked(struct blob_store *s, uint64_t number, struct blob_meta **ret)
{
    struct blob_meta *m = meta_at_locked(s, number);
    int err;

    if (!m) {
        m = calloc(1, sizeof(*m));
        if (!m)
            return -ENOMEM;
        m->store = s;
        m->number = number;
        atomic_init(&m->writing, false);
        atomic_init(&m->damaged, false);
        atomic_init(&m->len, 0);
        atomic_init(&m->reader, NULL);
        err = insert_locked(s, m);
        if (err) {
            free(m);
            return err;
        }
    }
    m->refs++;
    *ret = m;
    return 0;
}

int blob_store_get(struct blob_store *s, uint64_t number, struct blob_meta **ret)
{
    int err;

    mutex_lock(&s->mu);
    err = get_locked(s, number, ret);
    mutex_unlock(&s->mu);
    return err;
}

struct blob_meta *blob_store_hold(struct blob_store *s, uint64_t number)
{
    struct blob_meta *m;

    mutex_lock(&s->mu);
    m = meta_at_locked(s, number);
    if (m)
        m->refs++;
    mutex_unlock(&s->mu);
    return m;
}

struct blob_meta *blob_store_find(struct blob_store *s, uint64_t number)
{
    struct blob_meta *m;

    mutex_lock(&s->mu);
    m = meta_at_locked(s, number);
    mutex_unlock(&s->mu);
    return m;
}

void blob_store_note_damage(struct blob_store *s, uint64_t number)
{
    struct blob_meta *m;

    mutex_lock(&s->mu);
    m = meta_at_locked(s, number);
    if (m)
        atomic_store(&m->damaged, true);
    mutex_unlock(&s->mu);
}

void blob_meta_ref(struct blob_meta *m)
{
    mutex_lock(&m->store->mu);
    CHECK(m->refs > 0);
    m->refs++;
    mutex_unlock(&m->store->mu);
}

/* Close, and unless it is kept remove. */
static void destroy(struct blob_meta *m)
{
    struct blob_store *s = m->store;
    char name[32];

    env_reader_close(atomic_load(&m->reader));
    if (!m->kept && s->env) {
        if (s->cache)
            block_cache_drop_file(s->cache, m->number);
        blob_file_name(m->number, name);
        /* A file that stays behind costs space only: the next open removes it. */
        (void)env_remove(s->env, name);
    }
    free(m);
}

void blob_meta_unref(struct blob_meta *m, bool kept)
{
    struct blob_store *s;
    bool last;

    if (!m)
        return;
    s = m->store;
    mutex_lock(&s->mu);
    CHECK(m->refs > 0);
    m->kept = m->kept || kept;
    last = --m->refs == 0;
    if (last) {
        size_t at = find_locked(s, m->number);

        s->count--;
        memmove(s->metas + at, s->metas + at + 1, (s->count - at) * sizeof(struct blob_meta *));
    }
    mutex_unlock(&s->mu);
    if (last)
        destroy(m);
}

bool blob_meta_is_alone(struct blob_meta *m)
{
    bool alone;

    mutex_lock(&m->store->mu);
    alone = m->refs == 1 && !m->kept;
    mutex_unlock(&m->store->mu);
    return alone;
}

void blob_store_settle(struct blob_store *s)
{
    mutex_lock(&s->mu);
    for (size_t i = 0; i < s->count; i++)
        s->metas[i]->kept = false;
    mutex_unlock(&s->mu);
}

int blob_store_list(struct blob_store *s, uint64_t **ret, size_t *ret_count)
{
    uint64_t *numbers;
    size_t count;

    mutex_lock(&s->mu);
    count = s->count;
    numbers = malloc((count ? count : 1) * sizeof(*numbers));
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = s->metas[i]->number;
    mutex_unlock(&s->mu);
    if (!numbers)
        return -ENOMEM;
    *ret = numbers;
    *ret_count = count;
    return 0;
}
