/*
 * The environment with io_uring: the contract of every environment, many reads at once, writing
 * behind, and what it does where the kernel forbids io_uring.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "env_contract.h"
#include "lib/rng.h"
#include "lsm/base/check.h"

enum {
    FILE_LEN = 3 << 20,
    READ_COUNT = 300, /* more than a ring takes */
    READ_LEN_MAX = 9000,
    THREAD_COUNT = 12,
    SKIPPED = 77
};

static int open_env(const char *path, struct env **ret)
{
    return env_uring_open(path, 0, ret);
}

/* The byte of the test's file at an offset. */
static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

/* Append the bytes [w->len, end). */
static int append_to(struct env_writer *w, uint64_t end)
{
    uint8_t piece[5000];
    int err = 0;

    while (!err && w->len < end) {
        size_t n = end - w->len < sizeof(piece) ? (size_t)(end - w->len) : sizeof(piece);
        struct slice parts[] = {slice_of(piece, n / 3), slice_of(piece + n / 3, n - n / 3)};

        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(w->len + i);
        err = env_writer_append(w, parts, 2);
    }
    return err;
}

static bool contents_ok(struct env *e, const char *name, uint64_t len)
{
    struct buf b = {0};
    bool ok = env_read_small(e, name, 64 << 20, &b) == 0 && b.len == len;

    for (size_t i = 0; ok && i < b.len; i++)
        ok = b.data[i] == byte_at(i);
    buf_free(&b);
    return ok;
}

static void make_file(struct env *e, const char *name)
{
    struct env_writer *w;

    CHECK(env_writer_create(e, name, &w) == 0);
    CHECK(append_to(w, FILE_LEN) == 0);
    CHECK(env_writer_close(w) == 0);
}

/* --- Many reads --- */

struct batch {
    struct env_read reads[READ_COUNT];
    uint8_t bytes[READ_COUNT][READ_LEN_MAX];
};

static void fill_batch(struct batch *b, struct env_reader *r, struct rng *rng)
{
    for (size_t i = 0; i < READ_COUNT; i++) {
        memset(b->bytes[i], 0xee, sizeof(b->bytes[i]));
        b->reads[i] = (struct env_read){.reader = r,
                                        .offset = rng_below(rng, FILE_LEN + 5000),
                                        .len = (size_t)rng_below(rng, READ_LEN_MAX),
                                        .buf = b->bytes[i],
                                        .ret_err = -1};
    }
}

static bool read_ok(const struct env_read *r)
{
    uint64_t there = r->offset < FILE_LEN ? FILE_LEN - r->offset : 0;
    size_t want = r->len < there ? r->len : (size_t)there;

    if (r->ret_err || r->ret_len != want)
        return false;
    for (size_t i = 0; i < want; i++)
        if (((const uint8_t *)r->buf)[i] != byte_at(r->offset + i))
            return false;
    return true;
}

/* Whether a batch of random reads, some beyond the end, gives what the file has. */
static bool batch_ok(struct env *e, struct env_reader *r, uint64_t seed)
{
    struct batch *b = malloc(sizeof(*b));
    struct rng rng = {seed};
    bool ok;

    CHECK(b);
    fill_batch(b, r, &rng);
    ok = env_read_many(e, b->reads, READ_COUNT) == 0;
    for (size_t i = 0; i < READ_COUNT; i++)
        ok = ok && read_ok(&b->reads[i]);
    free(b);
    return ok;
}

static void many_reads_give_what_single_ones_would(void **state)
{
    struct env_reader *r;

    (void)state;
    make_file(env, "f");
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_true(batch_ok(env, r, seed));
    env_reader_close(r);
}

static void impossible_places_are_ends_of_the_file(void **state)
{
    uint8_t bytes[4][8];
    struct env_reader *r;
    struct env_read reads[4];

    (void)state;
    make_file(env, "f");
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    for (size_t i = 0; i < 4; i++)
        reads[i] = (struct env_read){.reader = r, .len = 8, .buf = bytes[i]};
    reads[0].offset = UINT64_MAX;
    reads[1].offset = FILE_LEN - 3;
    reads[2].len = 0;
    reads[3].offset = INT64_MAX - 2;
    assert_int_equal(env_read_many(env, reads, 4), 0);
    assert_int_equal(reads[0].ret_len, 0);
    assert_int_equal(reads[1].ret_len, 3);
    assert_int_equal(reads[2].ret_len, 0);
    assert_int_equal(reads[3].ret_len, 0);
    assert_int_equal(env_read_many(env, reads, 0), 0);
    assert_int_equal(env_read_many(env, reads + 1, 1), 0);
    assert_int_equal(reads[1].ret_len, 3);
    env_reader_close(r);
}

