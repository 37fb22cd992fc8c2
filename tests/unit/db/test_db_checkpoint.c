/*
 * Checkpoints: each opens as a store of its own that holds what the origin held, is durable when
 * the call returns (closing a branch of the fault-injecting environment loses what is not), and of
 * one that fails nothing stays.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/env_fault.h"
#include "lib/kv_load.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/base/codec.h"
#include "lsm/db/losses.h"

enum {
    GROUP_COUNT = 20,
    GROUP_LEN = 6
};

struct origin {
    char *dir;    /* holds both */
    char *path;   /* of the store */
    char *target; /* of the checkpoint */
    struct env_fault *fault;
    struct lsm_db *db;
    struct kv_model model;
    struct rng rng;
};

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 128 << 10;
    o.l0_compact_count = 2;
    o.cache_bytes = 1 << 20;
    return o;
}

static struct origin *origin_new(void)
{
    struct origin *r = calloc(1, sizeof(*r));
    struct lsm_options o = small_options();
    struct env *base;

    assert_non_null(r);
    r->rng.state = rng_seed(31);
    r->dir = scratch_new();
    r->path = strdup(scratch_path(r->dir, "origin"));
    r->target = strdup(scratch_path(r->dir, "checkpoint"));
    assert_int_equal(env_posix_open(r->path, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &r->fault), 0);
    assert_int_equal(db_open(env_fault_env(r->fault), &o, &r->db), 0);
    return r;
}

static void origin_free(struct origin *r)
{
    assert_int_equal(lsm_close(r->db), 0);
    env_fault_close(r->fault);
    kv_clear(&r->model);
    scratch_free(r->dir);
    free(r->path);
    free(r->target);
    free(r);
}

static void write_some(struct origin *r, unsigned count)
{
    uint8_t value[2000];

    for (unsigned i = 0; i < count; i++) {
        char key[16];
        size_t key_len = (size_t)sprintf(key, "k%03u", (unsigned)rng_below(&r->rng, 200));
        size_t len = (size_t)rng_below(&r->rng, sizeof(value));

        for (size_t at = 0; at < len; at++)
            value[at] = (uint8_t)rng_next(&r->rng);
        if (rng_below(&r->rng, 6)) {
            assert_int_equal(lsm_put(r->db, key, key_len, value, len, 0), 0);
            kv_put(&r->model, slice_of(key, key_len), slice_of(value, len));
        } else {
            assert_int_equal(lsm_delete(r->db, key, key_len, 0), 0);
            kv_delete(&r->model, slice_of(key, key_len));
        }
    }
}

static void expect_model(struct lsm_db *db, const struct lsm_snapshot *s, const struct kv_model *m)
{
    struct kv_model now;

    assert_int_equal(kv_load(db, s, &now), 0);
    assert_true(kv_equal(&now, m));
    kv_clear(&now);
}

static void checkpoint(struct lsm_db *db, const char *path)
{
    int err = lsm_checkpoint(db, path);

    if (err)
        fail_msg("checkpoint: %d %s", err, lsm_detail());
}

static struct lsm_db *open_path(const char *path)
{
    struct lsm_options o = small_options();
    struct lsm_db *db = NULL;
    int err;

    o.create = false;
    err = lsm_open(path, &o, &db);
    if (err)
        fail_msg("open: %d %s", err, lsm_detail());
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    return db;
}

