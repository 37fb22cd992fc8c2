/*
 * Renaming: each case by itself, then random renames, links and removals against a model.
 */
#include "unit/fs/fs_fixture.h"

static void a_file_moves_within_and_between_directories(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, 1, "b");
    uint64_t ino = make_file(f->fs, a, "x");
    struct fs_attr old = {.ctime = {7, 7}};

    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_CTIME, &old), 0);
    assert_int_equal(fs_rename(f->fs, a, "x", a, "y", 0), 0);
    assert_int_equal(ino_of(f->fs, a, "x"), 0);
    assert_int_equal(ino_of(f->fs, a, "y"), ino);
    assert_true(attr_of(f->fs, ino).ctime.tv_sec > 7);
    assert_int_equal(fs_rename(f->fs, a, "y", b, "z", FS_RENAME_NOREPLACE), 0);
    assert_int_equal(ino_of(f->fs, a, "y"), 0);
    assert_int_equal(ino_of(f->fs, b, "z"), ino);
    assert_int_equal(everything_agrees(f->fs), 4);
}

static void a_replaced_file_becomes_an_orphan(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_file(f->fs, 1, "a"), b = make_file(f->fs, 1, "b");
    struct fs_attr attr;

    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", 0), 0);
    assert_int_equal(ino_of(f->fs, 1, "b"), a);
    assert_true(fs_is_orphan(f->fs, b));
    assert_int_equal(attr_of(f->fs, b).nlink, 0);
    everything_agrees(f->fs);
    assert_int_equal(fs_purge(f->fs, b), 0);
    assert_int_equal(fs_getattr(f->fs, b, &attr), -ESTALE);
    assert_int_equal(everything_agrees(f->fs), 2);
}

static void a_replaced_file_with_other_names_stays(void **state)
{
    struct fixture *f = *state;
    uint64_t b = make_file(f->fs, 1, "b");
    struct fs_attr attr;

    make_file(f->fs, 1, "a");
    assert_int_equal(fs_link(f->fs, b, 1, "c", &attr), 0);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", 0), 0);
    assert_false(fs_is_orphan(f->fs, b));
    assert_int_equal(attr_of(f->fs, b).nlink, 1);
    assert_int_equal(everything_agrees(f->fs), 3);
}

static void a_directory_moves_with_its_parent_and_link_counts(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, 1, "b"), d = make_dir(f->fs, a, "d");

    make_file(f->fs, d, "inside");
    assert_int_equal(fs_rename(f->fs, a, "d", b, "e", 0), 0);
    assert_int_equal(ino_of(f->fs, d, ".."), b);
    assert_int_equal(attr_of(f->fs, a).nlink, 2);
    assert_int_equal(attr_of(f->fs, b).nlink, 3);
    everything_agrees(f->fs);
    assert_int_equal(fs_rename(f->fs, b, "e", b, "f", 0), 0);
    assert_int_equal(attr_of(f->fs, b).nlink, 3);
    assert_int_equal(everything_agrees(f->fs), 5);
}

static void a_directory_replaces_only_an_empty_one(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, 1, "b"), c = make_dir(f->fs, b, "c");

    make_file(f->fs, a, "inside");
    assert_int_equal(fs_rename(f->fs, b, "c", 1, "a", 0), -ENOTEMPTY);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", 0), -ENOTEMPTY);
    assert_int_equal(fs_rename(f->fs, b, "c", 1, "b", 0), -ENOTEMPTY); /* over its own parent */
    assert_int_equal(fs_rename(f->fs, 1, "a", b, "c", 0), 0);
    assert_true(fs_is_orphan(f->fs, c));
    assert_int_equal(attr_of(f->fs, 1).nlink, 3);
    assert_int_equal(attr_of(f->fs, b).nlink, 3);
    everything_agrees(f->fs);
    make_dir(f->fs, 1, "x");
    make_dir(f->fs, 1, "y");
    assert_int_equal(fs_rename(f->fs, 1, "x", 1, "y", 0), 0); /* in one directory */
    assert_int_equal(attr_of(f->fs, 1).nlink, 4);
    everything_agrees(f->fs);
}

