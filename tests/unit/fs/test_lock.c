/*
 * Locks of inodes: they exclude, never deadlock, and leave nothing behind.
 */
#include "unit/fs/fs_fixture.h"

enum {
    THREADS = 8,
    INODES = 16,
    ROUNDS = 20000
};

struct shared {
    struct lock_table *table;
    uint64_t counts[INODES + 1]; /* each guarded by the lock of its number */
    atomic_uint seed;
};

static void zeros_and_equal_numbers_are_taken_once(void **state)
{
    uint64_t inos[] = {7, 0, 7, 3};
    struct lock_table *t;
    struct inode_locks l;

    (void)state;
    assert_int_equal(lock_table_new(&t), 0);
    assert_int_equal(inode_locks_take(t, inos, 4, &l), 0);
    assert_int_equal(l.count, 2);
    inode_locks_drop(t, &l);
    assert_int_equal(l.count, 0);
    inode_locks_drop(t, &l); /* nothing held: nothing happens */
    lock_table_free(t);
    lock_table_free(NULL);
}

static void *adder(void *arg)
{
    struct shared *s = arg;
    unsigned seed = atomic_fetch_add(&s->seed, 1);

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t inos[INODE_LOCKS_MAX];
        struct inode_locks l;
        int n = 1 + rand_r(&seed) % INODE_LOCKS_MAX;

        for (int j = 0; j < n; j++)
            inos[j] = (uint64_t)(rand_r(&seed) % (INODES + 1));
        if (inode_locks_take(s->table, inos, n, &l))
            abort();
        for (int j = 0; j < n; j++)
            if (inos[j])
                s->counts[inos[j]]++;
        inode_locks_drop(s->table, &l);
    }
    return NULL;
}

static void many_threads_exclude_each_other_without_deadlock(void **state)
{
    struct shared s = {.counts = {0}};
    pthread_t threads[THREADS];
    uint64_t sum = 0, expected = 0;

    (void)state;
    assert_int_equal(lock_table_new(&s.table), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, adder, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    /* What the threads drew can be drawn again. */
    for (unsigned t = 0; t < THREADS; t++) {
        unsigned seed = t;

        for (int i = 0; i < ROUNDS; i++)
            for (int n = 1 + rand_r(&seed) % INODE_LOCKS_MAX; n; n--)
                expected += rand_r(&seed) % (INODES + 1) != 0;
    }
    for (int i = 1; i <= INODES; i++)
        sum += s.counts[i];
    assert_int_equal(sum, expected);
    lock_table_free(s.table); /* checks that no lock is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_and_equal_numbers_are_taken_once),
        cmocka_unit_test(many_threads_exclude_each_other_without_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
