/*
 * What every trial has in common: the batches, and the judgement of answers and of stores.
 */
#include "fault/engine_trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cmocka_all.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"

enum {
    BATCH_KEY_COUNT = 60,
    BATCH_VALUE_LEN_MAX = 1500,
    /* What can find the disk full: no failed sync, after which nobody knows what is on disk. */
    SPACE_KINDS = CALL_CREATE | CALL_WRITE | CALL_TRUNCATE | CALL_RESERVE | CALL_RING_WRITE,
};

void trial_fail(const struct trial *t, const char *fmt, ...)
{
    char text[800];
    va_list ap;

    call_faults_disarm();
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "the call that failed:\n");
    call_faults_tell();
    fail_msg(
        "%s, call %llu of kinds 0x%x, %s, scope %d, %u batches, %u acknowledged, %u synced: %s",
        t->name, (unsigned long long)t->nth, t->kinds, strerrorname_np(t->code), (int)t->scope,
        t->count, t->acked, t->synced, text);
    abort();
}

/* --- Batches --- */

static size_t random_value(struct rng *rng, uint8_t *value)
{
    size_t len = (size_t)rng_below(rng, rng_below(rng, 3) ? 200 : BATCH_VALUE_LEN_MAX);

    memset(value, (int)rng_next(rng), len);
    for (size_t i = rng_below(rng, 2) ? 0 : len; i < len; i++)
        value[i] = (uint8_t)rng_next(rng);
    return len;
}

static void add_op(struct lsm_batch *b, struct rng *rng)
{
    uint8_t value[BATCH_VALUE_LEN_MAX];
    char key[16], end[16];
    unsigned first = (unsigned)rng_below(rng, BATCH_KEY_COUNT);
    size_t key_len = (size_t)sprintf(key, "key%04u", first);
    size_t end_len = (size_t)sprintf(end, "key%04u", first + 3);
    size_t len = random_value(rng, value);
    uint64_t what = rng_below(rng, 20);

    if (what < 2)
        CHECK(!lsm_batch_delete(b, key, key_len));
    else if (what == 2)
        CHECK(!lsm_batch_delete_range(b, key, key_len, end, end_len));
    else if (what < 7)
        CHECK(!lsm_batch_patch(b, key, key_len, 50, value, len / 8));
    else
        CHECK(!lsm_batch_put(b, key, key_len, value, len));
}

static struct lsm_batch *make_batch(unsigned number)
{
    struct rng rng = {number};
    struct lsm_batch *b;

    CHECK(!lsm_batch_new(&b));
    CHECK(!lsm_batch_put(b, "seq", 3, &number, sizeof(number)));
    for (uint64_t n = 1 + rng_below(&rng, 5); n; n--)
        add_op(b, &rng);
    return b;
}

static void apply(struct kv_model *m, struct slice ops)
{
    struct batch_op op;
    uint64_t offset;
    struct slice bytes;

    while (batch_next(&ops, &op) > 0) {
        switch (op.kind) {
        case KIND_PUT:
            kv_put(m, op.key, op.value);
            break;
        case KIND_DELETE:
            kv_delete(m, op.key);
            break;
        case KIND_DELETE_RANGE:
            kv_delete_range(m, op.key, op.value);
            break;
        default:
            CHECK(patch_decode(op.value, &offset, &bytes));
            kv_patch(m, op.key, (size_t)offset, bytes);
        }
    }
}

static void model_of(const struct trial *t, unsigned last, struct kv_model *ret)
{
    *ret = (struct kv_model){0};
    for (unsigned i = 1; i <= last; i++) {
        struct lsm_batch *b;

        if (t->refused[i])
            continue;
        b = make_batch(i);
        apply(ret, buf_slice(&b->bytes));
        lsm_batch_free(b);
    }
}

/* --- The store --- */

struct lsm_options trial_options(struct trial *t)
{
    struct lsm_options o;

    (void)t;
    lsm_options_default(&o);
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.block_len = 1 << 10;
    o.level_base_len = 64 << 10;
    o.cache_bytes = 1 << 20;
    o.blob_len_min = 512;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 30;
    o.worker_count = 1;
    o.pin_workers = false;
    o.io_uring = t && t->io_uring;
    return o;
}

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC, 0);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char bytes[16384];
    off_t at = 0;
    ssize_t n;

    CHECK(in >= 0 && out >= 0);
    while ((n = pread(in, bytes, sizeof(bytes), at)) > 0) {
        CHECK(pwrite(out, bytes, (size_t)n, at) == n);
        at += n;
    }
    CHECK(n == 0);
    close(in);
    close(out);
}

void trial_copy_dir(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    struct dirent *e;

    CHECK(dir);
    CHECK(!mkdir(to, 0700));
    while ((e = readdir(dir))) {
        char source[1024], target[1024];

        if (e->d_type != DT_REG)
            continue;
        snprintf(source, sizeof(source), "%s/%s", from, e->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, e->d_name);
        copy_file(source, target);
    }
    closedir(dir);
}