static void types_must_fit(void **state)
{
    struct fixture *f = *state;

    make_dir(f->fs, 1, "dir");
    make_file(f->fs, 1, "file");
    assert_int_equal(fs_rename(f->fs, 1, "dir", 1, "file", 0), -ENOTDIR);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "dir", 0), -EISDIR);
    assert_int_equal(fs_rename(f->fs, 1, "none", 1, "dir", 0), -ENOENT);
    assert_int_equal(fs_rename(f->fs, ino_of(f->fs, 1, "file"), "x", 1, "y", 0), -ENOTDIR);
    assert_int_equal(fs_rename(f->fs, 1, "dir", ino_of(f->fs, 1, "file"), "y", 0), -ENOTDIR);
    assert_int_equal(fs_rename(f->fs, 1, "dir", 4711, "y", 0), -ESTALE);
    assert_int_equal(fs_rename(f->fs, 1, ".", 1, "y", 0), -EBUSY);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "..", 0), -EBUSY);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "..", FS_RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "y", 4), -EINVAL);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "y", FS_RENAME_EXCHANGE | FS_RENAME_NOREPLACE),
                     -EINVAL);
    assert_int_equal(everything_agrees(f->fs), 3);
}

static void a_directory_never_moves_into_itself(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, a, "b"), c = make_dir(f->fs, b, "c");

    make_dir(f->fs, c, "d");
    assert_int_equal(fs_rename(f->fs, 1, "a", a, "x", 0), -EINVAL);
    assert_int_equal(fs_rename(f->fs, 1, "a", c, "x", 0), -EINVAL);
    assert_int_equal(fs_rename(f->fs, 1, "a", c, "d", 0), -EINVAL);
    assert_int_equal(fs_rename(f->fs, 1, "a", b, "c", FS_RENAME_EXCHANGE), -EINVAL);
    assert_int_equal(fs_rename(f->fs, b, "c", 1, "a", FS_RENAME_EXCHANGE), -EINVAL);
    assert_int_equal(fs_rename(f->fs, b, "c", 1, "z", 0), 0); /* upwards is fine */
    assert_int_equal(everything_agrees(f->fs), 5);
}

static void two_names_of_one_inode_stay(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "a");
    struct fs_attr attr;

    assert_int_equal(fs_link(f->fs, ino, 1, "b", &attr), 0);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", 0), 0);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "a", 0), 0);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", FS_RENAME_EXCHANGE), 0);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", FS_RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(ino_of(f->fs, 1, "a"), ino);
    assert_int_equal(ino_of(f->fs, 1, "b"), ino);
    assert_int_equal(attr_of(f->fs, ino).nlink, 2);
    everything_agrees(f->fs);
}

static void noreplace_replaces_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t b = make_file(f->fs, 1, "b");

    make_file(f->fs, 1, "a");
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", FS_RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(ino_of(f->fs, 1, "b"), b);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "c", FS_RENAME_NOREPLACE), 0);
    everything_agrees(f->fs);
}

static void exchange_swaps_anything_with_anything(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, 1, "b");
    uint64_t dir = make_dir(f->fs, a, "x"), file = make_file(f->fs, b, "y"), sub;

    sub = make_dir(f->fs, dir, "sub");
    assert_int_equal(fs_rename(f->fs, a, "x", b, "y", FS_RENAME_EXCHANGE), 0);
    assert_int_equal(ino_of(f->fs, a, "x"), file);
    assert_int_equal(ino_of(f->fs, b, "y"), dir);
    assert_int_equal(ino_of(f->fs, dir, ".."), b);
    assert_int_equal(ino_of(f->fs, dir, "sub"), sub);
    assert_int_equal(attr_of(f->fs, a).nlink, 2);
    assert_int_equal(attr_of(f->fs, b).nlink, 3);
    everything_agrees(f->fs);
    assert_int_equal(fs_rename(f->fs, a, "x", b, "y", FS_RENAME_EXCHANGE), 0); /* and back */
    assert_int_equal(ino_of(f->fs, a, "x"), dir);
    everything_agrees(f->fs);
    assert_int_equal(fs_rename(f->fs, 1, "a", 1, "b", FS_RENAME_EXCHANGE), 0); /* two directories */
    assert_int_equal(ino_of(f->fs, 1, "a"), b);
    assert_int_equal(fs_rename(f->fs, b, "y", 1, "none", FS_RENAME_EXCHANGE), -ENOENT);
    assert_int_equal(fs_rename(f->fs, 1, "none", b, "y", FS_RENAME_EXCHANGE), -ENOENT);
    assert_int_equal(everything_agrees(f->fs), 6);
}

