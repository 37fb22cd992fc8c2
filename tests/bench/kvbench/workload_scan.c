/*
 * Steps with iterators, and range deletions, which scans must not see. For these the keys are cut
 * into 4000 stripes: the first deletion takes those whose number leaves 0 when divided by 4, the
 * second those that leave 2.
 */
#include "bench/kvbench/fail.h"
#include "bench/kvbench/workload.h"

enum {
    SCAN_STEP_COUNT = 100, /* entries; a clock for each would cost as much as the entry */
    SEEK_NEXT_COUNT = 10,
    STRIPE_COUNT = 4000,
};

/* Check the entry and return its number. */
static uint64_t check_entry(const struct bench *b, struct cursor *c)
{
    size_t key_len, value_len;
    const void *key = b->engine->key(c, &key_len), *value = b->engine->value(c, &value_len);
    uint64_t number;

    if (!key_number(key, key_len, &number) || number % 2 || number / 2 >= b->count)
        bench_fail("the iterator stands on a key that nobody wrote");
    if (value_len != b->value_len || !value_is_of(value, value_len, number))
        bench_fail("the iterator has a wrong value for key %llu", (unsigned long long)number);
    return number;
}

enum step step_seek(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    uint64_t number = rng_below(&w->rng, b->count) * 2;
    struct cursor *c = b->engine->cursor_open(b->store);
    struct key key;
    bool more;

    (void)i;
    key_of(number, &key);
    if (!b->engine->seek(c, &key) || check_entry(b, c) != number)
        bench_fail("a seek did not find %.*s", KEY_LEN, key.bytes);
    for (unsigned k = 0; k < SEEK_NEXT_COUNT; k++) {
        number += 2;
        more = b->engine->next(c);
        if (more != (number < b->count * 2) || (more && check_entry(b, c) != number))
            bench_fail("a wrong entry follows on a seek to %.*s", KEY_LEN, key.bytes);
        if (!more)
            break;
    }
    b->engine->cursor_close(c);
    w->op_count++;
    return STEP_DONE;
}

/* The first entry of each step is checked whole, the others touched as a reader would. */
static enum step scan(struct worker *w, bool (*start)(struct cursor *),
                      bool (*move)(struct cursor *))
{
    struct bench *b = w->bench;
    size_t len;
    bool stands;

    if (w->cursor) {
        stands = move(w->cursor);
    } else {
        w->cursor = b->engine->cursor_open(b->store);
        stands = start(w->cursor);
    }
    if (stands)
        check_entry(b, w->cursor);
    for (unsigned k = 1; stands; k++) {
        b->engine->key(w->cursor, &len);
        if (len != KEY_LEN)
            bench_fail("the iterator has a key of %zu bytes", len);
        b->engine->value(w->cursor, &len);
        if (len != b->value_len)
            bench_fail("the iterator has a value of %zu bytes", len);
        w->op_count++;
        if (k == SCAN_STEP_COUNT)
            return STEP_DONE;
        stands = move(w->cursor);
    }
    return STEP_END;
}

enum step step_scan_forward(struct worker *w, uint64_t i)
{
    (void)i;
    return scan(w, w->bench->engine->first, w->bench->engine->next);
}

enum step step_scan_backward(struct worker *w, uint64_t i)
{
    (void)i;
    return scan(w, w->bench->engine->last, w->bench->engine->prev);
}

/* A scan that its time limit ended has counted fewer. */
static void check_count(const struct worker *w, uint64_t expected)
{
    if (w->op_count > expected || (w->ended && w->op_count != expected))
        bench_fail("the scan found %llu entries instead of %llu", (unsigned long long)w->op_count,
                   (unsigned long long)expected);
}

void check_scan_of_all(struct bench *b, struct worker *workers, unsigned count)
{
    (void)count;
    check_count(&workers[0], b->count);
}

static uint64_t stripe_begin(uint64_t stripe, uint64_t count)
{
    return stripe * count / STRIPE_COUNT;
}

uint64_t delete_range_steps(uint64_t count)
{
    (void)count;
    return STRIPE_COUNT / 4;
}

static void delete_stripe(struct worker *w, uint64_t stripe)
{
    struct bench *b = w->bench;
    struct key start, end;

    key_of(stripe_begin(stripe, b->count) * 2, &start);
    key_of(stripe_begin(stripe + 1, b->count) * 2, &end);
    b->engine->delete_range(b->store, &start, &end);
    w->op_count++;
}

enum step step_delete_range(struct worker *w, uint64_t i)
{
    delete_stripe(w, i * 4);
    return STEP_DONE;
}

void prepare_deletions(struct bench *b, struct worker *w)
{
    (void)b;
    for (uint64_t i = 0; i < STRIPE_COUNT / 4; i++)
        delete_stripe(w, i * 4 + 2);
}

void check_scan_of_rest(struct bench *b, struct worker *workers, unsigned count)
{
    uint64_t rest = 0;

    (void)count;
    for (uint64_t i = 1; i < STRIPE_COUNT; i += 2)
        rest += stripe_begin(i + 1, b->count) - stripe_begin(i, b->count);
    check_count(&workers[0], rest);
}