/* The copy is made while the store is open: what has not been flushed is in its log. */
unsigned trial_pattern_make(const char *dir)
{
    struct lsm_options o = trial_options(NULL);
    uint8_t large[2000];
    char source[600];
    struct lsm_db *db;
    unsigned i;

    snprintf(source, sizeof(source), "%s.source", dir);
    o.create = true;
    CHECK(!lsm_open(source, &o, &db));
    for (i = 1; i <= 90; i++) {
        struct lsm_batch *b = make_batch(i);

        CHECK(!lsm_write(db, b, 0));
        lsm_batch_free(b);
        if (i == 30 || i == 55 || i == 80)
            CHECK(!lsm_flush(db));
        if (i == 55)
            CHECK(!lsm_compact_range(db, NULL, 0, NULL, 0));
        if (i == 20)
            CHECK(!lsm_snapshot_create(db, "old", 3));
    }
    for (size_t k = 0; k < sizeof(large); k++)
        large[k] = (uint8_t)(k * k * 7 >> 3);
    CHECK(!lsm_put(db, "zlarge", 6, large, sizeof(large), 0));
    trial_copy_dir(source, dir);
    CHECK(!lsm_close(db));
    return i - 1;
}

static void note_log(void *arg, enum lsm_log_level level, const char *text)
{
    struct trial *t = arg;

    if (level == LSM_LOG_ERROR)
        snprintf(t->log, sizeof(t->log), "%s", text);
}

void trial_begin(struct trial *t, unsigned batches)
{
    struct env *base;

    t->dir = scratch_new();
    snprintf(t->store, sizeof(t->store), "%s/store", t->dir);
    trial_copy_dir(t->pattern, t->store);
    t->db = NULL;
    t->fault = NULL;
    t->count = t->acked = t->synced = batches;
    memset(t->refused, 0, sizeof(t->refused));
    t->failed = t->sticky = false;
    t->log[0] = 0;
    if (!t->cut_power)
        return;
    CHECK(!env_uring_open(t->store, t->io_uring ? 0 : ENV_NO_URING, &base));
    CHECK(!env_fault_open(base, &t->fault));
}

int trial_open(struct trial *t)
{
    struct lsm_options o = trial_options(t);

    o.log = note_log;
    o.log_arg = t;
    err_clear();
    return t->fault ? db_open(env_fault_env(t->fault), &o, &t->db) : lsm_open(t->store, &o, &t->db);
}

/* --- Answers --- */

/* Does the error fit what was made to fail? */
static bool fits(const struct trial *t, int err)
{
    int errnum = lsm_errno(err), code = t->code == EDQUOT ? ENOSPC : t->code;

    return errnum == code || err == -ERR_STICKY || (errnum == EIO && !(t->kinds & CALL_ALLOC));
}

int trial_answer(struct trial *t, const char *what, int answer)
{
    const char *detail = lsm_detail();

    if (answer >= 0)
        return answer;
    t->failed = true;
    if (!call_faults_happened())
        trial_fail(t, "%s: failed by itself: %s, %s", what, lsm_strerror(answer), detail);
    if (t->must_not_show)
        trial_fail(t, "%s: not done in another way: %s, %s", what, lsm_strerror(answer), detail);
    if (!fits(t, answer))
        trial_fail(t, "%s: another error: %s, %s", what, lsm_strerror(answer), detail);
    if (lsm_is_damage(answer))
        trial_fail(t, "%s: taken for damage: %s, %s", what, lsm_strerror(answer), detail);
    if (answer != -ENOMEM && !strstr(detail, t->dir))
        trial_fail(t, "%s: does not say where: %s, '%s'", what, lsm_strerror(answer), detail);
    return answer;
}

static bool is_sticky(struct trial *t)
{
    struct lsm_stats stats;

    call_faults_pause();
    CHECK(!lsm_stats(t->db, &stats));
    call_faults_resume();
    return stats.sticky_err != 0;
}

int trial_write(struct trial *t, unsigned flags)
{
    struct lsm_batch *b;
    int err;

    CHECK(t->count + 1 < TRIAL_BATCHES_MAX);
    call_faults_pause();
    b = make_batch(++t->count);
    call_faults_resume();
    err = trial_answer(t, "write", lsm_write(t->db, b, flags));
    lsm_batch_free(b);
    if (!err) {
        t->acked = t->count;
        if (flags & LSM_WRITE_SYNC)
            t->synced = t->count;
        return 0;
    }
    /* A store that takes writes still has refused this one, for good. */
    t->refused[t->count] = !is_sticky(t);
    return err;
}

int trial_sync(struct trial *t)
{
    int err = trial_answer(t, "sync", lsm_sync(t->db));

    if (!err)
        t->synced = t->acked;
    return err;
}