/* --- The model: a table of nodes, each with a table of names --- */

enum {
    NODES = 400,
    NAMES = 8,
    STEPS = 20000
};

struct node {
    uint64_t ino; /* 0: unused */
    bool dir;
    int names[NAMES]; /* of a directory: index of the node behind each name; -1 none */
    int nlink, parent;
};

struct model {
    struct node nodes[NODES];
    unsigned seed;
};

static const char *const name_table[NAMES] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static int below(struct model *m, int n)
{
    return rand_r(&m->seed) % n;
}

static bool node_empty(const struct node *n)
{
    for (int i = 0; i < NAMES; i++)
        if (n->names[i] >= 0)
            return false;
    return true;
}

/* Some living directory. */
static int pick_dir(struct model *m)
{
    for (;;) {
        int i = below(m, NODES);

        if (m->nodes[i].ino && m->nodes[i].dir && (m->nodes[i].nlink || i == 0))
            return i;
        if (below(m, 4) == 0)
            return 0;
    }
}

static bool model_is_below(const struct model *m, int node, int top)
{
    for (;; node = m->nodes[node].parent) {
        if (node == top)
            return true;
        if (node == 0)
            return false;
    }
}

static int model_rename(struct model *m, int from, int name, int to, int new_name, unsigned flags)
{
    int src = m->nodes[from].names[name], dst = m->nodes[to].names[new_name];
    bool exchange = flags & FS_RENAME_EXCHANGE;

    if (src < 0)
        return -ENOENT;
    if (exchange && dst < 0)
        return -ENOENT;
    if (dst >= 0 && flags & FS_RENAME_NOREPLACE)
        return -EEXIST;
    if (src == dst)
        return 0;
    if (m->nodes[src].dir && model_is_below(m, to, src))
        return -EINVAL;
    if (exchange && m->nodes[dst].dir && model_is_below(m, from, dst))
        return -EINVAL;
    if (dst >= 0 && !exchange) {
        if (m->nodes[dst].dir && !m->nodes[src].dir)
            return -EISDIR;
        if (m->nodes[dst].dir && !node_empty(&m->nodes[dst]))
            return -ENOTEMPTY;
        if (!m->nodes[dst].dir && m->nodes[src].dir)
            return -ENOTDIR;
        m->nodes[dst].nlink--;
    }
    m->nodes[from].names[name] = exchange ? dst : -1;
    m->nodes[to].names[new_name] = src;
    m->nodes[src].parent = to;
    if (exchange)
        m->nodes[dst].parent = from;
    return 0;
}

static int model_remove(struct model *m, int dir, int name, bool want_dir)
{
    int node = m->nodes[dir].names[name];

    if (node < 0)
        return -ENOENT;
    if (m->nodes[node].dir != want_dir)
        return want_dir ? -ENOTDIR : -EISDIR;
    if (want_dir && !node_empty(&m->nodes[node]))
        return -ENOTEMPTY;
    m->nodes[dir].names[name] = -1;
    m->nodes[node].nlink--;
    return 0;
}

static int free_node(struct model *m)
{
    for (int i = 1; i < NODES; i++)
        if (!m->nodes[i].ino)
            return i;
    return -1;
}

static int step_make(struct fs *fs, struct model *m, int dir, int name)
{
    int n = free_node(m), expected = m->nodes[dir].names[name] >= 0 ? -EEXIST : 0, err;
    bool is_dir = below(m, 2);
    struct fs_attr a;

    if (n < 0)
        return 0;
    err = fs_mknod(fs, m->nodes[dir].ino, name_table[name], is_dir ? S_IFDIR : S_IFREG, 0, &cred0,
                   &a);
    assert_int_equal(err, expected);
    if (err)
        return err;
    m->nodes[n] = (struct node){.ino = a.ino, .dir = is_dir, .nlink = 1, .parent = dir};
    memset(m->nodes[n].names, 0xff, sizeof(m->nodes[n].names));
    m->nodes[dir].names[name] = n;
    return 0;
}

