/*
 * One run of a repair does all that a second one would do.
 */
#include "unit/fs/fsck_fixture.h"

enum {
    NAMES_OF_LOST_FOUND = 100 /* as many as repairs try (fs/repair/repair_lost.c) */
};

/* What a run said of one inode. */
struct log {
    uint64_t ino;
    unsigned told, failed, done;
};

static void log_problem(void *arg, const struct check_problem *p)
{
    struct log *log = arg;

    log->told += p->ino == log->ino;
}

static void log_outcome(void *arg, const struct check_problem *p, enum repair_outcome outcome,
                        const char *text)
{
    struct log *log = arg;

    (void)text;
    log->failed += p->ino == log->ino && outcome == REPAIR_FAILED;
    log->done += p->ino == log->ino && outcome == REPAIR_DONE;
}

/* A file without a name, while names that lead to nothing take all that lost+found could have. */
static uint64_t block_lost_found(struct fixture *f)
{
    uint64_t lost = make_file(f->fs, FS_ROOT_INO, "file"), dir = make_dir(f->fs, FS_ROOT_INO, "d");
    uint64_t last = make_file(f->fs, dir, "file");

    for (int i = 0; i < NAMES_OF_LOST_FOUND; i++) {
        char name[32] = "lost+found";

        if (i)
            snprintf(name, sizeof(name), "lost+found~%d", i);
        add_entry(f, FS_ROOT_INO, name, last + 1 + (uint64_t)i, S_IFREG);
    }
    change_size(f, FS_ROOT_INO, NAMES_OF_LOST_FOUND - 1);
    drop_entry(f, FS_ROOT_INO, "file");
    return lost;
}

static void what_fails_at_first_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct log log = {.ino = block_lost_found(f)};
    struct repair_options o = {.check = {.skip_store = true, .problem = log_problem, .arg = &log},
                               .outcome = log_outcome};
    struct repair_result r;
    char name[64];

    assert_int_equal(repair_run(fs_db(f->fs), &o, &r), 0);
    assert_int_equal(r.last.problem_count, 0);
    assert_int_equal(in_lost_found(f, number_name(log.ino, "", name)), log.ino);
    /* Each once when it fails, and once more when it succeeds. */
    assert_int_equal(log.failed, 1);
    assert_int_equal(log.done, 1);
    assert_int_equal(log.told, 2);
    assert_int_equal(r.found_count, NAMES_OF_LOST_FOUND + 1);
    assert_int_equal(r.repaired_count, r.found_count);
    assert_int_equal(repair(f, false).done, 0);
    expect_clean(f);
}

static void what_fails_to_the_end_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct log log = {.ino = block_lost_found(f)};
    struct repair_options o = {.check = {.skip_store = true, .problem = log_problem, .arg = &log},
                               .outcome = log_outcome};
    struct repair_result r;

    /* Now the names lead to files, one of which has another problem: there are several rounds. */
    for (uint64_t i = 0; i < NAMES_OF_LOST_FOUND; i++) {
        char name[32] = "lost+found";

        if (i)
            snprintf(name, sizeof(name), "lost+found~%d", (int)i);
        drop_entry(f, FS_ROOT_INO, name);
        change_size(f, FS_ROOT_INO, -1);
        make_file(f->fs, FS_ROOT_INO, name);
    }
    change_size(f, FS_ROOT_INO, 5);
    assert_int_equal(repair_run(fs_db(f->fs), &o, &r), 0);
    assert_int_equal(r.round_count, 2);
    assert_int_equal(log.failed, 1);
    assert_int_equal(log.told, 1);
    assert_int_equal(r.found_count, 2);
    assert_int_equal(r.repaired_count, 1);
    assert_int_equal(r.last.problem_count, 1);
    assert_false(r.gave_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(what_fails_at_first_is_tried_again),
        CHECK_TEST(what_fails_to_the_end_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
