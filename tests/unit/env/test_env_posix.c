/*
 * The environment on a directory of the host: files, the lock, and what it says when it fails.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "env_contract.h"

static int open_env(const char *path, struct env **ret)
{
    return env_posix_open(path, 0, ret);
}

/* --- The lock --- */

static void a_store_is_open_once_even_in_one_process(void **state)
{
    struct env *second = NULL;
    char pid[64];

    (void)state;
    assert_int_equal(env_posix_open(dir, 0, &second), -ERR_STORE_LOCKED);
    snprintf(pid, sizeof(pid), "the store %s is in use by process %ld", dir, (long)getpid());
    assert_non_null(strstr(err_detail(), pid));
    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY, &second), -ERR_STORE_LOCKED);
    assert_null(second);
    env_close(env);
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
}

/* A pid of nobody: that of a child that has been waited for. */
static pid_t dead_pid(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

/* Has the lock of the store for reading or writing, with this pid in the file. */
static int hold_lock(short type, pid_t pid)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/LOCK", dir);
    fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "%ld\n", (long)pid) > 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    return fd;
}

struct late_owner {
    int lock_fd, inotify_fd;
};

/* Writes its pid only once somebody has read the one of the owner before. */
static void *write_pid_late(void *arg)
{
    struct late_owner *o = arg;
    char event[sizeof(struct inotify_event) + 256], pid[32];
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    if (read(o->inotify_fd, event, sizeof(event)) <= 0 ||
        pwrite(o->lock_fd, pid, (size_t)len, 0) != len)
        return NULL;
    return o;
}

static void an_owner_that_has_not_yet_written_its_pid_is_named(void **state)
{
    struct late_owner o;
    struct env *second;
    char path[512], want[512];
    pthread_t thread;
    void *written;

    (void)state;
    env_close(env);
    env = NULL;
    o.lock_fd = hold_lock(F_WRLCK, dead_pid());
    o.inotify_fd = inotify_init1(IN_CLOEXEC);
    assert_true(o.inotify_fd >= 0);
    snprintf(path, sizeof(path), "%s/LOCK", dir);
    assert_true(inotify_add_watch(o.inotify_fd, path, IN_ACCESS) >= 0);
    assert_int_equal(pthread_create(&thread, NULL, write_pid_late, &o), 0);
    assert_int_equal(env_posix_open(dir, 0, &second), -ERR_STORE_LOCKED);
    snprintf(want, sizeof(want), "the store %s is in use by process %ld, this one", dir,
             (long)getpid());
    assert_string_equal(err_detail(), want);
    assert_int_equal(pthread_join(thread, &written), 0);
    assert_non_null(written);
    close(o.inotify_fd);
    close(o.lock_fd);
}

static void the_last_writer_is_not_named_for_readers_that_have_the_lock(void **state)
{
    struct env *second;
    char want[512];
    int fd;

    (void)state;
    env_close(env);
    env = NULL;
    fd = hold_lock(F_RDLCK, dead_pid());
    assert_int_equal(env_posix_open(dir, 0, &second), -ERR_STORE_LOCKED);
    snprintf(want, sizeof(want), "the store %s is in use by another process", dir);
    assert_string_equal(err_detail(), want);
    close(fd);
}

static void the_lock_of_another_process_is_named_and_ends_with_it(void **state)
{
    int to_child[2], to_parent[2], status;
    struct env *second;
    char byte, want[512];
    pid_t pid;

    (void)state;
    env_close(env);
    env = NULL;
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid = fork();
    if (pid == 0) {
        struct env *child;

        close(to_child[1]);
        if (env_posix_open(dir, 0, &child) || write(to_parent[1], "x", 1) != 1)
            _exit(1);
        _exit(read(to_child[0], &byte, 1) == 0 ? 0 : 2);
    }
    assert_true(pid > 0);
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    assert_int_equal(env_posix_open(dir, 0, &second), -ERR_STORE_LOCKED);
    snprintf(want, sizeof(want), "the store %s is in use by process %ld", dir, (long)pid);
    assert_string_equal(err_detail(), want);
    close(to_child[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    for (int i = 0; i < 2; i++)
        close(to_parent[i]);
    close(to_child[0]);
}

static void readers_share_and_keep_a_writer_out(void **state)
{
    struct env *a, *b, *w;

    (void)state;
    env_close(env);
    env = NULL;
    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY, &a), 0);
    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY, &b), 0);
    assert_int_equal(env_posix_open(dir, 0, &w), -ERR_STORE_LOCKED);
    env_close(a);
    env_close(b);
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
}