struct reading {
    struct env_reader *reader;
    uint64_t seed;
    bool ok;
};

static void *read_batches(void *arg)
{
    struct reading *t = arg;

    t->ok = true;
    for (uint64_t i = 0; i < 30; i++)
        t->ok = t->ok && batch_ok(env, t->reader, t->seed * 1000 + i);
    return NULL;
}

static void more_threads_than_rings_read_at_once(void **state)
{
    struct reading threads[THREAD_COUNT];
    pthread_t ids[THREAD_COUNT];
    struct env_reader *r;

    (void)state;
    make_file(env, "f");
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        threads[i] = (struct reading){.reader = r, .seed = i + 1};
        assert_int_equal(pthread_create(&ids[i], NULL, read_batches, &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(pthread_join(ids[i], NULL), 0);
        assert_true(threads[i].ok);
    }
    env_reader_close(r);
}

static void do_nothing(int sig)
{
    (void)sig;
}

static void signals_do_not_disturb(void **state)
{
    struct sigaction act = {.sa_handler = do_nothing}, old;
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    struct env_writer *w;
    struct env_reader *r;
    bool ok = true;

    (void)state;
    make_file(env, "f");
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    assert_int_equal(env_writer_create_behind(env, "g", &w), 0);
    assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (uint64_t seed = 1; seed <= 20; seed++)
        ok = ok && batch_ok(env, r, seed);
    ok = ok && append_to(w, FILE_LEN) == 0 && env_writer_sync(w) == 0;
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    assert_true(ok);
    assert_int_equal(env_writer_close(w), 0);
    assert_true(contents_ok(env, "g", FILE_LEN));
    env_reader_close(r);
}

/* --- Writing behind --- */

static void what_is_written_behind_is_there_after_a_sync(void **state)
{
    static const uint64_t lens[] = {0, 1, 4999, 256 << 10, (256 << 10) + 1, FILE_LEN};
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        assert_int_equal(append_to(w, lens[i]), 0);
        assert_int_equal(w->len, lens[i]);
        assert_int_equal(env_writer_sync(w), 0);
        assert_true(contents_ok(env, "f", lens[i]));
    }
    assert_int_equal(env_writer_close(w), 0);
    assert_true(contents_ok(env, "f", FILE_LEN));
}

