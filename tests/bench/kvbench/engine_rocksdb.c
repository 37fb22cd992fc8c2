/*
 * RocksDB, through its C API. The default column family is opened by its handle, which the batched
 * multi-get and the range deletion want.
 */
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"

/* The header shows no version, but sits beside one in C++ that does. */
#ifndef KVBENCH_ROCKSDB_VERSION
#define KVBENCH_ROCKSDB_VERSION "unknown"
#endif

struct store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write, *write_sync;
};

struct cursor {
    rocksdb_iterator_t *it;
};

static void check(const char *doing, char *err)
{
    if (err)
        bench_fail("%s: %s", doing, err);
}

static const char *rocks_version(void)
{
    return KVBENCH_ROCKSDB_VERSION;
}

static void set_options(struct store *s, bool create)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    s->cache = rocksdb_cache_create_lru(CACHE_LEN);
    rocksdb_block_based_options_set_block_cache(table, s->cache);
    /* The table options own the policy. */
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    s->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(s->options, create);
    rocksdb_options_set_compression(s->options, rocksdb_lz4_compression);
    rocksdb_options_set_write_buffer_size(s->options, MEMTABLE_LEN);
    rocksdb_options_set_max_background_jobs(s->options, 2);
    rocksdb_options_set_block_based_table_factory(s->options, table);
    rocksdb_block_based_options_destroy(table);
}

static struct store *rocks_open(const struct config *c, const char *path, bool create)
{
    struct store *s = bench_alloc(sizeof(*s));
    const char *name = "default";
    const rocksdb_options_t *family_options;
    char *err = NULL;

    (void)c;
    set_options(s, create);
    family_options = s->options;
    s->db =
        rocksdb_open_column_families(s->options, path, 1, &name, &family_options, &s->family, &err);
    check("open", err);
    s->read = rocksdb_readoptions_create();
    s->write = rocksdb_writeoptions_create();
    s->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write_sync, 1);
    return s;
}

static void rocks_close(struct store *s)
{
    rocksdb_column_family_handle_destroy(s->family);
    rocksdb_close(s->db);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_writeoptions_destroy(s->write_sync);
    rocksdb_options_destroy(s->options);
    rocksdb_cache_destroy(s->cache);
    free(s);
}

static void rocks_put(struct store *s, const struct key *key, const void *value, size_t len,
                      bool sync)
{
    char *err = NULL;

    rocksdb_put(s->db, sync ? s->write_sync : s->write, key->bytes, KEY_LEN, value, len, &err);
    check("put", err);
}

static bool rocks_get(struct store *s, const struct key *key, struct value *ret)
{
    char *err = NULL;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(s->db, s->read, key->bytes, KEY_LEN, &err);

    check("get", err);
    if (!slice)
        return false;
    ret->data = rocksdb_pinnableslice_value(slice, &ret->len);
    ret->held[0] = slice;
    return true;
}

static void rocks_value_done(struct value *v)
{
    if (v->data)
        rocksdb_pinnableslice_destroy(v->held[0]);
}

static void rocks_multi_get(struct store *s, const struct key *keys, size_t count,
                            struct value *ret)
{
    const char *wanted[MULTI_GET_COUNT] = {NULL};
    size_t lens[MULTI_GET_COUNT] = {0};
    rocksdb_pinnableslice_t *slices[MULTI_GET_COUNT] = {NULL};
    char *errs[MULTI_GET_COUNT] = {NULL};

    for (size_t i = 0; i < count; i++) {
        wanted[i] = keys[i].bytes;
        lens[i] = KEY_LEN;
    }
    rocksdb_batched_multi_get_cf(s->db, s->read, s->family, count, wanted, lens, slices, errs,
                                 false);
    for (size_t i = 0; i < count; i++) {
        check("multi-get", errs[i]);
        ret[i].data = slices[i] ? rocksdb_pinnableslice_value(slices[i], &ret[i].len) : NULL;
        ret[i].held[0] = slices[i];
    }
}

static void rocks_patch(struct store *s, const struct key *key, size_t offset, const void *bytes,
                        size_t len)
{
    engine_patch_by_rewriting(&engine_rocksdb, s, key, offset, bytes, len);
}

static void rocks_delete_range(struct store *s, const struct key *start, const struct key *end)
{
    char *err = NULL;

    rocksdb_delete_range_cf(s->db, s->write, s->family, start->bytes, KEY_LEN, end->bytes, KEY_LEN,
                            &err);
    check("delete range", err);
}

static struct cursor *rocks_cursor_open(struct store *s)
{
    struct cursor *c = bench_alloc(sizeof(*c));

    c->it = rocksdb_create_iterator(s->db, s->read);
    return c;
}

static void rocks_cursor_close(struct cursor *c)
{
    rocksdb_iter_destroy(c->it);
    free(c);
}

static bool stands(struct cursor *c)
{
    char *err = NULL;

    if (rocksdb_iter_valid(c->it))
        return true;
    rocksdb_iter_get_error(c->it, &err);
    check("iterator", err);
    return false;
}

static bool rocks_first(struct cursor *c)
{
    rocksdb_iter_seek_to_first(c->it);
    return stands(c);
}

static bool rocks_last(struct cursor *c)
{
    rocksdb_iter_seek_to_last(c->it);
    return stands(c);
}

static bool rocks_seek(struct cursor *c, const struct key *key)
{
    rocksdb_iter_seek(c->it, key->bytes, KEY_LEN);
    return stands(c);
}

static bool rocks_next(struct cursor *c)
{
    rocksdb_iter_next(c->it);
    return stands(c);
}

static bool rocks_prev(struct cursor *c)
{
    rocksdb_iter_prev(c->it);
    return stands(c);
}

static const void *rocks_key(struct cursor *c, size_t *ret_len)
{
    return rocksdb_iter_key(c->it, ret_len);
}

static const void *rocks_value(struct cursor *c, size_t *ret_len)
{
    return rocksdb_iter_value(c->it, ret_len);
}

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .settings = "LZ4, Bloom filters of 10 bits a key, write buffer 64 MiB, block cache 512 MiB, "
                "2 background jobs (its default)",
    .version = rocks_version,
    .open = rocks_open,
    .close = rocks_close,
    .put = rocks_put,
    .get = rocks_get,
    .value_done = rocks_value_done,
    .multi_get = rocks_multi_get,
    .patch = rocks_patch,
    .delete_range = rocks_delete_range,
    .cursor_open = rocks_cursor_open,
    .cursor_close = rocks_cursor_close,
    .first = rocks_first,
    .last = rocks_last,
    .seek = rocks_seek,
    .next = rocks_next,
    .prev = rocks_prev,
    .key = rocks_key,
    .value = rocks_value,
};
