/* Changing and looking at the files of a store in memory. */
#include "fuzz/change.h"

#include <stdio.h>

#include "lsm/blob/blob_writer.h"
#include "lsm/db/db.h"

enum {
    CHANGE_COUNT_MAX = 64
};

static unsigned file_count(struct env *env)
{
    const char *name;
    unsigned n = 0;

    while (env_memory_nth(env, n, &name))
        n++;
    return n;
}

static void overwrite(struct buf *file, size_t at, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len && at + i < file->len; i++)
        file->data[at + i] = bytes.data[i];
}

/* Replace `len` bytes, or as many as there are, by others. */
static void splice(struct env *env, const char *name, const struct buf *file, size_t at, size_t len,
                   struct slice bytes)
{
    size_t end = len < file->len - at ? at + len : file->len;
    struct buf b = {0};

    CHECK(!buf_append(&b, file->data, at));
    CHECK(!buf_append(&b, bytes.data, bytes.len));
    if (end < file->len)
        CHECK(!buf_append(&b, file->data + end, file->len - end));
    env_memory_put(env, name, buf_slice(&b));
    buf_free(&b);
}

static void replace(struct env *env, const char *name, unsigned other)
{
    const char *other_name;
    struct buf *from = env_memory_nth(env, other, &other_name), b = {0};

    CHECK(!buf_append(&b, from->data, from->len));
    env_memory_put(env, name, buf_slice(&b));
    buf_free(&b);
}

static void change_one(struct env *env, unsigned count, struct slice *in)
{
    const char *in_place;
    struct buf *file = env_memory_nth(env, fuzz_byte(in) % count, &in_place);
    unsigned what = fuzz_byte(in) % 16, place = fuzz_short(in);
    size_t at = file->len ? place % file->len : 0;
    struct slice bytes = {0};
    char name[64];

    snprintf(name, sizeof(name), "%s", in_place);
    if (what <= 10 || what == 15)
        bytes = fuzz_bytes(in, fuzz_byte(in));
    if (what < 10)
        overwrite(file, at, bytes);
    else if (what == 10)
        splice(env, name, file, at, 0, bytes);
    else if (what == 11)
        splice(env, name, file, at, SIZE_MAX, bytes);
    else if (what == 12)
        CHECK(!env_remove(env, name));
    else if (what == 13)
        splice(env, name, file, at, fuzz_byte(in), bytes);
    else if (what == 14)
        replace(env, name, place % count);
    else
        splice(env, name, file, file->len, 0, bytes);
}

void fuzz_change_files(struct env *env, struct slice in)
{
    for (unsigned i = 0; in.len && i < CHANGE_COUNT_MAX; i++) {
        unsigned count = file_count(env);

        if (!count)
            return;
        change_one(env, count, &in);
    }
}

static int dump_table(struct env *env, uint64_t number)
{
    struct sst *sst;
    int err = sst_open(env, NULL, number, &sst);

    if (err)
        return err;
    err = sst_to_text(sst, false, fuzz_put_line, NULL);
    sst_unref(sst);
    return err;
}

static int dump(void *arg, const char *name)
{
    struct env *env = arg;
    uint64_t number = strtoull(name, NULL, 10);

    if (strstr(name, ".wal"))
        wal_to_text(env, number, fuzz_put_line, NULL);
    else if (strstr(name, ".blob"))
        blob_to_text(env, number, false, fuzz_put_line, NULL);
    else if (strstr(name, ".sst"))
        dump_table(env, number);
    else if (strstr(name, "MANIFEST-"))
        manifest_to_text(env, name, fuzz_put_line, NULL);
    else
        superblock_to_text(env, fuzz_put_line, NULL);
    return 0;
}

void fuzz_dump_files(struct env *env)
{
    CHECK(!env_list(env, dump, env));
}

void fuzz_store_options(struct lsm_options *ret)
{
    lsm_options_default(ret);
    ret->cache_bytes = 1 << 20;
    ret->memtable_len = 64 << 10;
    ret->table_len = 64 << 10;
    ret->level_base_len = 64 << 10;
    ret->block_len = 1 << 10;
    ret->value_len_max = 64 << 10;
    ret->blob_len_min = 256;
    ret->blob_file_len = 64 << 10;
    ret->worker_count = 1;
    ret->pin_workers = false;
}