/* --- Judgement --- */

static void compare(struct trial *t, struct lsm_db *db, unsigned last)
{
    struct kv_model want;
    struct lsm_iter *it;
    size_t i = 0;
    int more;

    model_of(t, last, &want);
    if (lsm_iter_new(db, NULL, NULL, 0, "z", 1, &it))
        trial_fail(t, "no iterator: %s", lsm_detail());
    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it), i++) {
        size_t key_len, len;
        const void *key = lsm_iter_key(it, &key_len), *value = lsm_iter_value(it, &len);

        if (i >= want.count || !slice_eq(buf_slice(&want.pairs[i].key), slice_of(key, key_len)) ||
            !slice_eq(buf_slice(&want.pairs[i].value), slice_of(value, len)))
            trial_fail(t, "after batch %u: %.*s is wrong", last, (int)key_len, (const char *)key);
    }
    lsm_iter_free(it);
    if (more < 0)
        trial_fail(t, "scan: %s, %s", lsm_strerror(more), lsm_detail());
    if (i != want.count)
        trial_fail(t, "after batch %u: %zu keys of %zu", last, i, want.count);
    kv_clear(&want);
}

static int tell_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    trial_fail(arg, "verify: %s at %llu: %s", file, (unsigned long long)offset, text);
}

void trial_check_store(struct trial *t, struct lsm_db *db, unsigned least)
{
    struct lsm_value v;
    unsigned last;

    if (lsm_get(db, NULL, "seq", 3, &v))
        trial_fail(t, "get: %s", lsm_detail());
    CHECK(v.len == sizeof(last));
    memcpy(&last, v.data, sizeof(last));
    lsm_value_done(&v);
    if (last < least || last > t->count || t->refused[last])
        trial_fail(t, "holds batch %u, must hold %u", last, least);
    compare(t, db, last);
    if (lsm_verify(db, tell_damage, NULL, t) < 0)
        trial_fail(t, "verify: %s", lsm_detail());
}

/* The store's own word on what has happened, while it is still open. */
static void check_sticky(struct trial *t)
{
    struct lsm_stats stats;
    int err;

    CHECK(!lsm_stats(t->db, &stats));
    t->sticky = stats.sticky_err != 0;
    if (!t->sticky) {
        if (stats.sticky_text[0])
            trial_fail(t, "a failure's text without a failure: %s", stats.sticky_text);
        return;
    }
    if (t->must_not_show)
        trial_fail(t, "read-only, and must not be: %s", stats.sticky_text);
    if ((t->code == ENOSPC || t->code == EDQUOT) && !(t->kinds & ~(unsigned)SPACE_KINDS))
        trial_fail(t, "a full disk has made it read-only: %s", stats.sticky_text);
    if (!stats.sticky_text[0])
        trial_fail(t, "read-only without a reason");
    if (stats.sticky_err != -ENOMEM && !strstr(stats.sticky_text, t->dir))
        trial_fail(t, "read-only without saying where: %s", stats.sticky_text);
    err = lsm_put(t->db, "key", 3, "value", 5, 0);
    if (lsm_errno(err) != EROFS || !strstr(lsm_detail(), stats.sticky_text))
        trial_fail(t, "read-only, but a write says %s, %s", lsm_strerror(err), lsm_detail());
    if (lsm_errno(lsm_sync(t->db)) != EROFS || !strstr(lsm_detail(), stats.sticky_text))
        trial_fail(t, "read-only, but a sync says %s", lsm_detail());
}

void trial_stop(struct trial *t)
{
    call_faults_disarm();
    if (t->db) {
        check_sticky(t);
        /* What was acknowledged stays readable, whatever has failed. */
        trial_check_store(t, t->db, t->acked);
        if (t->cut_power)
            env_fault_cut_power(t->fault);
        lsm_close(t->db);
        t->db = NULL;
    }
    if (t->sticky && !strstr(t->log, "read-only"))
        trial_fail(t, "read-only without a word in the log: '%s'", t->log);
    if (t->cut_power)
        CHECK(!env_fault_crash(t->fault, 0, 0));
}

void trial_end(struct trial *t)
{
    int err = trial_open(t);

    if (err)
        trial_fail(t, "does not open again: %s, %s", lsm_strerror(err), lsm_detail());
    trial_check_store(t, t->db, t->cut_power ? t->synced : t->acked);
    if (lsm_put(t->db, "key", 3, "value", 5, LSM_WRITE_SYNC) || lsm_flush(t->db))
        trial_fail(t, "takes no writes: %s", lsm_detail());
    if (lsm_close(t->db))
        trial_fail(t, "close: %s", lsm_detail());
    t->db = NULL;
    env_fault_close(t->fault);
    t->fault = NULL;
    scratch_free(t->dir);
}