static void close_and_remove(struct lsm_db *db, const char *path)
{
    struct env *env;

    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(env_posix_open(path, 0, &env), 0);
    env_discard(env);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_checkpoint_is_a_store_of_its_own(void **state)
{
    struct origin *r = origin_new();
    struct lsm_snapshot *s;
    struct kv_model then = {0}, named = {0};
    struct lsm_db *db;
    uint8_t uuid[16];
    uint64_t time_ns;

    (void)state;
    write_some(r, 300);
    kv_copy(&named, &r->model);
    assert_int_equal(lsm_snapshot_create(r->db, "named", 5), 0);
    assert_int_equal(lsm_snapshot_open(r->db, &s), 0);
    write_some(r, 300);
    kv_copy(&then, &r->model);
    checkpoint(r->db, r->target);
    lsm_snapshot_close(r->db, s);
    /* What happens to the origin later is nothing to it: its tables are compacted away. */
    assert_int_equal(lsm_snapshot_remove(r->db, "named", 5), 0);
    write_some(r, 600);
    assert_int_equal(lsm_compact_range(r->db, NULL, 0, NULL, 0), 0);
    memcpy(uuid, r->db->superblock.uuid, sizeof(uuid));

    db = open_path(r->target);
    assert_memory_not_equal(uuid, db->superblock.uuid, sizeof(uuid));
    assert_int_equal(db->superblock.ro_compat, FEATURE_NAMED_SNAPSHOTS);
    expect_model(db, NULL, &then);
    assert_int_equal(lsm_snapshot_find(db, "named", 5, &s), 0);
    expect_model(db, s, &named);
    assert_int_equal(lsm_seqno_time(db, lsm_snapshot_seqno(s), &time_ns), 0);
    lsm_snapshot_close(db, s);
    /* And the other way round. */
    assert_int_equal(lsm_put(db, "only here", 9, "x", 1, 0), 0);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    close_and_remove(db, r->target);
    expect_model(r->db, NULL, &r->model);
    assert_int_equal(lsm_verify(r->db, NULL, NULL, NULL), 0);
    kv_clear(&then);
    kv_clear(&named);
    origin_free(r);
}

static void an_empty_store_and_a_checkpoint_have_checkpoints(void **state)
{
    struct origin *r = origin_new();
    char *second = strdup(scratch_path(r->dir, "second"));
    struct lsm_db *db;

    (void)state;
    checkpoint(r->db, r->target);
    db = open_path(r->target);
    expect_model(db, NULL, &r->model);
    close_and_remove(db, r->target);
    write_some(r, 100);
    checkpoint(r->db, r->target);
    db = open_path(r->target);
    checkpoint(db, second);
    close_and_remove(db, r->target);
    db = open_path(second);
    expect_model(db, NULL, &r->model);
    assert_int_equal(lsm_close(db), 0);
    free(second);
    origin_free(r);
}

static int same_loss(void *arg, const struct lsm_loss *loss)
{
    assert_string_equal(loss->file, arg);
    return 0;
}

static void a_checkpoint_has_the_losses_that_nobody_acted_on(void **state)
{
    char file[] = "00000007.sst";
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_ENTRIES, file);
    struct origin *r = origin_new();
    struct losses l = {0};
    struct lsm_db *db;

    (void)state;
    write_some(r, 100);
    assert_int_equal(losses_add(&l, &loss), 0);
    assert_int_equal(losses_write(env_fault_env(r->fault), &l), 0);
    checkpoint(r->db, r->target);
    assert_int_equal(lsm_losses_forget(r->db), 0);
    db = open_path(r->target);
    assert_int_equal(lsm_losses(db, same_loss, file), 1);
    close_and_remove(db, r->target);
    losses_done(&l);
    origin_free(r);
}

struct links {
    char *dir;
    unsigned tables, linked;
};

static int count_links(void *arg, const char *name)
{
    struct links *l = arg;
    struct stat st;

    assert_int_equal(stat(scratch_path(l->dir, name), &st), 0);
    if (strstr(name, ".sst")) {
        l->tables++;
        l->linked += st.st_nlink > 1;
    } else {
        assert_int_equal(st.st_nlink, 1);
    }
    return 0;
}

static struct links links_of(char *dir)
{
    struct links l = {.dir = dir};
    struct env *env;

    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY | ENV_NO_LOCK, &env), 0);
    assert_int_equal(env_list(env, count_links, &l), 0);
    env_close(env);
    return l;
}

