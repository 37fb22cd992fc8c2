/* What kvbench's figures rest on: its histogram, its medians, and its keys and values. */
#include "lib/cmocka_all.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/dataset.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/histogram.h"
#include "bench/kvbench/report.h"
#include "bench/kvbench/result.h"

static struct histogram *new_histogram(void)
{
    struct histogram *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    return h;
}

static void percentiles_are_right_to_within_two_percent(void **state)
{
    struct histogram *h = new_histogram();

    (void)state;
    for (uint64_t ns = 1; ns <= 1000000; ns++)
        histogram_add(h, ns);
    for (double percent = 1; percent < 100; percent += 0.5) {
        double exact = 1000000 * percent / 100;

        assert_true((double)histogram_percentile(h, percent) >= exact - 1);
        assert_true((double)histogram_percentile(h, percent) <= exact * 1.02);
    }
    assert_int_equal(histogram_percentile(h, 100), 1000000);
    free(h);
}

static void a_histogram_holds_times_of_any_length(void **state)
{
    struct histogram *h = new_histogram(), *all = new_histogram();

    (void)state;
    assert_int_equal(histogram_percentile(h, 50), 0);
    histogram_add(h, 0);
    assert_int_equal(histogram_percentile(h, 50), 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        memset(h, 0, sizeof(*h));
        histogram_add(h, UINT64_C(1) << bit);
        assert_int_equal(histogram_percentile(h, 50), UINT64_C(1) << bit);
        histogram_merge(all, h);
    }
    histogram_add(all, UINT64_MAX);
    assert_int_equal(all->count, 65);
    assert_true(histogram_percentile(all, 100) == UINT64_MAX);
    assert_in_range(histogram_percentile(all, 50), UINT64_C(1) << 32, (UINT64_C(1) << 33) - 1);
    free(h);
    free(all);
}

static void a_permutation_meets_every_number_once(void **state)
{
    static const uint64_t counts[] = {1, 2, 3, 4, 5, 100, 4096, 10007};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char *seen = calloc(counts[i], 1);
        struct permutation p;

        assert_non_null(seen);
        permutation_init(&p, counts[i], 7);
        for (uint64_t k = 0; k < counts[i]; k++) {
            uint64_t n = permutation_at(&p, k);

            assert_true(n < counts[i]);
            assert_int_equal(seen[n]++, 0);
        }
        free(seen);
    }
}

static void keys_sort_as_their_numbers_and_tell_them(void **state)
{
    static const uint64_t numbers[] = {0, 9, 10, 99, 12345678, UINT64_C(1) << 40, UINT64_MAX};
    struct key key, last;
    uint64_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        key_of(numbers[i], &key);
        assert_true(key_number(&key, KEY_LEN, &n));
        assert_true(n == numbers[i]);
        if (i)
            assert_true(memcmp(&last, &key, KEY_LEN) < 0);
        last = key;
    }
    assert_false(key_number(&key, KEY_LEN - 1, &n));
    key.bytes[5] = 'x';
    assert_false(key_number(&key, KEY_LEN, &n));
}

/* The share of many values, one behind the other, that is left by LZ4, in percent. */
static unsigned percent_after_lz4(struct dataset *d, size_t value_len, size_t count)
{
    size_t len = value_len * count;
    int packed_room = LZ4_compressBound((int)len);
    char *plain = malloc(len), *packed = malloc((size_t)packed_room);
    int packed_len;

    assert_non_null(plain);
    assert_non_null(packed);
    for (size_t i = 0; i < count; i++)
        memcpy(plain + i * value_len, dataset_value(d, i, 0, value_len), value_len);
    packed_len = LZ4_compress_default(plain, packed, (int)len, packed_room);
    free(plain);
    free(packed);
    return (unsigned)((size_t)packed_len * 100 / len);
}

static void lz4_halves_values_also_after_many_were_made(void **state)
{
    static const size_t lens[] = {100, 4096, 65536};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct dataset d;

        dataset_init(&d, lens[i], 1);
        for (uint64_t n = 0; n < 200000; n++)
            dataset_value(&d, n, 1, lens[i]);
        assert_in_range(percent_after_lz4(&d, lens[i], 3 + 8192 / lens[i]), 45, 62);
        dataset_done(&d);
    }
}