static void step_link(struct fs *fs, struct model *m, int dir, int name)
{
    int from = pick_dir(m), n = m->nodes[from].names[below(m, NAMES)], expected = 0;
    struct fs_attr a;

    if (n < 0)
        return;
    if (m->nodes[n].dir)
        expected = -EPERM;
    else if (m->nodes[dir].names[name] >= 0)
        expected = -EEXIST;
    assert_int_equal(fs_link(fs, m->nodes[n].ino, m->nodes[dir].ino, name_table[name], &a),
                     expected);
    if (expected)
        return;
    m->nodes[dir].names[name] = n;
    m->nodes[n].nlink++;
}

static void step(struct fs *fs, struct model *m)
{
    int dir = pick_dir(m), name = below(m, NAMES), kind = below(m, 10);
    int to = pick_dir(m), new_name = below(m, NAMES);
    unsigned flags = (unsigned)below(m, 3);

    if (kind < 3) {
        step_make(fs, m, dir, name);
    } else if (kind < 4) {
        step_link(fs, m, dir, name);
    } else if (kind < 5) {
        bool want_dir = below(m, 2);
        int expected = model_remove(m, dir, name, want_dir);
        uint64_t ino = m->nodes[dir].ino;

        assert_int_equal(want_dir ? fs_rmdir(fs, ino, name_table[name])
                                  : fs_unlink(fs, ino, name_table[name]),
                         expected);
    } else {
        uint64_t ino = m->nodes[dir].ino, new_ino = m->nodes[to].ino;
        int expected = model_rename(m, dir, name, to, new_name, flags);

        assert_int_equal(fs_rename(fs, ino, name_table[name], new_ino, name_table[new_name], flags),
                         expected);
    }
}

/* Forget nodes without names; purge most of them. */
static void model_sweep(struct fs *fs, struct model *m)
{
    for (int i = 1; i < NODES; i++) {
        if (!m->nodes[i].ino || m->nodes[i].nlink)
            continue;
        assert_true(fs_is_orphan(fs, m->nodes[i].ino));
        if (below(m, 4))
            assert_int_equal(fs_purge(fs, m->nodes[i].ino), 0);
        m->nodes[i].ino = 0;
    }
}

static void model_compare(struct fs *fs, const struct model *m)
{
    for (int i = 0; i < NODES; i++) {
        const struct node *n = &m->nodes[i];

        if (!n->ino || (!n->nlink && i))
            continue;
        if (!n->dir) {
            assert_int_equal(attr_of(fs, n->ino).nlink, n->nlink);
            continue;
        }
        for (int j = 0; j < NAMES; j++)
            assert_int_equal(ino_of(fs, n->ino, name_table[j]),
                             n->names[j] < 0 ? 0 : m->nodes[n->names[j]].ino);
        assert_int_equal(ino_of(fs, n->ino, ".."), m->nodes[n->parent].ino);
    }
}

static void random_changes_agree_with_a_model(void **state)
{
    struct fixture *f = *state;
    static struct model m;

    memset(&m, 0, sizeof(m));
    m.seed = 4711;
    print_message("seed %u\n", m.seed);
    m.nodes[0] = (struct node){.ino = 1, .dir = true};
    memset(m.nodes[0].names, 0xff, sizeof(m.nodes[0].names));
    for (int i = 1; i <= STEPS; i++) {
        step(f->fs, &m);
        if (i % 50 == 0)
            model_sweep(f->fs, &m);
        if (i % 500 == 0) {
            model_compare(f->fs, &m);
            everything_agrees(f->fs);
        }
        if (i % 5000 == 0)
            fixture_reopen(f);
        /* What the reopening purged the model must not expect to be there. */
        if (i % 5000 == 0)
            for (int j = 1; j < NODES; j++)
                if (!m.nodes[j].nlink)
                    m.nodes[j].ino = 0;
    }
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
}

