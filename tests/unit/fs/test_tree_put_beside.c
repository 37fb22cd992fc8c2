/*
 * Putting trees while others change the same directories.
 */
#include <pthread.h>

#include "lib/rng.h"
#include "unit/fs/put_fixture.h"

/* Somebody takes a name after it was found free: the commit finds out. */
static void a_name_that_was_taken_meanwhile_is_looked_at_again(void **state)
{
    struct put_test *t = *state;
    uint64_t dir = make_dir(t->file.fs, FS_ROOT_INO, "dir");

    put_file(t, "dir/a", "mine");
    put_file(t, "dir/b", "mine");
    put_plain(t, "dir/c", S_IFDIR | 0755);
    put_file(t, "dir/c/x", "mine");
    make_file(t->file.fs, dir, "a");
    make_file(t->file.fs, make_dir(t->file.fs, dir, "c"), "theirs");
    assert_text(t, "dir/a", "mine");
    assert_text(t, "dir/b", "mine");
    assert_int_equal(t->refused, 2); /* dir/c, and what was to be in it */
    assert_int_not_equal(find(t, "dir/c/theirs"), 0);
    assert_int_equal(find(t, "dir/c/x"), 0);
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
    /* And the directory itself goes. */
    put_close(t);
    put_open(t, make_dir(t->file.fs, FS_ROOT_INO, "gone"), false);
    t->refused = 0;
    put_file(t, "x", "x");
    assert_int_equal(fs_rmdir(t->file.fs, FS_ROOT_INO, "gone"), 0);
    assert_int_equal(tree_put_commit(t->put), 0);
    put_file(t, "y", "y");
    assert_int_equal(tree_put_commit(t->put), 0);
    assert_int_equal(t->refused, 2);
    assert_int_equal(t->last_err, -ENOENT);
    assert_int_equal(fs_purge(t->file.fs, t->options.dir), 0);
}

struct storm {
    struct fs *fs;
    uint64_t seed;
};

static void ignore(void *arg, const char *path, int err, const char *text)
{
    (void)arg;
    (void)path;
    (void)err;
    (void)text;
}

static void storm_put(struct tree_put *put, struct rng *rng)
{
    static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFDIR, S_IFIFO, S_IFLNK};
    char path[30], other[30];
    struct tree_entry e;
    uint32_t type = types[rng_below(rng, 5)];

    snprintf(path, sizeof(path), "%d/%d", (int)rng_below(rng, 4), (int)rng_below(rng, 6));
    snprintf(other, sizeof(other), "%d/%d", (int)rng_below(rng, 4), (int)rng_below(rng, 6));
    e = entry_of(rng_below(rng, 5) ? path : other + 2, type | 0755);
    e.hard_link = !rng_below(rng, 5);
    e.link = e.hard_link || type == S_IFLNK ? other : NULL;
    assert_int_equal(tree_put_begin(put, &e), 0);
    if (type == S_IFREG && !e.hard_link)
        assert_int_equal(tree_put_data(put, rng_below(rng, 9000), "contents", 8), 0);
    assert_int_equal(tree_put_end(put, type == S_IFREG && !e.hard_link ? 20000 : 0), 0);
    if (!rng_below(rng, 20))
        assert_int_equal(tree_put_commit(put), 0);
}

static void *storm_puts(void *arg)
{
    struct storm *s = arg;
    struct tree_put_options o = {.dir = FS_ROOT_INO, .refused = ignore};
    struct tree_put *put;
    struct rng rng;

    rng.state = rng_seed(s->seed);
    assert_int_equal(tree_put_new(s->fs, &o, &put), 0);
    for (int i = 0; i < 1500; i++)
        storm_put(put, &rng);
    assert_int_equal(tree_put_commit(put), 0);
    tree_put_free(put);
    return NULL;
}

static void *storm_changes(void *arg)
{
    struct storm *s = arg;
    struct rng rng;

    rng.state = rng_seed(s->seed);
    for (int i = 0; i < 3000; i++) {
        char name[8], to[8];
        struct fs_attr dir, new_dir;

        snprintf(name, sizeof(name), "%d", (int)rng_below(&rng, 4));
        snprintf(to, sizeof(to), "%d", (int)rng_below(&rng, 6));
        if (fs_lookup(s->fs, FS_ROOT_INO, name, &dir) < 0)
            dir.ino = FS_ROOT_INO;
        snprintf(name, sizeof(name), "%d", (int)rng_below(&rng, 6));
        if (fs_lookup(s->fs, FS_ROOT_INO, to, &new_dir) < 0)
            new_dir.ino = FS_ROOT_INO;
        switch (rng_below(&rng, 4)) {
        case 0:
            fs_unlink(s->fs, dir.ino, name);
            break;
        case 1:
            fs_rmdir(s->fs, dir.ino, name);
            break;
        case 2:
            fs_rename(s->fs, dir.ino, name, new_dir.ino, to, 0);
            break;
        default:
            fs_mknod(s->fs, dir.ino, name, S_IFREG | 0644, 0, &cred0, NULL);
        }
    }
    return NULL;
}

static void puts_and_other_changes_side_by_side_agree(void **state)
{
    struct put_test *t = *state;
    struct storm storms[4];
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++) {
        storms[i] = (struct storm){t->file.fs, i + 1};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < 2 ? storm_puts : storm_changes, &storms[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    everything_agrees(t->file.fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUT_TEST(a_name_that_was_taken_meanwhile_is_looked_at_again),
        PUT_TEST(puts_and_other_changes_side_by_side_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