static void closing_writes_what_is_left(void **state)
{
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    assert_int_equal(append_to(w, 1234567), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_true(contents_ok(env, "f", 1234567));
}

static void a_file_written_behind_can_be_cut_and_reserved_for(void **state)
{
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    assert_int_equal(env_writer_reserve(w, 8 << 20), 0);
    assert_int_equal(append_to(w, 1000000), 0);
    assert_int_equal(env_writer_truncate(w, 1000001), -EINVAL);
    assert_int_equal(env_writer_truncate(w, 300000), 0);
    assert_int_equal(w->len, 300000);
    assert_int_equal(append_to(w, 700000), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_true(contents_ok(env, "f", 700000));
    assert_true(allocated("f") < 2 << 20);
}

static void a_failed_write_behind_shows_and_sticks(void **state)
{
    struct rlimit old, small;
    struct env_writer *w;
    int append_err, sync_err;

    (void)state;
    if (env_uring_why_not(env))
        skip();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    append_err = append_to(w, 8 << 20);
    sync_err = env_writer_sync(w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    /* Four buffers do not hold eight mebibytes: it must have shown before the sync. */
    assert_int_equal(append_err, -EFBIG);
    assert_int_equal(sync_err, -EFBIG);
    assert_non_null(strstr(err_detail(), "/f: cannot write"));
    assert_int_equal(append_str(w, "x"), -EFBIG);
    assert_int_equal(env_writer_close(w), -EFBIG);
}

static void a_small_failed_write_behind_shows_at_the_sync(void **state)
{
    struct rlimit old, small;
    struct env_writer *w;
    int append_err, sync_err;

    (void)state;
    if (env_uring_why_not(env))
        skip();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    append_err = append_to(w, 2000);
    sync_err = env_writer_sync(w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(append_err, 0);
    assert_int_equal(sync_err, -EFBIG);
    assert_int_equal(env_writer_close(w), -EFBIG);
}

static void *append_and_end(void *arg)
{
    struct env_writer *w = arg;

    return append_to(w, w->len + (3 << 19) + 77) ? arg : NULL;
}

static void a_thread_that_appended_may_end_before_the_sync(void **state)
{
    struct env_writer *w;
    uint64_t len;

    (void)state;
    assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
    for (int i = 0; i < 5; i++) {
        pthread_t id;
        void *answer;

        assert_int_equal(pthread_create(&id, NULL, append_and_end, w), 0);
        assert_int_equal(pthread_join(id, &answer), 0);
        assert_null(answer);
    }
    len = w->len;
    assert_int_equal(env_writer_sync(w), 0);
    assert_true(contents_ok(env, "f", len));
    assert_int_equal(env_writer_close(w), 0);
}

struct syncing {
    struct env_writer *w;
    atomic_bool end;
    int err;
};

static void *sync_often(void *arg)
{
    struct syncing *s = arg;

    do
        s->err = env_writer_sync(s->w);
    while (!s->err && !atomic_load(&s->end));
    return NULL;
}

static void a_sync_may_run_beside_appends(void **state)
{
    struct syncing s = {0};
    pthread_t id;

    (void)state;
    assert_int_equal(env_writer_create_behind(env, "f", &s.w), 0);
    assert_int_equal(pthread_create(&id, NULL, sync_often, &s), 0);
    assert_int_equal(append_to(s.w, 4 * FILE_LEN), 0);
    atomic_store(&s.end, true);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_int_equal(s.err, 0);
    assert_int_equal(env_writer_close(s.w), 0);
    assert_true(contents_ok(env, "f", 4 * FILE_LEN));
}

/* --- Append and sync in one --- */

static void append_and_sync_in_one_appends_in_order(void **state)
{
    struct slice parts[] = {slice_str("one"), slice_of(NULL, 0), slice_str(" two")};
    struct slice many[200];
    struct env_writer *w;

    (void)state;
    for (size_t i = 0; i < 200; i++)
        many[i] = slice_str(i == 199 ? "!" : "");
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append_sync(w, parts, 3), 0);
    assert_int_equal(w->len, 7);
    assert_int_equal(env_writer_append_sync(w, parts, 0), 0);
    assert_int_equal(env_writer_append_sync(w, many, 200), 0);
    assert_int_equal(append_str(w, " three"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "one two! three");
    assert_int_equal(env_writer_create_behind(env, "g", &w), 0);
    assert_int_equal(env_writer_append_sync(w, parts, 3), 0);
    assert_contents("g", "one two");
    assert_int_equal(env_writer_close(w), 0);
}

static void a_failed_append_and_sync_leaves_the_old_length(void **state)
{
    struct rlimit old, small;
    struct env_writer *w;
    char *big = calloc(1, 20000);
    struct slice part = slice_of(big, 20000);
    int err;

    (void)state;
    assert_non_null(big);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "before"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    err = env_writer_append_sync(w, &part, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, -EFBIG);
    assert_int_equal(w->len, 6);
    assert_int_equal(size_of("f"), 6);
    assert_int_equal(append_str(w, " after"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "before after");
    free(big);
}

/* --- Without io_uring --- */

/* From now on the system call gives -EPERM to this process, as in a container that forbids it. */
static void forbid(unsigned nr)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof(filter) / sizeof(*filter), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
        _exit(SKIPPED);
}

/* In a process of its own: 0, or the line that failed. A filter stays until the process ends. */
#define CHILD_CHECK(cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #cond, err_detail());                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void run_child(void (*work)(void))
{
    int status;
    pid_t pid;

    env_close(env);
    env = NULL;
    pid = fork();
    if (pid == 0) {
        work();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Everything works, with or without. */
static void use_all(struct env *e)
{
    struct env_writer *w;
    struct env_reader *r;

    make_file(e, "f");
    CHILD_CHECK(env_reader_open(e, "f", &r) == 0);
    CHILD_CHECK(batch_ok(e, r, 1));
    env_reader_close(r);
    CHILD_CHECK(env_writer_create_behind(e, "g", &w) == 0);
    CHILD_CHECK(append_to(w, FILE_LEN) == 0);
    CHILD_CHECK(env_writer_sync(w) == 0);
    CHILD_CHECK(contents_ok(e, "g", FILE_LEN));
    CHILD_CHECK(env_writer_close(w) == 0);
    CHILD_CHECK(env_writer_create(e, "h", &w) == 0);
    CHILD_CHECK(env_writer_append_sync(w, &(struct slice){(const uint8_t *)"x", 1}, 1) == 0);
    CHILD_CHECK(env_writer_close(w) == 0);
}

static void open_forbidden(void)
{
    forbid(SYS_io_uring_setup);
    CHILD_CHECK(env_uring_open(dir, 0, &env) == 0);
    CHILD_CHECK(env_uring_why_not(env) && strstr(env_uring_why_not(env), "does not permit"));
    use_all(env);
    env_close(env);
}

static void where_io_uring_is_forbidden_posix_calls_do_the_work(void **state)
{
    (void)state;
    run_child(open_forbidden);
}

static void forbid_later(void)
{
    struct env_writer *w;

    CHILD_CHECK(env_uring_open(dir, 0, &env) == 0);
    if (env_uring_why_not(env))
        _exit(SKIPPED);
    CHILD_CHECK(env_writer_create_behind(env, "b", &w) == 0);
    CHILD_CHECK(append_to(w, FILE_LEN / 2) == 0);
    forbid(SYS_io_uring_enter);
    CHILD_CHECK(append_to(w, FILE_LEN) == 0);
    CHILD_CHECK(env_writer_sync(w) == 0);
    CHILD_CHECK(contents_ok(env, "b", FILE_LEN));
    CHILD_CHECK(env_writer_close(w) == 0);
    use_all(env);
    CHILD_CHECK(env_uring_why_not(env) != NULL);
    env_close(env);
}

static void forbidding_it_to_an_open_store_loses_nothing(void **state)
{
    (void)state;
    run_child(forbid_later);
}

static void forbid_reads_later(void)
{
    struct env_reader *r;

    CHILD_CHECK(env_uring_open(dir, 0, &env) == 0);
    if (env_uring_why_not(env))
        _exit(SKIPPED);
    make_file(env, "f");
    CHILD_CHECK(env_reader_open(env, "f", &r) == 0);
    forbid(SYS_io_uring_enter);
    for (uint64_t seed = 1; seed <= 5; seed++)
        CHILD_CHECK(batch_ok(env, r, seed));
    CHILD_CHECK(strstr(env_uring_why_not(env), "since the store was opened"));
    env_reader_close(r);
    env_close(env);
}

static void reads_go_on_when_it_is_forbidden_to_an_open_store(void **state)
{
    (void)state;
    run_child(forbid_reads_later);
}

static void it_can_be_turned_off(void **state)
{
    (void)state;
    env_close(env);
    env = NULL;
    assert_int_equal(env_uring_open(dir, ENV_NO_URING, &env), 0);
    assert_string_equal(env_uring_why_not(env), "turned off by option io_uring");
    use_all(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENV_CONTRACT_TESTS,
        TEST(many_reads_give_what_single_ones_would),
        TEST(impossible_places_are_ends_of_the_file),
        TEST(more_threads_than_rings_read_at_once),
        TEST(signals_do_not_disturb),
        TEST(what_is_written_behind_is_there_after_a_sync),
        TEST(closing_writes_what_is_left),
        TEST(a_file_written_behind_can_be_cut_and_reserved_for),
        TEST(a_failed_write_behind_shows_and_sticks),
        TEST(a_small_failed_write_behind_shows_at_the_sync),
        TEST(a_thread_that_appended_may_end_before_the_sync),
        TEST(a_sync_may_run_beside_appends),
        TEST(append_and_sync_in_one_appends_in_order),
        TEST(a_failed_append_and_sync_leaves_the_old_length),
        TEST(where_io_uring_is_forbidden_posix_calls_do_the_work),
        TEST(forbidding_it_to_an_open_store_loses_nothing),
        TEST(reads_go_on_when_it_is_forbidden_to_an_open_store),
        TEST(it_can_be_turned_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