static void a_loop_of_parents_in_a_damaged_store_ends_the_walk(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, a, "b");
    struct inode in;
    struct lsm_batch *batch;

    make_dir(f->fs, 1, "c");
    assert_int_equal(inode_get(f->fs, a, &in), 0);
    in.parent = b;
    assert_int_equal(lsm_batch_new(&batch), 0);
    assert_int_equal(inode_put(batch, &in), 0);
    assert_int_equal(fs_commit(f->fs, batch, false), 0);
    assert_int_equal(fs_rename(f->fs, 1, "c", b, "x", 0), -ERR_INODE_RECORD);
    assert_int_equal(f->log_errors, 1);
}

static void a_whiteout_takes_the_old_name(void **state)
{
    struct fixture *f = *state;
    struct fs_cred cred = {.uid = 7, .gid = 8, .umask = 0777};
    uint64_t a = make(f->fs, 1, "a", S_IFDIR | 02755), b = make_dir(f->fs, 1, "b");
    uint64_t x = make_file(f->fs, a, "x"), d = make_dir(f->fs, a, "d");
    struct fs_attr w;

    assert_int_equal(fs_rename_whiteout(f->fs, a, "x", b, "y", 0, &cred), 0);
    assert_int_equal(ino_of(f->fs, b, "y"), x);
    assert_int_equal(fs_lookup(f->fs, a, "x", &w), 1);
    assert_int_equal(w.mode, S_IFCHR);
    assert_int_equal(w.rdev, 0);
    assert_int_equal(w.nlink, 1);
    assert_int_equal(w.uid, 7);
    assert_int_equal(w.gid, 1000); /* the directory hands on its group */
    assert_int_equal(fs_rename_whiteout(f->fs, a, "d", a, "e", FS_RENAME_NOREPLACE, &cred), 0);
    assert_int_equal(ino_of(f->fs, a, "e"), d);
    assert_int_equal(attr_of(f->fs, a).nlink, 3);
    assert_int_equal(fs_lookup(f->fs, a, "d", &w), 1);
    assert_int_equal(w.mode, S_IFCHR);
    /* Over another whiteout, and of one. */
    assert_int_equal(fs_rename_whiteout(f->fs, a, "x", a, "d", 0, &cred), 0);
    assert_int_equal(fs_rename_whiteout(f->fs, a, "d", b, "z", 0, &cred), 0);
    everything_agrees(f->fs);
    fixture_reopen(f);
    assert_int_equal(everything_agrees(f->fs), 8);
}

static void a_whiteout_is_refused_where_a_rename_is(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), x = make_file(f->fs, 1, "x");
    struct fs_attr attr;

    assert_int_equal(fs_link(f->fs, x, 1, "same", &attr), 0);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "x", 1, "a", FS_RENAME_NOREPLACE, &cred0),
                     -EEXIST);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "x", 1, "a", 0, &cred0), -EISDIR);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "x", 1, "y", FS_RENAME_EXCHANGE, &cred0),
                     -EINVAL);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "a", a, "b", 0, &cred0), -EINVAL);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "none", 1, "y", 0, &cred0), -ENOENT);
    assert_int_equal(fs_rename_whiteout(f->fs, 1, "x", 1, "same", 0, &cred0), 0);
    assert_int_equal(ino_of(f->fs, 1, "x"), x);
    assert_int_equal(everything_agrees(f->fs), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(a_file_moves_within_and_between_directories),
        FS_TEST(a_replaced_file_becomes_an_orphan),
        FS_TEST(a_replaced_file_with_other_names_stays),
        FS_TEST(a_directory_moves_with_its_parent_and_link_counts),
        FS_TEST(a_directory_replaces_only_an_empty_one),
        FS_TEST(types_must_fit),
        FS_TEST(a_directory_never_moves_into_itself),
        FS_TEST(two_names_of_one_inode_stay),
        FS_TEST(noreplace_replaces_nothing),
        FS_TEST(exchange_swaps_anything_with_anything),
        FS_TEST(a_whiteout_takes_the_old_name),
        FS_TEST(a_whiteout_is_refused_where_a_rename_is),
        FS_TEST(random_changes_agree_with_a_model),
        FS_TEST(a_loop_of_parents_in_a_damaged_store_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
