/*
 * LevelDB, through its C API. It has neither LZ4, nor a multi-get, nor a range deletion: Snappy,
 * single reads, and batches of deletions stand for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leveldb/c.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"

enum {
    DELETE_BATCH_COUNT = 1000, /* deletions written at once */
};

struct store {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write, *write_sync;
};

struct cursor {
    leveldb_iterator_t *it;
};

static void check(const char *doing, char *err)
{
    if (err)
        bench_fail("%s: %s", doing, err);
}

static const char *level_version(void)
{
    static char text[32];

    snprintf(text, sizeof(text), "%d.%d", leveldb_major_version(), leveldb_minor_version());
    return text;
}

static struct store *level_open(const struct config *c, const char *path, bool create)
{
    struct store *s = bench_alloc(sizeof(*s));
    char *err = NULL;

    (void)c;
    s->options = leveldb_options_create();
    s->cache = leveldb_cache_create_lru(CACHE_LEN);
    s->filter = leveldb_filterpolicy_create_bloom(BLOOM_BITS);
    leveldb_options_set_create_if_missing(s->options, create);
    leveldb_options_set_compression(s->options, leveldb_snappy_compression);
    leveldb_options_set_write_buffer_size(s->options, MEMTABLE_LEN);
    leveldb_options_set_cache(s->options, s->cache);
    leveldb_options_set_filter_policy(s->options, s->filter);
    s->db = leveldb_open(s->options, path, &err);
    check("open", err);
    s->read = leveldb_readoptions_create();
    s->write = leveldb_writeoptions_create();
    s->write_sync = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(s->write_sync, 1);
    return s;
}

static void level_close(struct store *s)
{
    leveldb_close(s->db);
    leveldb_readoptions_destroy(s->read);
    leveldb_writeoptions_destroy(s->write);
    leveldb_writeoptions_destroy(s->write_sync);
    leveldb_options_destroy(s->options);
    leveldb_filterpolicy_destroy(s->filter);
    leveldb_cache_destroy(s->cache);
    free(s);
}

static void level_put(struct store *s, const struct key *key, const void *value, size_t len,
                      bool sync)
{
    char *err = NULL;

    leveldb_put(s->db, sync ? s->write_sync : s->write, key->bytes, KEY_LEN, value, len, &err);
    check("put", err);
}

static bool level_get(struct store *s, const struct key *key, struct value *ret)
{
    char *err = NULL;

    ret->held[0] = leveldb_get(s->db, s->read, key->bytes, KEY_LEN, &ret->len, &err);
    ret->data = ret->held[0];
    check("get", err);
    return ret->data != NULL;
}

static void level_value_done(struct value *v)
{
    if (v->data)
        leveldb_free(v->held[0]);
}

static void level_multi_get(struct store *s, const struct key *keys, size_t count,
                            struct value *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!level_get(s, &keys[i], &ret[i]))
            ret[i].data = NULL;
    }
}

static void level_patch(struct store *s, const struct key *key, size_t offset, const void *bytes,
                        size_t len)
{
    engine_patch_by_rewriting(&engine_leveldb, s, key, offset, bytes, len);
}

static void write_batch(struct store *s, leveldb_writebatch_t *batch)
{
    char *err = NULL;

    leveldb_write(s->db, s->write, batch, &err);
    check("delete range", err);
    leveldb_writebatch_clear(batch);
}

static void level_delete_range(struct store *s, const struct key *start, const struct key *end)
{
    leveldb_iterator_t *it = leveldb_create_iterator(s->db, s->read);
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    unsigned count = 0;
    char *err = NULL;

    for (leveldb_iter_seek(it, start->bytes, KEY_LEN); leveldb_iter_valid(it);
         leveldb_iter_next(it)) {
        size_t len;
        const char *key = leveldb_iter_key(it, &len);

        if (len != KEY_LEN || memcmp(key, end->bytes, KEY_LEN) >= 0)
            break;
        leveldb_writebatch_delete(batch, key, len);
        if (++count % DELETE_BATCH_COUNT == 0)
            write_batch(s, batch);
    }
    leveldb_iter_get_error(it, &err);
    check("delete range", err);
    write_batch(s, batch);
    leveldb_writebatch_destroy(batch);
    leveldb_iter_destroy(it);
}

static struct cursor *level_cursor_open(struct store *s)
{
    struct cursor *c = bench_alloc(sizeof(*c));

    c->it = leveldb_create_iterator(s->db, s->read);
    return c;
}

static void level_cursor_close(struct cursor *c)
{
    leveldb_iter_destroy(c->it);
    free(c);
}

static bool stands(struct cursor *c)
{
    char *err = NULL;

    if (leveldb_iter_valid(c->it))
        return true;
    leveldb_iter_get_error(c->it, &err);
    check("iterator", err);
    return false;
}

static bool level_first(struct cursor *c)
{
    leveldb_iter_seek_to_first(c->it);
    return stands(c);
}

static bool level_last(struct cursor *c)
{
    leveldb_iter_seek_to_last(c->it);
    return stands(c);
}

static bool level_seek(struct cursor *c, const struct key *key)
{
    leveldb_iter_seek(c->it, key->bytes, KEY_LEN);
    return stands(c);
}

static bool level_next(struct cursor *c)
{
    leveldb_iter_next(c->it);
    return stands(c);
}

static bool level_prev(struct cursor *c)
{
    leveldb_iter_prev(c->it);
    return stands(c);
}

static const void *level_key(struct cursor *c, size_t *ret_len)
{
    return leveldb_iter_key(c->it, ret_len);
}

static const void *level_value(struct cursor *c, size_t *ret_len)
{
    return leveldb_iter_value(c->it, ret_len);
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .settings = "Snappy (it has no LZ4), Bloom filters of 10 bits a key, write buffer 64 MiB, "
                "block cache 512 MiB",
    .version = level_version,
    .open = level_open,
    .close = level_close,
    .put = level_put,
    .get = level_get,
    .value_done = level_value_done,
    .multi_get = level_multi_get,
    .patch = level_patch,
    .delete_range = level_delete_range,
    .cursor_open = level_cursor_open,
    .cursor_close = level_cursor_close,
    .first = level_first,
    .last = level_last,
    .seek = level_seek,
    .next = level_next,
    .prev = level_prev,
    .key = level_key,
    .value = level_value,
};