static void tables_are_linked_and_copied_where_they_cannot_be(void **state)
{
    struct origin *r = origin_new();

    (void)state;
    write_some(r, 400);
    /* So that nothing is compacted while links are counted. */
    assert_int_equal(lsm_compact_range(r->db, NULL, 0, NULL, 0), 0);
    for (unsigned copied = 0; copied < 2; copied++) {
        struct links l;
        struct lsm_db *db;

        /* As between two disks. */
        env_fault_refuse_links(r->fault, copied);
        checkpoint(r->db, r->target);
        l = links_of(r->target);
        assert_true(l.tables > 1 && l.linked == (copied ? 0 : l.tables));
        db = open_path(r->target);
        expect_model(db, NULL, &r->model);
        close_and_remove(db, r->target);
    }
    origin_free(r);
}

/*
 * Let each call fail in turn; the store itself has nothing to do, so it takes no harm. Only tables
 * of an earlier compaction may be removed meanwhile, so removals do not count.
 */
static void fail_everywhere(struct origin *r, int code)
{
    unsigned failures = 0;

    for (uint64_t nth = 1;; nth++) {
        int err;

        env_fault_fail(r->fault, ENV_FAULT_ALL & ~(unsigned)(ENV_FAULT_SPACE | ENV_FAULT_REMOVE),
                       nth, code, false);
        err = lsm_checkpoint(r->db, r->target);
        if (!env_fault_happened(r->fault)) {
            assert_int_equal(err, 0);
            break;
        }
        assert_int_equal(err, -code);
        assert_non_null(strstr(lsm_detail(), "injected"));
        assert_int_equal(access(r->target, F_OK), -1);
        failures++;
    }
    env_fault_fail(r->fault, 0, 0, 0, false);
    assert_true(failures > 10);
}

static void a_failure_in_the_middle_leaves_nothing_behind(void **state)
{
    struct origin *r = origin_new();

    (void)state;
    write_some(r, 400);
    assert_int_equal(lsm_compact_range(r->db, NULL, 0, NULL, 0), 0);
    for (unsigned round = 0; round < 4; round++) {
        struct lsm_db *db;

        env_fault_refuse_links(r->fault, round % 2);
        fail_everywhere(r, round < 2 ? EIO : ENOSPC);
        db = open_path(r->target);
        expect_model(db, NULL, &r->model);
        close_and_remove(db, r->target);
    }
    write_some(r, 10);
    expect_model(r->db, NULL, &r->model);
    origin_free(r);
}

static void places_that_cannot_be_are_refused(void **state)
{
    struct origin *r = origin_new();
    struct lsm_options o = small_options();
    char inside[300], deep[320];
    struct lsm_db *db;

    (void)state;
    write_some(r, 10);
    assert_int_equal(lsm_checkpoint(r->db, r->path), -EEXIST);
    assert_int_equal(mkdir(r->target, 0700), 0);
    assert_int_equal(lsm_checkpoint(r->db, r->target), -EEXIST); /* an empty directory too */
    assert_int_equal(rmdir(r->target), 0);
    snprintf(inside, sizeof(inside), "%s/inside", r->path);
    snprintf(deep, sizeof(deep), "%s/sub", inside);
    assert_int_equal(lsm_checkpoint(r->db, inside), -EINVAL);
    assert_non_null(strstr(lsm_detail(), "within the store"));
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(lsm_checkpoint(r->db, deep), -EINVAL);
    assert_int_equal(rmdir(inside), 0);
    snprintf(deep, sizeof(deep), "%s/missing/sub", r->dir);
    assert_int_equal(lsm_checkpoint(r->db, deep), -ENOENT);
    checkpoint(r->db, r->target);
    o.create = false;
    o.read_only = true;
    assert_int_equal(lsm_open(r->target, &o, &db), 0);
    assert_int_equal(lsm_errno(lsm_checkpoint(db, inside)), EROFS);
    assert_int_equal(access(inside, F_OK), -1);
    assert_int_equal(lsm_close(db), 0);
    origin_free(r);
}

/* --- Threads --- */

struct shared {
    struct lsm_db *db;
    atomic_bool stop;
    atomic_uint_fast64_t acknowledged[GROUP_COUNT];
};

struct thread {
    pthread_t id;
    struct shared *shared;
    unsigned number;
};

static size_t make_key(char buf[32], unsigned group, unsigned i)
{
    return (size_t)sprintf(buf, "g%02u/%u", group, i);
}

