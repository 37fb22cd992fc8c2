/*
 * The arena: alignment, no overlaps between threads, the count of bytes, refusal without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lsm/mem/arena.h"

enum {
    THREADS = 4,
    PIECES = 20000
};

struct worker {
    struct arena *arena;
    unsigned seed;
    uint8_t fill;
    size_t total;
    uint8_t *pieces[PIECES];
    size_t lens[PIECES];
};

static void *allocate_and_fill(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < PIECES; i++) {
        size_t len = (size_t)rand_r(&w->seed) % (i % 1000 == 0 ? 100000 : 200);

        w->pieces[i] = arena_alloc(w->arena, len);
        if (!w->pieces[i])
            abort();
        memset(w->pieces[i], w->fill, len);
        w->lens[i] = len;
        w->total += (len + 7) & ~(size_t)7;
    }
    return NULL;
}

static void pieces_of_many_threads_do_not_overlap(void **state)
{
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    pthread_t threads[THREADS];
    struct arena arena;
    size_t total = 0;

    (void)state;
    arena_init(&arena);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].arena = &arena;
        workers[i].seed = i;
        workers[i].fill = (uint8_t)(i + 1);
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_fill, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        total += workers[i].total;
        for (int p = 0; p < PIECES; p++) {
            assert_int_equal((uintptr_t)workers[i].pieces[p] % 8, 0);
            for (size_t b = 0; b < workers[i].lens[p]; b++)
                if (workers[i].pieces[p][b] != workers[i].fill)
                    fail_msg("a piece was handed out twice");
        }
    }
    assert_true(arena_len(&arena) >= total);
    assert_true(arena_len(&arena) <= total + total / 3 + (1 << 20));
    arena_done(&arena);
    free(workers);
}

static void length_counts_what_was_handed_out(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_int_equal(arena_len(&arena), 0);
    assert_non_null(arena_alloc(&arena, 1));
    assert_int_equal(arena_len(&arena), 8);
    assert_non_null(arena_alloc(&arena, 16));
    assert_int_equal(arena_len(&arena), 24);
    assert_non_null(arena_alloc(&arena, 1 << 20));
    assert_int_equal(arena_len(&arena), 24 + (1 << 20));
    assert_non_null(arena_alloc(&arena, 0));
    arena_done(&arena);
}

static void impossible_lengths_are_refused_and_do_no_harm(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_int_equal(arena_len(&arena), 0);
    assert_non_null(arena_alloc(&arena, 100));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_int_equal(arena_len(&arena), 104);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_many_threads_do_not_overlap),
        cmocka_unit_test(length_counts_what_was_handed_out),
        cmocka_unit_test(impossible_lengths_are_refused_and_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
