/*
 * Many threads at once in the same and in different directories: nothing but expected errors while
 * they run, and everything agrees at the end. To be run under tsan too.
 */
#include "unit/fs/fs_fixture.h"

enum {
    THREADS = 4,
    ROUNDS = 1500,
    DIRS = 5,
    NAMES = 12
};

struct worker {
    struct fs *fs;
    uint64_t dirs[DIRS];
    unsigned seed;
    pthread_t thread;
};

static void expect(int err, int a, int b, int c, int d)
{
    if (err < 0 && err != a && err != b && err != c && err != d) {
        fprintf(stderr, "unexpected error %d: %s\n", err, err_detail());
        abort();
    }
}

static uint64_t some_dir(struct worker *w)
{
    return w->dirs[rand_r(&w->seed) % DIRS];
}

static void some_name(struct worker *w, char *name)
{
    snprintf(name, 32, "n%d", rand_r(&w->seed) % NAMES);
}

static int list_one(void *arg, const struct fs_dirent *d)
{
    if (d->attr && d->attr->ino != d->ino)
        abort();
    ++*(int *)arg;
    return 0;
}

/* Directories of the fixed set are moved among each other too, so errors of moved parents occur. */
static void change_names(struct worker *w)
{
    char a[32], b[32];
    uint64_t from = some_dir(w), to = some_dir(w);
    int kind = rand_r(&w->seed) % 8;
    struct fs_attr attr;

    some_name(w, a);
    some_name(w, b);
    if (kind == 0)
        expect(fs_mknod(w->fs, from, a, S_IFREG, 0, &cred0, &attr), -EEXIST, 0, 0, 0);
    else if (kind == 1)
        expect(fs_mknod(w->fs, from, a, S_IFDIR, 0, &cred0, &attr), -EEXIST, 0, 0, 0);
    else if (kind == 2)
        expect(fs_unlink(w->fs, from, a), -ENOENT, -EISDIR, 0, 0);
    else if (kind == 3)
        expect(fs_rmdir(w->fs, from, a), -ENOENT, -ENOTDIR, -ENOTEMPTY, 0);
    else if (kind == 4 && fs_lookup(w->fs, from, a, &attr) == 1)
        expect(fs_link(w->fs, attr.ino, to, b, &attr), -ENOENT, -EEXIST, -EPERM, -ESTALE);
    else if (kind == 5)
        expect(fs_rename(w->fs, from, a, to, b, FS_RENAME_EXCHANGE), -ENOENT, -EINVAL, 0, 0);
    else if (kind > 5)
        expect(fs_rename(w->fs, from, a, to, b, 0), -ENOENT, -EISDIR, -ENOTDIR, -ENOTEMPTY);
}

static void read_things(struct worker *w)
{
    struct fs_attr attr, up;
    char name[32];
    uint64_t dir = some_dir(w);
    unsigned undo;
    int count = 0;

    some_name(w, name);
    expect(fs_lookup(w->fs, dir, name, &attr), -ENOENT, 0, 0, 0);
    expect(fs_lookup(w->fs, dir, "..", &up), 0, 0, 0, 0);
    expect(fs_readdir(w->fs, dir, 0, rand_r(&w->seed) % 2, list_one, &count, &undo), 0, 0, 0, 0);
}

static void change_inode(struct worker *w)
{
    struct fs_attr attr, set = {.mode = 0600};
    char name[32], buf[8];

    some_name(w, name);
    if (fs_lookup(w->fs, some_dir(w), name, &attr) != 1)
        return;
    expect(fs_setattr(w->fs, attr.ino, &set, FS_SET_MODE, &attr), -ESTALE, 0, 0, 0);
    expect(fs_setxattr(w->fs, attr.ino, "user.x", "abc", 3, 0), -ESTALE, 0, 0, 0);
    expect((int)fs_getxattr(w->fs, attr.ino, "user.x", buf, 8), -ESTALE, -ENODATA, 0, 0);
    if (S_ISREG(attr.mode))
        expect(fs_write(w->fs, attr.ino, 0, "data", 4), -ESTALE, 0, 0, 0);
    if (fs_is_orphan(w->fs, attr.ino))
        expect(fs_purge(w->fs, attr.ino), 0, 0, 0, 0);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < ROUNDS; i++) {
        change_names(w);
        if (i % 3 == 0)
            read_things(w);
        if (i % 5 == 0)
            change_inode(w);
    }
    return NULL;
}