/* One batch writes one number to all keys of a group; the groups belong to one thread each. */
static void *write_main(void *arg)
{
    struct thread *t = arg;
    uint8_t value[700] = {0};

    for (uint64_t number = 1; !atomic_load(&t->shared->stop); number++) {
        unsigned group = (unsigned)(number % (GROUP_COUNT / 2)) * 2 + t->number;
        struct lsm_batch *b;

        put_le64(value, number);
        CHECK(lsm_batch_new(&b) == 0);
        for (unsigned i = 0; i < GROUP_LEN; i++) {
            char key[32];
            size_t len = make_key(key, group, i);

            CHECK(lsm_batch_put(b, key, len, value, sizeof(value)) == 0);
        }
        CHECK(lsm_write(t->shared->db, b, 0) == 0);
        atomic_store(&t->shared->acknowledged[group], number);
        lsm_batch_free(b);
    }
    return NULL;
}

/* Names snapshots all the time: some newer than what a checkpoint holds. */
static void *name_main(void *arg)
{
    struct thread *t = arg;

    for (unsigned number = 0; !atomic_load(&t->shared->stop); number++) {
        char name[32];
        size_t len = (size_t)sprintf(name, "%u", number);

        CHECK(lsm_snapshot_create(t->shared->db, name, len) == 0);
        len = (size_t)sprintf(name, "%u", number - 4);
        CHECK(number < 4 || lsm_snapshot_remove(t->shared->db, name, len) == 0);
    }
    return NULL;
}

/* The number in all keys of the group; 0 when there are none. */
static uint64_t group_number(struct lsm_db *db, unsigned group)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < GROUP_LEN; i++) {
        char key[32];
        size_t len = make_key(key, group, i);
        struct lsm_value v;
        uint64_t number = 0;

        if (lsm_get(db, NULL, key, len, &v) == 0) {
            number = get_le64(v.data);
            lsm_value_done(&v);
        }
        if (i == 0)
            first = number;
        assert_true(number == first);
    }
    return first;
}

static void writing_goes_on_while_checkpoints_are_made(void **state)
{
    struct origin *r = origin_new();
    struct shared shared = {.db = r->db};
    struct thread threads[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = (struct thread){.shared = &shared, .number = i};
        CHECK(pthread_create(&threads[i].id, NULL, i < 2 ? write_main : name_main, &threads[i]) ==
              0);
    }
    for (unsigned round = 0; round < 6; round++) {
        uint64_t before[GROUP_COUNT];
        struct lsm_db *db;
        char name[16];
        size_t name_len = (size_t)sprintf(name, "round %u", round);

        while (atomic_load(&shared.acknowledged[GROUP_COUNT - 1]) < 10 * (round + 1))
            sched_yield();
        for (unsigned g = 0; g < GROUP_COUNT; g++)
            before[g] = atomic_load(&shared.acknowledged[g]);
        assert_int_equal(lsm_snapshot_create(r->db, name, name_len), 0);
        env_fault_refuse_links(r->fault, round % 2);
        checkpoint(r->db, r->target);
        db = open_path(r->target);
        for (unsigned g = 0; g < GROUP_COUNT; g++)
            assert_true(group_number(db, g) >= before[g]);
        assert_int_equal(lsm_snapshot_remove(db, name, name_len), 0);
        close_and_remove(db, r->target);
        assert_int_equal(lsm_snapshot_remove(r->db, name, name_len), 0);
    }
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i].id, NULL);
    origin_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_a_store_of_its_own),
        cmocka_unit_test(an_empty_store_and_a_checkpoint_have_checkpoints),
        cmocka_unit_test(a_checkpoint_has_the_losses_that_nobody_acted_on),
        cmocka_unit_test(tables_are_linked_and_copied_where_they_cannot_be),
        cmocka_unit_test(a_failure_in_the_middle_leaves_nothing_behind),
        cmocka_unit_test(places_that_cannot_be_are_refused),
        cmocka_unit_test(writing_goes_on_while_checkpoints_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