static void a_value_is_recognized_and_no_other_is(void **state)
{
    struct dataset d;
    char value[100];

    (void)state;
    dataset_init(&d, 8192, 1);
    memcpy(value, dataset_value(&d, 5, 1, sizeof(value)), sizeof(value));
    assert_true(value_is_of(value, sizeof(value), 5));
    assert_false(value_is_of(value, sizeof(value), 6));
    assert_false(value_is_of(value, STAMP_LEN - 1, 5));
    assert_true(memcmp(value, dataset_value(&d, 5, 2, sizeof(value)), sizeof(value)) != 0);
    memcpy(value, dataset_patch(&d, 5, 4096, 4096), sizeof(value));
    assert_true(patch_is_of(value, 5, 4096));
    assert_false(patch_is_of(value, 5, 0));
    assert_false(patch_is_of(value, 6, 4096));
    assert_false(value_is_of(value, sizeof(value), 5));
    dataset_done(&d);
}

static void add(struct results *rs, const char *engine, double ops, double memory)
{
    struct result r = {.value_len = 100};

    strcpy(r.engine, engine);
    strcpy(r.workload, "fillseq");
    r.metrics[METRIC_OPS_PER_S] = ops;
    r.metrics[METRIC_PEAK_MEMORY_LEN] = memory;
    results_add(rs, &r);
}

static void medians_are_of_one_engine_one_workload_and_one_length(void **state)
{
    struct results rs = {NULL, 0, 0};
    double x = 0;

    (void)state;
    assert_false(results_median(&rs, "lsm", "fillseq", 100, METRIC_OPS_PER_S, &x));
    add(&rs, "lsm", 30, 1);
    add(&rs, "rocksdb", 1000, 1);
    add(&rs, "lsm", 10, 1);
    assert_true(results_median(&rs, "lsm", "fillseq", 100, METRIC_OPS_PER_S, &x));
    assert_true(x == 20);
    add(&rs, "lsm", 1, 1);
    assert_true(results_median(&rs, "lsm", "fillseq", 100, METRIC_OPS_PER_S, &x));
    assert_true(x == 10);
    assert_false(results_median(&rs, "lsm", "fillseq", 4096, METRIC_OPS_PER_S, &x));
    assert_false(results_median(&rs, "lsm", "overwrite", 100, METRIC_OPS_PER_S, &x));
    results_done(&rs);
}

static void ratios_are_to_the_faster_and_to_the_smaller_of_the_others(void **state)
{
    static const struct engine fast = {.name = "fast"}, small = {.name = "small"};
    struct config c = {.engines = {&engine_lsm, &fast, &small}, .engine_count = 3};
    struct results rs = {NULL, 0, 0};
    double x = 0;

    (void)state;
    add(&rs, "lsm", 30, 30);
    assert_false(report_ratio(&c, &rs, "fillseq", 100, METRIC_OPS_PER_S, &x));
    add(&rs, "fast", 20, 40);
    add(&rs, "small", 10, 15);
    assert_true(report_ratio(&c, &rs, "fillseq", 100, METRIC_OPS_PER_S, &x));
    assert_true(x == 1.5);
    assert_true(report_ratio(&c, &rs, "fillseq", 100, METRIC_PEAK_MEMORY_LEN, &x));
    assert_true(x == 2);
    results_done(&rs);
}

static void a_result_comes_back_from_json_as_it_was(void **state)
{
    struct result r = {.engine = "lsm", .workload = "patch", .value_len = 65536, .round = 3}, back;
    json_t *object;

    (void)state;
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        r.metrics[m] = 1.5 * m;
    object = result_to_json(&r);
    assert_true(result_from_json(object, &back));
    assert_string_equal(back.engine, "lsm");
    assert_string_equal(back.workload, "patch");
    assert_int_equal(back.value_len, 65536);
    assert_int_equal(back.round, 3);
    assert_memory_equal(back.metrics, r.metrics, sizeof(r.metrics));
    json_object_del(object, metric_name(METRIC_CPU_S));
    assert_false(result_from_json(object, &back));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_to_within_two_percent),
        cmocka_unit_test(a_histogram_holds_times_of_any_length),
        cmocka_unit_test(a_permutation_meets_every_number_once),
        cmocka_unit_test(keys_sort_as_their_numbers_and_tell_them),
        cmocka_unit_test(lz4_halves_values_also_after_many_were_made),
        cmocka_unit_test(a_value_is_recognized_and_no_other_is),
        cmocka_unit_test(medians_are_of_one_engine_one_workload_and_one_length),
        cmocka_unit_test(ratios_are_to_the_faster_and_to_the_smaller_of_the_others),
        cmocka_unit_test(a_result_comes_back_from_json_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
