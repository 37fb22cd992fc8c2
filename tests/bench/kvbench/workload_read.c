/* Steps that read single keys, and the opening of a store. Every answer is checked. */
#include <stdlib.h>

#include "bench/kvbench/fail.h"
#include "bench/kvbench/meter.h"
#include "bench/kvbench/workload.h"

enum {
    OPEN_WRITE_COUNT_MAX = 1000, /* writes between two openings, to be replayed */
};

static void check_value(const struct bench *b, const struct key *key, const struct value *v,
                        uint64_t number)
{
    if (v->len != b->value_len)
        bench_fail("the value of %.*s has %zu bytes instead of %zu", KEY_LEN, key->bytes, v->len,
                   b->value_len);
    if (!value_is_of(v->data, v->len, number))
        bench_fail("%.*s has the value of another key", KEY_LEN, key->bytes);
}

enum step step_read(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    uint64_t number = rng_below(&w->rng, b->count) * 2;
    struct value v;
    struct key key;

    (void)i;
    key_of(number, &key);
    if (!b->engine->get(b->store, &key, &v))
        bench_fail("%.*s is missing", KEY_LEN, key.bytes);
    check_value(b, &key, &v, number);
    b->engine->value_done(&v);
    w->op_count++;
    return STEP_DONE;
}

enum step step_read_missing(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    struct value v;
    struct key key;

    (void)i;
    key_of(rng_below(&w->rng, b->count) * 2 + 1, &key);
    if (b->engine->get(b->store, &key, &v))
        bench_fail("%.*s is there, but nobody wrote it", KEY_LEN, key.bytes);
    w->op_count++;
    return STEP_DONE;
}

enum step step_multi_get(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    uint64_t numbers[MULTI_GET_COUNT];
    struct key keys[MULTI_GET_COUNT];
    struct value values[MULTI_GET_COUNT];

    (void)i;
    for (unsigned k = 0; k < MULTI_GET_COUNT; k++) {
        numbers[k] = rng_below(&w->rng, b->count) * 2;
        key_of(numbers[k], &keys[k]);
    }
    b->engine->multi_get(b->store, keys, MULTI_GET_COUNT, values);
    for (unsigned k = 0; k < MULTI_GET_COUNT; k++) {
        if (!values[k].data)
            bench_fail("%.*s is missing", KEY_LEN, keys[k].bytes);
        check_value(b, &keys[k], &values[k], numbers[k]);
        b->engine->value_done(&values[k]);
    }
    w->op_count++;
    return STEP_DONE;
}

enum step step_read_or_write(struct worker *w, uint64_t i)
{
    return rng_next(&w->rng) & 1 ? step_read(w, i) : step_overwrite(w, i);
}

/* The time of opening alone; a log is left for the next. */
enum step step_open(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    uint64_t write_count = b->count < OPEN_WRITE_COUNT_MAX ? b->count : OPEN_WRITE_COUNT_MAX;
    uint64_t begin = clock_ns(), ns;

    b->store = b->engine->open(b->config, b->path, false);
    ns = clock_ns() - begin;
    histogram_add(&w->latency, ns);
    w->timed_ns += ns;
    step_read(w, i);
    for (uint64_t k = 0; k < write_count; k++)
        step_overwrite(w, k);
    b->engine->close(b->store);
    b->store = NULL;
    w->op_count -= write_count;
    return STEP_DONE;
}

/* As many reads as will be timed, of other keys. */
void prepare_reads(struct bench *b, struct worker *w)
{
    uint64_t begin = clock_ns();
    struct worker own = {.bench = b, .rng = {~w->rng.state}};

    for (uint64_t i = 0; i < b->count && (clock_ns() - begin) / 10000000000 == 0; i++)
        step_read(&own, i);
}

void prepare_overwrites(struct bench *b, struct worker *w)
{
    for (uint64_t i = 0; i < b->count / 2; i++)
        step_overwrite(w, i);
}