static void run_workers(struct worker *workers)
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
}

static void threads_in_shared_directories_leave_everything_in_order(void **state)
{
    struct fixture *f = *state;
    struct worker workers[THREADS];
    uint64_t dirs[DIRS] = {1};

    for (int i = 1; i < DIRS; i++) {
        char name[32];

        snprintf(name, sizeof(name), "dir%d", i);
        dirs[i] = make_dir(f->fs, dirs[i / 2], name);
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fs = f->fs, .seed = (unsigned)i + 1};
        memcpy(workers[i].dirs, dirs, sizeof(dirs));
    }
    run_workers(workers);
    everything_agrees(f->fs);
    assert_int_equal(f->log_errors, 0);
    fixture_reopen(f);
    everything_agrees(f->fs);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
}

static void threads_in_own_directories_leave_everything_in_order(void **state)
{
    struct fixture *f = *state;
    struct worker workers[THREADS];

    for (int i = 0; i < THREADS; i++) {
        char name[32];

        workers[i] = (struct worker){.fs = f->fs, .seed = (unsigned)i + 100};
        for (int j = 0; j < DIRS; j++) {
            snprintf(name, sizeof(name), "dir%d.%d", i, j);
            workers[i].dirs[j] = make_dir(f->fs, 1, name);
        }
    }
    run_workers(workers);
    everything_agrees(f->fs);
    assert_int_equal(f->log_errors, 0);
}

/* --- Directories moved to and fro: no loop may ever form --- */

struct mover {
    struct fs *fs;
    uint64_t *dirs;
    unsigned seed;
    pthread_t thread;
};

static void *move_dirs(void *arg)
{
    struct mover *m = arg;
    char name[32];

    for (int i = 0; i < ROUNDS; i++) {
        unsigned n = (unsigned)rand_r(&m->seed) % 8;
        uint64_t to = m->dirs[rand_r(&m->seed) % 8];
        struct fs_attr up;

        snprintf(name, sizeof(name), "d%u", n);
        if (fs_lookup(m->fs, m->dirs[n], "..", &up) != 1)
            abort();
        expect(fs_rename(m->fs, up.ino, name, to, name, 0), -ENOENT, -EINVAL, 0, 0);
    }
    return NULL;
}

static void concurrent_moves_of_directories_form_no_loop(void **state)
{
    struct fixture *f = *state;
    struct mover movers[THREADS];
    uint64_t dirs[8];
    char name[32];

    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        dirs[i] = make_dir(f->fs, 1, name);
    }
    for (int i = 0; i < THREADS; i++) {
        movers[i] = (struct mover){.fs = f->fs, .dirs = dirs, .seed = (unsigned)i + 7};
        assert_int_equal(pthread_create(&movers[i].thread, NULL, move_dirs, &movers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(movers[i].thread, NULL);
    assert_int_equal(everything_agrees(f->fs), 9);
}

/* --- One name that comes and goes: a look-up sees it or not, never an error --- */

struct looker {
    struct fs *fs;
    atomic_bool stop;
};

static void *look(void *arg)
{
    struct looker *l = arg;
    struct fs_attr attr;

    while (!atomic_load(&l->stop))
        expect(fs_lookup(l->fs, 1, "comes and goes", &attr), -ENOENT, 0, 0, 0);
    return NULL;
}

static void a_look_up_never_sees_half_a_removal(void **state)
{
    struct fixture *f = *state;
    struct looker l = {.fs = f->fs};
    pthread_t thread;

    atomic_init(&l.stop, false);
    assert_int_equal(pthread_create(&thread, NULL, look, &l), 0);
    for (int i = 0; i < 3000; i++) {
        uint64_t ino = make_file(f->fs, 1, "comes and goes");

        assert_int_equal(fs_unlink(f->fs, 1, "comes and goes"), 0);
        assert_int_equal(fs_purge(f->fs, ino), 0);
    }
    atomic_store(&l.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(f->log_errors, 0);
    assert_int_equal(everything_agrees(f->fs), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(threads_in_shared_directories_leave_everything_in_order),
        FS_TEST(threads_in_own_directories_leave_everything_in_order),
        FS_TEST(concurrent_moves_of_directories_form_no_loop),
        FS_TEST(a_look_up_never_sees_half_a_removal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