static void a_stale_longer_pid_is_overwritten(void **state)
{
    FILE *f;
    char want[32];

    (void)state;
    env_close(env);
    f = fopen(scratch_path(dir, "LOCK"), "w");
    assert_non_null(f);
    fputs("123456789012345 and more\n", f);
    fclose(f);
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    snprintf(want, sizeof(want), "%ld\n", (long)getpid());
    assert_contents("LOCK", want);
}

/* Who may write to the store's directory can give a file from elsewhere a name there. */
static void name_foreign_file(const char *name)
{
    char foreign[512];
    FILE *f;

    snprintf(foreign, sizeof(foreign), "%s", scratch_path(dir, "foreign"));
    f = fopen(foreign, "w");
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
    unlink(scratch_path(dir, name));
    assert_int_equal(link(foreign, scratch_path(dir, name)), 0);
}

static void a_new_file_is_not_written_into_an_old_one(void **state)
{
    struct env_writer *w;
    struct slice part = slice_str("new");

    (void)state;
    name_foreign_file("f");
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, &part, 1), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "new");
    assert_contents("foreign", "old");
}

static void a_lock_with_other_names_gets_no_pid(void **state)
{
    struct env *second;

    (void)state;
    env_close(env);
    name_foreign_file("LOCK");
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    assert_contents("foreign", "old");
    assert_int_equal(env_posix_open(dir, 0, &second), -ERR_STORE_LOCKED);
}

static void read_only_changes_nothing(void **state)
{
    struct env_writer *w;
    struct listing l = {0};

    (void)state;
    env_close(env);
    assert_int_equal(unlink(scratch_path(dir, "LOCK")), 0);
    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY | ENV_CREATE, &env), 0);
    assert_int_equal(env_writer_create(env, "f", &w), -ERR_READ_ONLY);
    assert_int_equal(env_remove(env, "f"), -ERR_READ_ONLY);
    assert_int_equal(env_replace_small(env, "f", slice_str("x")), -ERR_READ_ONLY);
    assert_int_equal(env_list(env, note, &l), 0);
    assert_int_equal(l.count, 0);
}

static void directories_are_made_only_when_asked(void **state)
{
    struct env *e = NULL;
    char path[512];
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/new", dir);
    assert_int_equal(env_posix_open(path, 0, &e), -ERR_STORE_MISSING);
    assert_non_null(strstr(err_detail(), path));
    assert_int_equal(env_posix_open(path, ENV_CREATE | ENV_READ_ONLY, &e), -ERR_STORE_MISSING);
    assert_int_equal(env_posix_open(path, ENV_CREATE, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    env_close(e);
    assert_int_equal(env_posix_open(path, ENV_CREATE, &e), 0);
    env_close(e);
    snprintf(path, sizeof(path), "%s/LOCK", dir);
    assert_int_equal(env_posix_open(path, ENV_CREATE, &e), -ERR_STORE_NOT_ONE);
    assert_int_equal(env_posix_open(path, 0, &e), -ERR_STORE_NOT_ONE);
    snprintf(path, sizeof(path), "%s/no/such", dir);
    assert_int_equal(env_posix_open(path, ENV_CREATE, &e), -ENOENT);
}

static void closing_nothing_is_allowed(void **state)
{
    (void)state;
    env_close(NULL);
    assert_int_equal(env_writer_close(NULL), 0);
    env_reader_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENV_CONTRACT_TESTS,
        TEST(a_store_is_open_once_even_in_one_process),
        TEST(the_lock_of_another_process_is_named_and_ends_with_it),
        TEST(an_owner_that_has_not_yet_written_its_pid_is_named),
        TEST(the_last_writer_is_not_named_for_readers_that_have_the_lock),
        TEST(readers_share_and_keep_a_writer_out),
        TEST(a_stale_longer_pid_is_overwritten),
        TEST(a_new_file_is_not_written_into_an_old_one),
        TEST(a_lock_with_other_names_gets_no_pid),
        TEST(read_only_changes_nothing),
        TEST(directories_are_made_only_when_asked),
        TEST(closing_nothing_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
