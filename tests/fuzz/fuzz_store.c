/*
 * An input is a list of changes (change.h) to the files of a small store, which has tables in two
 * levels, range tombstones, patches, large values, named snapshots, and a log. It is opened, read,
 * verified, dumped, and written to; where it refuses to open it is repaired, after which it must
 * open.
 */
#include "fuzz/change.h"
#include "fuzz/fixed.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 40
};

static struct env *base;

/* The first failure ends it: a store that was damaged may be read-only, or full. */
static int put_some(struct lsm_db *db, unsigned step)
{
    int err = 0;

    char key[16], value[400];

    for (unsigned i = 0; !err && i < KEY_COUNT; i += step) {
        snprintf(key, sizeof(key), "key%03u", i);
        memset(value, 'a' + (int)(i + step) % 26, sizeof(value));
        err = lsm_put(db, key, strlen(key), value, i % 7 ? 20 + i : 300 + i, 0);
    }
    return err;
}

static void patch_some(struct lsm_db *db)
{
    struct lsm_batch *b;

    CHECK(!lsm_batch_new(&b));
    CHECK(!lsm_batch_patch(b, "key003", 6, 10, "patched", 7));
    CHECK(!lsm_batch_patch(b, "key007", 6, 310, "patched", 7));
    CHECK(!lsm_batch_delete(b, "key004", 6));
    CHECK(!lsm_batch_delete_range(b, "key020", 6, "key025", 6));
    CHECK(lsm_batch_copy(b, db, "key014", 6, "copied", 6, NULL) == 1);
    CHECK(!lsm_write(db, b, LSM_WRITE_SYNC));
    lsm_batch_free(b);
}

static void make_base(void)
{
    struct lsm_options o;
    struct lsm_db *db;

    fixed_begin();
    base = env_memory_new();
    fuzz_store_options(&o);
    o.create = true;
    CHECK(!db_open(base, &o, &db));
    CHECK(!put_some(db, 1));
    CHECK(!lsm_compact_range(db, NULL, 0, NULL, 0));
    CHECK(!lsm_snapshot_create(db, "before", 6));
    CHECK(!put_some(db, 3));
    patch_some(db);
    CHECK(!lsm_flush(db));
    CHECK(!lsm_snapshot_create(db, "after", 5));
    CHECK(!put_some(db, 5));
    patch_some(db);
    CHECK(!lsm_close(db));
}

static int on_text(void *arg, const char *file, uint64_t offset, const char *text)
{
    (void)arg;
    (void)offset;
    fuzz_read_all(slice_str(file));
    fuzz_read_all(slice_str(text));
    return 0;
}

static int on_repair(void *arg, const char *file, const char *text)
{
    return on_text(arg, file, 0, text);
}

static int on_loss(void *arg, const struct lsm_loss *loss)
{
    (void)arg;
    fuzz_read_all(slice_str(loss->file));
    lsm_loss_concerns(loss, "key010", 6);
    return 0;
}

static int on_snapshot(void *arg, const struct lsm_snapshot_info *info)
{
    (void)arg;
    fuzz_read_all(slice_of(info->name, info->name_len));
    return 0;
}

static void scan(struct lsm_db *db, const struct lsm_snapshot *s)
{
    struct lsm_iter *it;
    unsigned moves = 0;
    size_t len;
    int answer;

    if (lsm_iter_new(db, s, NULL, 0, NULL, 0, &it))
        return;
    for (answer = lsm_iter_first(it); answer > 0; answer = lsm_iter_next(it)) {
        const void *value = lsm_iter_value(it, &len);

        if (++moves > FUZZ_MOVE_COUNT_MAX)
            break;
        fuzz_read_all(slice_of(value, len < 4096 ? len : 4096));
    }
    moves = 0;
    for (answer = lsm_iter_last(it); answer > 0 && ++moves < 200; answer = lsm_iter_prev(it))
        lsm_iter_key(it, &len);
    lsm_iter_free(it);
}

static void read_everything(struct lsm_db *db)
{
    struct lsm_snapshot *s;
    struct lsm_value v;
    uint64_t time_ns;
    char key[16];

    scan(db, NULL);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        snprintf(key, sizeof(key), "key%03u", i);
        if (!lsm_get(db, NULL, key, strlen(key), &v)) {
            fuzz_read_all(slice_of(v.data, v.len < 4096 ? v.len : 4096));
            lsm_seqno_time(db, v.seqno, &time_ns);
            lsm_value_done(&v);
        }
    }
    if (!lsm_snapshot_find(db, "before", 6, &s)) {
        scan(db, s);
        lsm_snapshot_close(db, s);
    }
    lsm_snapshot_list(db, on_snapshot, NULL);
    lsm_losses(db, on_loss, NULL);
    lsm_verify_losses(db, on_text, on_loss, NULL, NULL);
}

static void write_something(struct lsm_db *db)
{
    put_some(db, 4);
    lsm_snapshot_create(db, "new", 3);
    lsm_snapshot_remove(db, "before", 6);
    lsm_flush(db);
    lsm_compact_range(db, NULL, 0, NULL, 0);
}

/* 0 when it can be opened. Whatever is in it is read. */
static int open_and_read(struct env *env, bool read_only, bool write)
{
    struct lsm_options o;
    struct lsm_db *db;
    int err;

    fuzz_store_options(&o);
    o.read_only = env->read_only = read_only;
    err = db_open(env, &o, &db);
    if (!err) {
        read_everything(db);
        if (write)
            write_something(db);
        lsm_close(db);
    }
    env->read_only = false;
    return err;
}

static void repair(struct env *env)
{
    struct lsm_options o;
    int found, err;

    fuzz_store_options(&o);
    env->read_only = true;
    found = db_repair(env, &o, true, on_repair, on_loss, NULL);
    env->read_only = false;
    if (found < 0)
        return;
    found = db_repair(env, &o, false, on_repair, on_loss, NULL);
    if (found < 0)
        return;
    err = open_and_read(env, false, true);
    if (err) {
        fprintf(stderr, "repaired, but: %s: %s\n", lsm_strerror(err), lsm_detail());
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env;

    if (!base)
        make_base();
    fixed_begin();
    env = env_memory_copy(base);
    fuzz_change_files(env, slice_of(data, len));
    fuzz_dump_files(env);
    open_and_read(env, true, false);
    if (open_and_read(env, false, false))
        repair(env);
    else
        open_and_read(env, false, true);
    env_memory_free(env);
    return 0;
}
