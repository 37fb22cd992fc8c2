/* kvbench as a program: every workload on every engine with few keys, and what it says of it. */
#include "lib/cmocka_all.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/kvbench/engine.h"
#include "bench/kvbench/workload.h"
#include "lib/scratch.h"

/* Run "KVBENCH ARGUMENTS" with its scratch in `dir`; its exit status, its output in dir/out. */
static int run_kvbench(const char *dir, const char *arguments)
{
    char command[4096];
    int len, status;

    len = snprintf(command, sizeof(command), "'%s' --dir '%s' %s >'%s/out' 2>&1", KVBENCH, dir,
                   arguments, dir);
    assert_true(len > 0 && (size_t)len < sizeof(command));
    status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_output_has(const char *dir, const char *text)
{
    FILE *f = fopen(scratch_path(dir, "out"), "r");
    char out[65536];
    size_t len;

    assert_non_null(f);
    len = fread(out, 1, sizeof(out) - 1, f);
    out[len] = '\0';
    fclose(f);
    if (!strstr(out, text))
        fail_msg("\"%s\" is missing in: %s", text, out);
}

static const json_t *find_run(const json_t *runs, const char *engine, const char *workload)
{
    const json_t *found = NULL, *run;
    size_t i;

    json_array_foreach(runs, i, run)
    {
        if (!strcmp(json_string_value(json_object_get(run, "engine")), engine) &&
            !strcmp(json_string_value(json_object_get(run, "workload")), workload)) {
            assert_null(found);
            found = run;
        }
    }
    return found;
}

static void assert_positive(const json_t *object, const char *name)
{
    if (!(json_number_value(json_object_get(object, name)) > 0))
        fail_msg("%s of %s is not positive", name,
                 json_string_value(json_object_get(object, "workload")));
}

/* With 250 keys every scan has a step of 100 entries to time. */
static void every_workload_runs_on_every_engine_and_is_reported(void **state)
{
    char *dir = scratch_new(), arguments[4096];
    json_t *all, *runs;

    (void)state;
    snprintf(arguments, sizeof(arguments),
             "--value-len 64K --count 250 --calm 0.02 --json '%s/json'", dir);
    assert_int_equal(run_kvbench(dir, arguments), 0);
    all = json_load_file(scratch_path(dir, "json"), 0, NULL);
    assert_non_null(all);
    runs = json_object_get(all, "runs");
    for (size_t w = 0; workload_at(w); w++) {
        assert_output_has(dir, workload_at(w)->name);
        for (size_t e = 0; engine_at(e); e++) {
            const json_t *run = find_run(runs, engine_at(e)->name, workload_at(w)->name);

            assert_non_null(run);
            assert_positive(run, "ops_per_s");
            assert_positive(run, "max_us");
            assert_positive(run, "peak_memory_len");
            assert_positive(run, "space_len");
            if (workload_at(w)->flags & WORKLOAD_WRITES)
                assert_positive(run, "written_per_user");
        }
    }
    json_decref(all);
    scratch_free(dir);
}

/* The stores that were asked for and no other are reported, and nothing stays in the directory. */
static void what_a_workload_needs_is_run_but_not_shown(void **state)
{
    char *dir = scratch_new(), arguments[4096];
    struct dirent *entry;
    json_t *all;
    DIR *d;

    (void)state;
    snprintf(arguments, sizeof(arguments),
             "--engines lsm --workloads scandeleted --count 5000 --rounds 2 --calm 0.02 "
             "--lsm-set block_len=4K,compress=0 --json '%s/json'",
             dir);
    assert_int_equal(run_kvbench(dir, arguments), 0);
    all = json_load_file(scratch_path(dir, "json"), 0, NULL);
    assert_non_null(all);
    assert_int_equal(json_array_size(json_object_get(all, "runs")), 2);
    json_decref(all);
    d = opendir(dir);
    assert_non_null(d);
    while ((entry = readdir(d)))
        assert_null(strstr(entry->d_name, "kvbench."));
    closedir(d);
    scratch_free(dir);
}

static void an_engine_that_fails_makes_the_status_1(void **state)
{
    char *dir = scratch_new();

    (void)state;
    assert_int_equal(
        run_kvbench(dir, "--engines lsm --workloads fillseq --count 10 --lsm-set cache_bytes=1"),
        1);
    assert_output_has(dir, "kvbench: lsm: fillseq, values of 100 bytes: open: ");
    scratch_free(dir);
}

static void wrong_usage_is_named_with_status_2(void **state)
{
    char *dir = scratch_new();

    (void)state;
    assert_int_equal(run_kvbench(dir, "--engines mysql"), 2);
    assert_output_has(dir, "mysql");
    assert_int_equal(run_kvbench(dir, "--workloads fillseq,frob"), 2);
    assert_output_has(dir, "frob");
    assert_int_equal(run_kvbench(dir, "--lsm-set frob=1"), 2);
    assert_int_equal(run_kvbench(dir, "--lsm-set compress=2"), 2);
    assert_int_equal(run_kvbench(dir, "--value-len 1"), 2);
    assert_int_equal(run_kvbench(dir, "frob"), 2);
    assert_int_equal(run_kvbench(dir, "--help"), 0);
    assert_output_has(dir, "SYNOPSIS");
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_workload_runs_on_every_engine_and_is_reported),
        cmocka_unit_test(what_a_workload_needs_is_run_but_not_shown),
        cmocka_unit_test(an_engine_that_fails_makes_the_status_1),
        cmocka_unit_test(wrong_usage_is_named_with_status_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
