/*
 * renameat2(2): NOREPLACE, EXCHANGE and WHITEOUT.
 */
#include "posix/lib/posix.h"

static int rename2(const char *from, const char *to, unsigned flags)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static int exchange(const char *a, const char *b)
{
    return rename2(a, b, RENAME_EXCHANGE);
}

static void noreplace_takes_a_free_name_only(void **state)
{
    (void)state;
    EACH_KIND(a)
    EACH_KIND(b)
    {
        uint64_t ino;

        make("a", a->type);
        make("b", b->type);
        ino = ino_of("a");
        must_fail(EEXIST, rename2("a", "b", RENAME_NOREPLACE));
        must_fail(EEXIST, rename2("a", "a", RENAME_NOREPLACE));
        expect_eq(ino, ino_of("a"));
        remove_any("b");
        must(rename2("a", "b", RENAME_NOREPLACE));
        expect_eq(ino, ino_of("b"));
        expect(is_absent("a"));
        remove_any("b");
    }
    must_fail(ENOENT, rename2("missing", "x", RENAME_NOREPLACE));
}

static void noreplace_refuses_another_link_of_the_file(void **state)
{
    (void)state;
    make_file("a", "");
    must(link("a", "b"));
    must_fail(EEXIST, rename2("a", "b", RENAME_NOREPLACE));
    must(symlink("missing", "l"));
    must_fail(EEXIST, rename2("a", "l", RENAME_NOREPLACE));
    expect_eq(2, nlink_of("a"));
}

static void exchange_swaps_every_pair_of_types(void **state)
{
    (void)state;
    make_dir("other");
    EACH_KIND(a)
    EACH_KIND(b)
    {
        uint64_t a_ino, b_ino;

        make("a", a->type);
        make("other/b", b->type);
        a_ino = ino_of("a");
        b_ino = ino_of("other/b");
        must(exchange("a", "other/b"));
        expect_eq(b_ino, ino_of("a"));
        expect_eq(a_ino, ino_of("other/b"));
        expect_eq(b->type, mode_of("a") & S_IFMT);
        expect_eq(a->type, mode_of("other/b") & S_IFMT);
        expect_eq(2 + (a->type == S_IFDIR), nlink_of("other"));
        expect_eq(3 + (b->type == S_IFDIR), nlink_of("."));
        if (a->type == S_IFDIR)
            expect_eq(ino_of("other"), ino_of("other/b/.."));
        if (b->type == S_IFDIR)
            expect_eq(ino_of("."), ino_of("a/.."));
        remove_any("a");
        remove_any("other/b");
    }
}

static void exchange_changes_the_times_as_a_rename_does(void **state)
{
    struct statx a, b, from, to;

    (void)state;
    make_dir("from");
    make_dir("to");
    make_file("from/a", "");
    make_dir("to/b");
    a = st_of("from/a");
    b = st_of("to/b");
    from = st_of("from");
    to = mark("to");
    must(exchange("from/a", "to/b"));
    expect_changed(&a, "to/b", CTIME);
    expect_changed(&b, "from/a", CTIME);
    expect_changed(&from, "from", MTIME | CTIME);
    expect_changed(&to, "to", MTIME | CTIME);
}

static void exchange_swaps_directories_that_are_full(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/sub");
    make_file("a/sub/f", "a");
    make_dir("b");
    make_dir("b/c");
    make_file("b/c/f", "c");
    must(exchange("a", "b/c"));
    expect_contents("a/f", "c");
    expect_contents("b/c/sub/f", "a");
    expect_eq(3, nlink_of("b"));
    expect_eq(2, nlink_of("a"));
    expect_eq(3, nlink_of("b/c"));
}

static void exchange_needs_both_names(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    must_fail(ENOENT, exchange("f", "missing"));
    must_fail(ENOENT, exchange("missing", "f"));
    must_fail(ENOTDIR, exchange("f/", "d"));
    must_fail(ENOTDIR, exchange("d", "f/"));
    must(exchange("f", "d/"));
    expect_eq(S_IFDIR, mode_of("f") & S_IFMT);
}

static void exchange_makes_no_loops(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/b");
    make_dir("a/b/c");
    make_file("a/b/f", "");
    must_fail(EINVAL, exchange("a", "a/b"));
    must_fail(EINVAL, exchange("a/b", "a"));
    must_fail(EINVAL, exchange("a", "a/b/c"));
    must_fail(EINVAL, exchange("a/b/c", "a"));
    must_fail(EINVAL, exchange("a/b/f", "a"));
    must_fail(EINVAL, exchange("a", "a/b/f"));
    must_fail(EBUSY, exchange("a", "."));
    must_fail(EBUSY, exchange("..", "a"));
}

static void exchange_of_two_links_of_a_file_changes_nothing(void **state)
{
    struct statx was;

    (void)state;
    make_file("a", "x");
    must(link("a", "b"));
    was = mark("a");
    must(exchange("a", "b"));
    must(exchange("a", "a"));
    expect_changed(&was, "b", 0);
    expect_eq(2, nlink_of("a"));
}

static void exchange_follows_no_symlink(void **state)
{
    (void)state;
    make_file("f", "f");
    make_file("g", "g");
    must(symlink("g", "l"));
    must(exchange("f", "l"));
    expect_eq(S_IFLNK, mode_of("f") & S_IFMT);
    expect_contents("l", "f");
    expect_contents("f", "g");
}

static void flags_that_exclude_each_other_and_unknown_ones_are_refused(void **state)
{
    (void)state;
    make_file("a", "");
    make_file("b", "");
    must_fail(EINVAL, rename2("a", "c", RENAME_NOREPLACE | RENAME_EXCHANGE));
    must_fail(EINVAL, rename2("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
    must_fail(EINVAL, rename2("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE));
    must_fail(EINVAL, rename2("a", "b", 8));
    must_fail(EINVAL, rename2("a", "b", 1U << 31));
}

static void whiteout_leaves_a_device_0_0_behind(void **state)
{
    struct statx st;

    (void)state;
    make_file("a", "a");
    make_file("b", "b");
    must(rename2("a", "b", RENAME_WHITEOUT));
    expect_contents("b", "a");
    st = st_of("a");
    expect_eq(S_IFCHR, st.stx_mode & S_IFMT);
    expect_eq(0, st.stx_rdev_major);
    expect_eq(0, st.stx_rdev_minor);
    make_file("c", "c");
    must_fail(EEXIST, rename2("c", "b", RENAME_WHITEOUT | RENAME_NOREPLACE));
    must(rename2("c", "d", RENAME_WHITEOUT | RENAME_NOREPLACE));
    expect_eq(S_IFCHR, mode_of("c") & S_IFMT);
    must(unlink("c"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(noreplace_takes_a_free_name_only),
    POSIX_TEST(noreplace_refuses_another_link_of_the_file),
    POSIX_TEST(exchange_swaps_every_pair_of_types),
    POSIX_TEST(exchange_changes_the_times_as_a_rename_does),
    POSIX_TEST(exchange_swaps_directories_that_are_full),
    POSIX_TEST(exchange_needs_both_names),
    POSIX_TEST(exchange_makes_no_loops),
    POSIX_TEST(exchange_of_two_links_of_a_file_changes_nothing),
    POSIX_TEST(exchange_follows_no_symlink),
    POSIX_TEST(flags_that_exclude_each_other_and_unknown_ones_are_refused),
    POSIX_TEST(whiteout_leaves_a_device_0_0_behind),
};

POSIX_MAIN("rename_flags", tests)
