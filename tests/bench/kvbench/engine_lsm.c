/* Ours, through lsm.h alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"
#include "bench/kvbench/lsm_settings.h"
#include "lsm/lsm.h"

struct store {
    struct lsm_db *db;
};

struct cursor {
    struct lsm_iter *it;
};

static _Noreturn void fail(const char *doing, int err)
{
    bench_fail("%s: %s (%s)", doing, lsm_strerror(err), lsm_detail());
}

static bool answered(const char *doing, int err)
{
    if (err < 0)
        fail(doing, err);
    return err > 0;
}

static struct store *ours_open(const struct config *c, const char *path, bool create)
{
    struct store *s = bench_alloc(sizeof(*s));
    struct lsm_options options;
    int err;

    lsm_options_default(&options);
    options.create = create;
    options.compress = true;
    options.filter_bits_per_key = BLOOM_BITS;
    options.memtable_len = MEMTABLE_LEN;
    options.cache_bytes = CACHE_LEN;
    lsm_settings_apply(c->lsm_settings, c->lsm_setting_count, &options);
    err = lsm_open(path, &options, &s->db);
    if (err)
        fail("open", err);
    return s;
}

static void ours_close(struct store *s)
{
    int err = lsm_close(s->db);

    if (err)
        fail("close", err);
    free(s);
}

static void ours_put(struct store *s, const struct key *key, const void *value, size_t len,
                     bool sync)
{
    int err = lsm_put(s->db, key->bytes, KEY_LEN, value, len, sync ? LSM_WRITE_SYNC : 0);

    if (err)
        fail("put", err);
}

static void keep(struct lsm_value *from, struct value *ret)
{
    ret->data = from->data;
    ret->len = from->len;
    memcpy(ret->held, from->held, sizeof(ret->held));
}

static bool ours_get(struct store *s, const struct key *key, struct value *ret)
{
    struct lsm_value v;
    int err = lsm_get(s->db, NULL, key->bytes, KEY_LEN, &v);

    if (err == -ENOENT)
        return false;
    if (err)
        fail("get", err);
    keep(&v, ret);
    return true;
}

static void ours_value_done(struct value *v)
{
    struct lsm_value given = {.data = v->data, .len = v->len};

    if (!v->data)
        return;
    memcpy(given.held, v->held, sizeof(v->held));
    lsm_value_done(&given);
}

static void ours_multi_get(struct store *s, const struct key *keys, size_t count, struct value *ret)
{
    struct lsm_key wanted[MULTI_GET_COUNT] = {{NULL, 0}};
    struct lsm_value values[MULTI_GET_COUNT];
    int errs[MULTI_GET_COUNT], err;

    for (size_t i = 0; i < count; i++)
        wanted[i] = (struct lsm_key){keys[i].bytes, KEY_LEN};
    err = lsm_multi_get(s->db, NULL, wanted, count, values, errs);
    if (err)
        fail("multi-get", err);
    for (size_t i = 0; i < count; i++) {
        ret[i].data = NULL;
        if (!errs[i])
            keep(&values[i], &ret[i]);
    }
}

/* Apply the batch and free it. */
static void write_batch(struct store *s, struct lsm_batch *b, const char *doing)
{
    int err = lsm_write(s->db, b, 0);

    if (err)
        fail(doing, err);
    lsm_batch_free(b);
}

static struct lsm_batch *new_batch(void)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b);

    if (err)
        fail("batch", err);
    return b;
}

static void ours_patch(struct store *s, const struct key *key, size_t offset, const void *bytes,
                       size_t len)
{
    struct lsm_batch *b = new_batch();
    int err = lsm_batch_patch(b, key->bytes, KEY_LEN, offset, bytes, len);

    if (err)
        fail("patch", err);
    write_batch(s, b, "patch");
}

static void ours_delete_range(struct store *s, const struct key *start, const struct key *end)
{
    struct lsm_batch *b = new_batch();
    int err = lsm_batch_delete_range(b, start->bytes, KEY_LEN, end->bytes, KEY_LEN);

    if (err)
        fail("delete range", err);
    write_batch(s, b, "delete range");
}

static struct cursor *ours_cursor_open(struct store *s)
{
    struct cursor *c = bench_alloc(sizeof(*c));
    int err = lsm_iter_new(s->db, NULL, NULL, 0, NULL, 0, &c->it);

    if (err)
        fail("iterator", err);
    return c;
}

static void ours_cursor_close(struct cursor *c)
{
    lsm_iter_free(c->it);
    free(c);
}

static bool ours_first(struct cursor *c)
{
    return answered("first", lsm_iter_first(c->it));
}

static bool ours_last(struct cursor *c)
{
    return answered("last", lsm_iter_last(c->it));
}

static bool ours_seek(struct cursor *c, const struct key *key)
{
    return answered("seek", lsm_iter_seek(c->it, key->bytes, KEY_LEN));
}

static bool ours_next(struct cursor *c)
{
    return answered("next", lsm_iter_next(c->it));
}

static bool ours_prev(struct cursor *c)
{
    return answered("prev", lsm_iter_prev(c->it));
}

static const void *ours_key(struct cursor *c, size_t *ret_len)
{
    return lsm_iter_key(c->it, ret_len);
}

static const void *ours_value(struct cursor *c, size_t *ret_len)
{
    return lsm_iter_value(c->it, ret_len);
}

const struct engine engine_lsm = {
    .name = "lsm",
    .settings = "LZ4, 10 bits of filter a key, memtable 64 MiB, one budget of 512 MiB for cache, "
                "indexes, filters and memtables",
    .version = lsm_version,
    .open = ours_open,
    .close = ours_close,
    .put = ours_put,
    .get = ours_get,
    .value_done = ours_value_done,
    .multi_get = ours_multi_get,
    .patch = ours_patch,
    .delete_range = ours_delete_range,
    .cursor_open = ours_cursor_open,
    .cursor_close = ours_cursor_close,
    .first = ours_first,
    .last = ours_last,
    .seek = ours_seek,
    .next = ours_next,
    .prev = ours_prev,
    .key = ours_key,
    .value = ours_value,
};
