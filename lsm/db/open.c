/*
 * Opening and closing a store.
 *
 * A new store is made in an order that a crash cannot turn into half a store: first the manifest
 * and CURRENT, the superblock last; a directory without a superblock is no store yet, and making it
 * again simply overwrites what is there.
 */
#include "lsm/db/db.h"

#include <time.h>

enum {
    VALUE_LIMIT_MIN = 1 << 10,
    SIZE_LIMIT_MIN = 16 << 20 /* below it logs and the reserve would leave next to nothing */
};

void lsm_options_default(struct lsm_options *ret)
{
    *ret = (struct lsm_options){.cache_bytes = 160 << 20,
                                .memtable_len = 32 << 20,
                                .memtable_count_max = 3,
                                .block_len = 8 << 10,
                                .table_len = 32 << 20,
                                .level_base_len = 128 << 20,
                                .level_ratio = 10,
                                .l0_compact_count = 4,
                                .filter_bits_per_key = 10,
                                .compress = true,
                                .value_len_max = LSM_VALUE_LEN_MAX,
                                .blob_len_min = 8 << 10,
                                .blob_file_len = 256 << 20,
                                .blob_garbage_percent = 50,
                                .pin_workers = true,
                                .io_uring = true};
}

static int in_range(const char *name, uint64_t v, uint64_t min, uint64_t max)
{
    if (v >= min && v <= max)
        return 0;
    return err_raise(EINVAL, "option %s is %llu; it must be from %llu to %llu", name,
                     (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
}

int db_check_options(const struct lsm_options *o)
{
    const struct {
        const char *name;
        uint64_t value, min, max;
    } ranges[] = {
        {"cache_bytes", o->cache_bytes, 1 << 20, UINT64_C(1) << 42},
        {"memtable_len", o->memtable_len, 64 << 10, 1 << 30},
        {"memtable_count_max", o->memtable_count_max, 2, IMM_COUNT_MAX},
        {"block_len", o->block_len, 1 << 10, 1 << 20},
        {"table_len", o->table_len, 64 << 10, UINT64_C(4) << 30},
        {"level_base_len", o->level_base_len, 64 << 10, UINT64_C(1) << 40},
        {"level_ratio", o->level_ratio, 2, 100},
        {"l0_compact_count", o->l0_compact_count, 1, 64},
        {"filter_bits_per_key", o->filter_bits_per_key, 0, 30},
        {"blob_len_min", o->blob_len_min ? o->blob_len_min : 256, 256, LSM_VALUE_LEN_MAX},
        {"blob_file_len", o->blob_file_len, 64 << 10, UINT64_C(1) << 40},
        {"blob_garbage_percent", o->blob_garbage_percent, 1, 99},
        {"worker_count", o->worker_count, 0, 64},
        {"worker_nice", o->worker_nice, 0, 19},
        {"table_prefix_len", o->table_prefix_len, 0, 16},
        {"value_len_max", o->value_len_max, VALUE_LIMIT_MIN, LSM_VALUE_LEN_MAX},
        {"size_max", o->size_max ? o->size_max : SIZE_LIMIT_MIN, SIZE_LIMIT_MIN, INT64_MAX},
    };
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(ranges) / sizeof(ranges[0]); i++)
        err = in_range(ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max);
    if (!err && o->create && o->read_only)
        err = err_raise(EINVAL, "a store cannot be created read-only");
    return err;
}

struct sst_builder_options db_builder_options(const struct lsm_options *o)
{
    return (struct sst_builder_options){.block_len = o->block_len,
                                        .partition_len = 8 << 10,
                                        .restart_interval = 8,
                                        .filter_bits_per_key = o->filter_bits_per_key,
                                        .compress = o->compress};
}

static void init(struct lsm_db *db, const struct lsm_options *o)
{
    db->options = *o;
    db->options.memtable_len = budget_memtable_len(o);
    db->pick = (struct pick_options){.table_len = o->table_len,
                                     .level_base_len = o->level_base_len,
                                     .level_ratio = o->level_ratio,
                                     .l0_compact_count = o->l0_compact_count};
    db->builder = db_builder_options(o);
    db->snapshots.next = db->snapshots.prev = &db->snapshots;
    db->stale_hint = true;
    mutex_init(&db->queue_mu);
    mutex_init(&db->sync_mu);
    mutex_init(&db->manifest_mu);
    mutex_init(&db->mu);
    mutex_init(&db->times_mu);
    mutex_init(&db->space_mu);
    cond_init(&db->sync_cond);
    cond_init(&db->work_cond);
    cond_init(&db->done_cond);
}

/* On a small disk tables are small too: merging one needs so much space to spare. */
static int fit_to_disk(struct lsm_db *db)
{
    uint64_t total, free_len, part;
    int err = db_space(db, &total, &free_len);

    if (err)
        return err;
    part = total / 64 > 1 << 20 ? total / 64 : 1 << 20;
    if (part < db->options.table_len)
        db->options.table_len = db->pick.table_len = part;
    if (part < db->options.blob_file_len)
        db->options.blob_file_len = part;
    return 0;
}

/* Free all but what the threads and the sync are about. */
static void destroy(struct lsm_db *db)
{
    wals_close(db);
    sv_put(db->sv);
    named_snapshots_done(&db->named);
    time_points_done(&db->times);
    manifest_close(db->manifest);
    blobs_free(db->blobs);
    blob_store_free(db->store.blobs);
    block_cache_free(db->cache);
    env_close(db->env);
    cond_done(&db->done_cond);
    cond_done(&db->work_cond);
    cond_done(&db->sync_cond);
    mutex_done(&db->space_mu);
    mutex_done(&db->times_mu);
    mutex_done(&db->mu);
    mutex_done(&db->manifest_mu);
    mutex_done(&db->sync_mu);
    mutex_done(&db->queue_mu);
    free(db);
}

/* The lock may be held by a process that is about to end. */
int db_open_env(const char *path, const struct lsm_options *o, struct env **ret)
{
    unsigned flags = (o->read_only ? ENV_READ_ONLY : 0u) | (o->create ? ENV_CREATE : 0u) |
                     (o->io_uring ? 0u : ENV_NO_URING);
    uint64_t until = now_ns(CLOCK_MONOTONIC) + o->lock_wait_ms * UINT64_C(1000000);
    int err;

    for (;;) {
        struct timespec nap = {0, 20000000};

        err = env_uring_open(path, flags, ret);
        if (err != -ERR_STORE_LOCKED || now_ns(CLOCK_MONOTONIC) >= until)
            return err;
        nanosleep(&nap, NULL);
    }
}

/* What an interrupted creation leaves is ours, and has no directory; anything else is not ours. */
static int note_foreign(void *arg, const char *name, bool plain)
{
    (void)arg;
    if (plain && (strcmp(name, "LOCK") == 0 || strcmp(name, "CURRENT") == 0 ||
                  strcmp(name, "CURRENT.tmp") == 0 || strcmp(name, "SUPERBLOCK.tmp") == 0 ||
                  strcmp(name, "MANIFEST-00000001") == 0))
        return 0;
    return err_raise(ERR_STORE_NOT_ONE, "it holds %s", name);
}

/*
 * Look at the directory before the lock is taken, which makes a file: a directory that is no store,
 * and is not to become one, is left as it is.
 */
static int look_before(const char *path, const struct lsm_options *o)
{
    struct superblock sb;
    struct env *env;
    int err = env_posix_open(path, ENV_READ_ONLY | ENV_NO_LOCK, &env);

    if (err)
        return err == -ERR_STORE_MISSING && o->create ? 0 : err;
    err = superblock_read(env, &sb, NULL);
    if (err == -ERR_STORE_NOT_ONE && o->create) {
        err = env_posix_list_all(env, note_foreign, NULL);
        if (err == -ERR_STORE_NOT_ONE)
            err = err_raise(ERR_STORE_NOT_ONE, "%s: not a store, and not empty: %s", path,
                            err_detail());
    } else if (err != -ERR_STORE_NOT_ONE) {
        err = 0; /* judged, with what the options allow, when it is opened */
    }
    env_close(env);
    return err;
}

static int create_store(struct lsm_db *db)
{
    struct manifest_state state = {.next_file = 2};
    struct version_edit empty = {0};
    struct manifest *m = NULL;
    int err;

    err = version_apply(&db->store, NULL, &empty, &state.version);
    if (!err)
        err = manifest_create(db->env, 1, &state, &m);
    manifest_close(m);
    version_unref(state.version);
    if (!err)
        err = superblock_init(&db->superblock);
    return err ? err : superblock_write(db->env, &db->superblock);
}

static int open_store(struct lsm_db *db)
{
    int err = superblock_read(db->env, &db->superblock, NULL);

    if (!db->options.read_only && (!err || err == -ERR_STORE_NOT_ONE)) {
        int disk_err = fit_to_disk(db);

        err = disk_err ? disk_err : err;
    }
    if (err == -ERR_STORE_NOT_ONE && db->options.create) {
        err = create_store(db);
    } else if (!err && db->options.must_create) {
        err = err_raise(ERR_STORE_EXISTS, "%s: there is a store already", db->env->path);
    }
    if (!err)
        err = db_recover(db);
    if (!err && !db->options.read_only)
        err = background_start(db);
    return err;
}

int db_open(struct env *env, const struct lsm_options *options, struct lsm_db **ret)
{
    struct lsm_db *db = calloc(1, sizeof(*db));
    int err;

    if (!db) {
        env_close(env);
        return -ENOMEM;
    }
    init(db, options);
    db->env = env;
    err = block_cache_new(options->cache_bytes, &db->cache);
    if (!err)
        block_cache_set_keep_max(db->cache, budget_keep_len(&db->options));
    db->store = (struct table_store){
        .env = db->env, .cache = db->cache, .value_len_max = options->value_len_max};
    /* A value that took much of the cache would push out too much else. */
    if (!err)
        err = blob_store_new(db->env, db->cache, options->cache_bytes / 16, &db->store.blobs);
    if (!err)
        blob_store_set_value_len_max(db->store.blobs, options->value_len_max);
    if (!err)
        err = blobs_new(db, &db->blobs);
    if (!err)
        err = open_store(db);
    if (err) {
        background_stop(db);
        destroy(db);
        return err;
    }
    *ret = db;
    return 0;
}

int lsm_open(const char *path, const struct lsm_options *options, struct lsm_db **ret)
{
    struct env *env;
    int err;

    err_clear();
    err = db_check_options(options);
    if (!err)
        err = look_before(path, options);
    if (!err)
        err = db_open_env(path, options, &env);
    return err ? err : db_open(env, options, ret);
}

int lsm_close(struct lsm_db *db)
{
    int err;

    if (!db)
        return 0;
    err = lsm_sync(db);
    background_stop(db);
    if (!err)
        db_mark_closed(db);
    CHECK(db->snapshots.next == &db->snapshots);
    destroy(db);
    return err;
}

int lsm_errno(int err)
{
    return err_to_errno(err);
}

const char *lsm_strerror(int err)
{
    return err_text(err);
}

bool lsm_is_damage(int err)
{
    return err_is_damage(err);
}

const char *lsm_detail(void)
{
    return err_detail();
}

const char *lsm_version(void)
{
    return FLUXFS_VERSION;
}
