/*
 * The block cache's hash table against an array: growth, equal hashes, probes that go round the
 * table's end, removals among them.
 */
#include "lib/cmocka_all.h"

#include <stdbool.h>

#include "lib/rng.h"
#include "lsm/cache/block_table.h"

enum {
    BLOCK_COUNT = 600
};

struct block {
    uint64_t hash;
    bool in;
};

static struct block blocks[BLOCK_COUNT];

/* Every block that is in is found by its hash once, and no other is found by it. */
static void check(const struct block_table *t)
{
    size_t count = 0;

    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        uint64_t hash = blocks[i].hash, at = hash;
        struct block *b;
        unsigned seen = 0;

        while ((b = block_table_next(t, hash, &at)) != NULL) {
            assert_true(b->in && b->hash == hash);
            seen += b == &blocks[i];
        }
        assert_int_equal(seen, blocks[i].in);
        count += blocks[i].in;
    }
    assert_int_equal(t->count, count);
}

/* hash_count: how many different hashes; few of them lie at the end of the table. */
static void mix(struct rng *r, uint64_t hash_count)
{
    struct block_table t = {.mask = 0};

    for (size_t i = 0; i < BLOCK_COUNT; i++)
        blocks[i] = (struct block){.hash = UINT64_MAX - rng_below(r, hash_count)};
    check(&t);
    for (int round = 0; round < 30; round++) {
        for (size_t n = 0; n < BLOCK_COUNT / 2; n++) {
            struct block *b = &blocks[rng_below(r, BLOCK_COUNT)];

            block_table_prefetch(&t, b->hash);
            if (b->in)
                block_table_remove(&t, b->hash, b);
            else
                assert_int_equal(block_table_add(&t, b->hash, b), 0);
            b->in = !b->in;
        }
        check(&t);
    }
    block_table_done(&t);
}

static void what_was_added_is_found_until_it_is_removed(void **state)
{
    struct rng r = {rng_seed(1)};

    (void)state;
    mix(&r, UINT64_MAX);
    mix(&r, 1000);
    mix(&r, 40);
    mix(&r, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_until_it_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
