/*
 * A repair that ends at any of its writes: the call fails, the process is killed, or the power is
 * cut. What it leaves is repaired by the next run, and nothing that was not damaged has changed.
 *
 * TEST_SEED repeats a run.
 */
#include "lib/env_fault.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"
#include "unit/fs/crooked.h"

enum {
    SEED_COUNT = 2,
    CALLS_MAX = 2000 /* a repair of so small a store makes fewer */
};

enum ending {
    END_FAIL, /* one call fails */
    END_KILL, /* that call and all later ones, as if there were none */
    END_CUT,  /* the same, and what was not synced is gone */
    END_TEAR, /* the same, and part of it is gone */
    END_COUNT
};

/* A damaged store, as keys. */
struct case_of_damage {
    struct crooked c;
    struct kv_model damaged;
};

static struct case_of_damage *make_case(uint64_t seed)
{
    struct case_of_damage *c = calloc(1, sizeof(*c));
    void *state;

    assert_non_null(c);
    c->c.d.rng.state = seed;
    assert_int_equal(fixture_setup(&state), 0);
    c->c.f = state;
    grow_crooked(&c->c);
    for (int i = 0; i < 8; i++)
        damage_key(&c->c);
    crook(&c->c, 6);
    take_keys(fs_db(c->c.f->fs), &c->damaged);
    fs_close(c->c.f->fs);
    fixture_free(c->c.f);
    return c;
}

static void free_case(struct case_of_damage *c)
{
    kv_clear(&c->c.before);
    kv_clear(&c->damaged);
    free(c);
}

struct store {
    char *dir;
    struct env_fault *fault;
    struct lsm_db *db;
};

static void open_store(struct store *s)
{
    struct lsm_options o;

    super_store_options(&o);
    o.create = true;
    if (db_open(env_fault_env(s->fault), &o, &s->db))
        fail_msg("open: %s", lsm_detail());
}

static void make_store(struct store *s, const struct kv_model *keys)
{
    struct lsm_batch *b;
    struct env *base;

    s->dir = scratch_new();
    assert_int_equal(env_posix_open(s->dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &s->fault), 0);
    open_store(s);
    assert_int_equal(lsm_batch_new(&b), 0);
    for (size_t i = 0; i < keys->count; i++)
        assert_int_equal(lsm_batch_put(b, keys->pairs[i].key.data, keys->pairs[i].key.len,
                                       keys->pairs[i].value.data, keys->pairs[i].value.len),
                         0);
    assert_int_equal(lsm_write(s->db, b, LSM_WRITE_SYNC), 0);
    lsm_batch_free(b);
    assert_int_equal(lsm_close(s->db), 0);
    open_store(s);
}

/* A first repair whose nth call that changes the disk is the last good one; false: it had fewer. */
static bool break_repair(struct store *s, enum ending ending, uint64_t n)
{
    static const unsigned crash_flags[END_COUNT] = {
        [END_TEAR] = ENV_FAULT_KEEP_BYTES | ENV_FAULT_KEEP_NAMES | ENV_FAULT_KEEP_LEN};
    struct repair_options o = {.check = {.skip_store = true}};
    struct repair_result r;
    bool happened;

    env_fault_fail(s->fault, ENV_FAULT_CHANGES, n, EIO, ending != END_FAIL);
    repair_run(s->db, &o, &r);
    lsm_close(s->db);
    happened = env_fault_happened(s->fault);
    env_fault_fail(s->fault, 0, 0, 0, false);
    if (ending == END_CUT || ending == END_TEAR)
        assert_int_equal(env_fault_crash(s->fault, crash_flags[ending], n), 0);
    return happened;
}

static bool break_and_repair(const struct case_of_damage *c, enum ending ending, uint64_t n)
{
    struct check_result check;
    struct repair_result r;
    struct store s;
    bool happened;

    make_store(&s, &c->damaged);
    happened = break_repair(&s, ending, n);
    open_store(&s);
    repair_db(s.db, false, &r);
    assert_int_equal(r.last.problem_count, 0);
    assert_int_equal(check_run(s.db, NULL, &check), 0);
    assert_int_equal(check.problem_count, 0);
    assert_untouched(&c->c.d, s.db, &c->c.before);
    assert_int_equal(lsm_close(s.db), 0);
    env_fault_close(s.fault);
    scratch_free(s.dir);
    return happened;
}

static void every_ending(enum ending ending)
{
    uint64_t seed = rng_seed(1);

    for (uint64_t i = 0; i < SEED_COUNT; i++) {
        struct case_of_damage *c = make_case(seed + i);
        uint64_t n = 1;

        print_message("seed %llu\n", (unsigned long long)(seed + i));
        while (break_and_repair(c, ending, n))
            assert_true(++n < CALLS_MAX);
        assert_true(n > 5);
        free_case(c);
    }
}

static void a_repair_whose_nth_write_fails_can_be_run_again(void **state)
{
    (void)state;
    every_ending(END_FAIL);
}

static void a_repair_that_is_killed_at_any_write_is_completed_by_the_next(void **state)
{
    (void)state;
    every_ending(END_KILL);
}

static void a_repair_that_loses_its_power_is_completed_by_the_next(void **state)
{
    (void)state;
    every_ending(END_CUT);
    every_ending(END_TEAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repair_whose_nth_write_fails_can_be_run_again),
        cmocka_unit_test(a_repair_that_is_killed_at_any_write_is_completed_by_the_next),
        cmocka_unit_test(a_repair_that_loses_its_power_is_completed_by_the_next),
    };

    scratch_in_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
