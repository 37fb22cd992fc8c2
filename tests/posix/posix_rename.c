/*
 * rename(2): what is moved, what is replaced, what is refused, and which times and link counts
 * change. The flags are in posix_rename_flags.c, who may do it in posix_rename_rights.c.
 */
#include "posix/lib/posix.h"

static void renaming_moves_every_type(void **state)
{
    (void)state;
    make_dir("to");
    EACH_KIND(k)
    {
        struct statx was, is;

        make("from", k->type);
        was = mark("from");
        must(rename("from", "to/moved"));
        expect(is_absent("from"));
        is = st_of("to/moved");
        expect_eq(was.stx_ino, is.stx_ino);
        expect_eq(was.stx_mode, is.stx_mode);
        expect_eq(was.stx_nlink, is.stx_nlink);
        expect_eq(was.stx_rdev_major, is.stx_rdev_major);
        expect_eq(was.stx_rdev_minor, is.stx_rdev_minor);
        remove_any("to/moved");
    }
}

static void renaming_changes_the_ctime_of_what_is_moved_and_both_times_of_directories(void **state)
{
    (void)state;
    make_dir("from");
    make_dir("to");
    EACH_KIND(k)
    {
        struct statx moved, from, to;

        make("from/a", k->type);
        mark("from/a");
        from = mark("from");
        moved = st_of("from/a");
        must(rename("from/a", "from/b"));
        expect_changed(&moved, "from/b", CTIME);
        expect_changed(&from, "from", MTIME | CTIME);

        from = st_of("from");
        to = st_of("to");
        moved = mark("from/b");
        must(rename("from/b", "to/b"));
        expect_changed(&moved, "to/b", CTIME);
        expect_changed(&from, "from", MTIME | CTIME);
        expect_changed(&to, "to", MTIME | CTIME);
        remove_any("to/b");
    }
}

static void replacing_depends_on_the_types(void **state)
{
    (void)state;
    EACH_KIND(a)
    EACH_KIND(b)
    {
        uint64_t ino;

        make("a", a->type);
        make("b", b->type);
        ino = ino_of("a");
        if (a->type != S_IFDIR && b->type == S_IFDIR) {
            must_fail(EISDIR, rename("a", "b"));
        } else if (a->type == S_IFDIR && b->type != S_IFDIR) {
            must_fail(ENOTDIR, rename("a", "b"));
        } else {
            must(rename("a", "b"));
            expect(is_absent("a"));
            expect_eq(ino, ino_of("b"));
            expect_eq(a->type, mode_of("b") & S_IFMT);
            remove_any("b");
            continue;
        }
        expect_eq(ino, ino_of("a"));
        expect_eq(b->type, mode_of("b") & S_IFMT);
        remove_any("a");
        remove_any("b");
    }
}

static void what_is_replaced_loses_one_link(void **state)
{
    struct statx was;

    (void)state;
    make_file("new", "new");
    make_file("old", "old");
    must(link("old", "other"));
    was = mark("other");
    expect_eq(2, was.stx_nlink);
    must(rename("new", "old"));
    expect_eq(1, nlink_of("other"));
    expect_changed(&was, "other", CTIME);
    expect_contents("other", "old");
    expect_contents("old", "new");
}

static void what_is_replaced_lives_on_while_it_is_open(void **state)
{
    struct stat st;
    char buf[8];
    int fd;

    (void)state;
    make_file("new", "new");
    make_file("old", "old");
    fd = must(open("old", O_RDWR));
    must(rename("new", "old"));
    must(fstat(fd, &st));
    expect_eq(0, st.st_nlink);
    expect_eq(3, pread(fd, buf, sizeof(buf), 0));
    expect_eq(4, pwrite(fd, "more", 4, 3));
    expect_eq(7, pread(fd, buf, sizeof(buf), 0));
    must(close(fd));
    expect_contents("old", "new");
}

static void what_is_moved_stays_open(void **state)
{
    struct stat st;
    int fd;

    (void)state;
    make_file("a", "");
    fd = must(open("a", O_RDWR));
    must(rename("a", "b"));
    expect_eq(5, write(fd, "later", 5));
    must(fstat(fd, &st));
    expect_eq(ino_of("b"), st.st_ino);
    expect_eq(1, st.st_nlink);
    must(close(fd));
    expect_contents("b", "later");
}

static void onto_another_link_of_itself_nothing_happens(void **state)
{
    struct statx dir, was;

    (void)state;
    make_file("a", "x");
    must(link("a", "b"));
    dir = st_of(".");
    was = mark("a");
    must(rename("a", "b"));
    must(rename("a", "a"));
    expect_eq(was.stx_ino, ino_of("b"));
    expect_eq(2, nlink_of("a"));
    expect_changed(&was, "a", 0);
    expect_changed(&dir, ".", 0);
}

static void a_directory_onto_itself_stays(void **state)
{
    (void)state;
    make_dir("d");
    make_dir("d/sub");
    must(rename("d", "d"));
    must(rename("d/", "d/"));
    expect_eq(3, nlink_of("d"));
}

static void a_directory_replaces_only_an_empty_one(void **state)
{
    uint64_t ino;

    (void)state;
    make_dir("a");
    make_dir("a/sub");
    make_dir("b");
    make_file("b/file", "");
    must_fail(ENOTEMPTY, rename("a", "b"));
    must(unlink("b/file"));
    make_dir("b/dir");
    must_fail(ENOTEMPTY, rename("a", "b"));
    must(rmdir("b/dir"));
    ino = ino_of("a");
    must(rename("a", "b"));
    expect_eq(ino, ino_of("b"));
    expect_eq(3, nlink_of("b"));
    expect_eq(3, nlink_of("."));
}

static void a_replaced_directory_that_is_in_use_takes_no_names(void **state)
{
    struct stat st;
    int fd;

    (void)state;
    make_dir("a");
    make_dir("b");
    fd = must(open("b", O_RDONLY | O_DIRECTORY));
    must(rename("a", "b"));
    must(fstat(fd, &st));
    expect_eq(0, st.st_nlink);
    must_fail(ENOENT, openat(fd, "x", O_WRONLY | O_CREAT, 0644));
    must_fail(ENOENT, mkdirat(fd, "x", 0755));
    must_fail(ENOENT, renameat(AT_FDCWD, "b", fd, "x"));
    must(close(fd));
}

static void link_counts_follow_a_directory(void **state)
{
    (void)state;
    make_dir("from");
    make_dir("to");
    make_dir("from/d");
    expect_eq(3, nlink_of("from"));
    must(rename("from/d", "to/d"));
    expect_eq(2, nlink_of("from"));
    expect_eq(3, nlink_of("to"));
    make_dir("from/d");
    must(rename("from/d", "to/d"));
    expect_eq(2, nlink_of("from"));
    expect_eq(3, nlink_of("to"));
    expect_eq(2, nlink_of("to/d"));
}

static void dot_dot_follows_a_directory(void **state)
{
    int fd;

    (void)state;
    make_dir("from");
    make_dir("to");
    make_dir("from/d");
    fd = must(open("from/d", O_RDONLY | O_DIRECTORY));
    must(rename("from/d", "to/e"));
    expect_eq(ino_of("to"), ino_of("to/e/.."));
    must(fchdir(fd));
    must(close(fd));
    make_file("../beside", "");
    expect(!is_absent("../../to/beside"));
}

static void a_directory_does_not_go_into_itself(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/b");
    make_dir("a/b/c");
    must_fail(EINVAL, rename("a", "a/x"));
    must_fail(EINVAL, rename("a", "a/b"));
    must_fail(EINVAL, rename("a", "a/b/c"));
    must_fail(EINVAL, rename("a/b", "a/b/c/x"));
    must_fail(ENOTEMPTY, rename("a/b", "a"));
    must_fail(ENOTEMPTY, rename("a/b/c", "a"));
    make_file("a/b/f", "");
    must_fail(ENOTEMPTY, rename("a/b/f", "a"));
    must(rename("a/b/c", "c"));
    must(rename("a", "c/a"));
    expect_eq(3, nlink_of("c"));
}

static void the_dots_are_busy(void **state)
{
    (void)state;
    make_dir("d");
    make_dir("d/e");
    must_fail(EBUSY, rename(".", "x"));
    must_fail(EBUSY, rename("..", "x"));
    must_fail(EBUSY, rename("d/.", "x"));
    must_fail(EBUSY, rename("d/e/..", "x"));
    must_fail(EBUSY, rename("d", "."));
    must_fail(EBUSY, rename("d/e", "d/.."));
    must_fail(EBUSY, rename("d/e", "d/."));
    must_fail(EEXIST, renameat2(AT_FDCWD, "d", AT_FDCWD, ".", RENAME_NOREPLACE));
    must_fail(EBUSY, renameat2(AT_FDCWD, ".", AT_FDCWD, "x", RENAME_NOREPLACE));
}

static void a_trailing_slash_asks_for_a_directory(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("d", "l"));
    must_fail(ENOTDIR, rename("f/", "x"));
    must_fail(ENOTDIR, rename("f", "x/"));
    must_fail(ENOTDIR, rename("l/", "x"));
    must_fail(ENOTDIR, rename("l", "x/"));
    must_fail(ENOTDIR, rename("d", "l/"));
    must_fail(ENOENT, rename("missing/", "x"));
    must(rename("d/", "e/"));
    must(rename("e", "d///"));
    expect_eq(S_IFDIR, mode_of("d") & S_IFMT);
    expect(is_absent("e"));
}

static void a_symlink_is_not_followed(void **state)
{
    (void)state;
    make_file("f", "f");
    must(symlink("f", "l"));
    must(rename("l", "m"));
    expect_eq(S_IFLNK, mode_of("m") & S_IFMT);
    make_file("g", "g");
    must(rename("g", "m"));
    expect_contents("m", "g");
    expect_contents("f", "f");
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, rename("missing", "x"));
    must_fail(ENOENT, rename("missing", "f"));
    must_fail(ENOENT, rename("f", "missing/x"));
    must_fail(ENOENT, rename("missing/f", "x"));
    must_fail(ENOENT, rename("", "x"));
    must_fail(ENOENT, rename("f", ""));
    must_fail(ENOTDIR, rename("f/x", "x"));
    must_fail(ENOTDIR, rename("d", "f/x"));
    must_fail(ELOOP, rename("loop/x", "x"));
    must_fail(ELOOP, rename("f", "loop/x"));
    must_fail(EXDEV, rename("f", "/proc/posix_rename"));
    must_fail(ENAMETOOLONG, rename("f", long_name(256)));
    must_fail(ENAMETOOLONG, rename(long_name(256), "x"));
    must_fail(ENAMETOOLONG, rename("f", long_name(4096)));
    must_fail(EBADF, renameat(-1, "f", AT_FDCWD, "x"));
    expect(!is_absent("f"));
}

static void descriptors_of_directories_are_followed(void **state)
{
    int from, to, file;

    (void)state;
    make_dir("from");
    make_dir("to");
    make_file("from/f", "x");
    from = must(open("from", O_RDONLY | O_DIRECTORY));
    to = must(open("to", O_PATH));
    file = must(open("from/f", O_RDONLY));
    must_fail(ENOTDIR, renameat(file, "f", to, "f"));
    must(renameat(from, "f", to, "g"));
    expect_contents("to/g", "x");
    must(close(from));
    must(close(to));
    must(close(file));
}

static void names_are_taken_as_they_are(void **state)
{
    (void)state;
    make_file("a", "1");
    must(rename("a", "A"));
    expect(is_absent("a"));
    must(rename("A", long_name(255)));
    must(rename(long_name(255), "a\xff\n\x01"));
    expect_contents("a\xff\n\x01", "1");
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(renaming_moves_every_type),
    POSIX_TEST(renaming_changes_the_ctime_of_what_is_moved_and_both_times_of_directories),
    POSIX_TEST(replacing_depends_on_the_types),
    POSIX_TEST(what_is_replaced_loses_one_link),
    POSIX_TEST(what_is_replaced_lives_on_while_it_is_open),
    POSIX_TEST(what_is_moved_stays_open),
    POSIX_TEST(onto_another_link_of_itself_nothing_happens),
    POSIX_TEST(a_directory_onto_itself_stays),
    POSIX_TEST(a_directory_replaces_only_an_empty_one),
    POSIX_TEST(a_replaced_directory_that_is_in_use_takes_no_names),
    POSIX_TEST(link_counts_follow_a_directory),
    POSIX_TEST(dot_dot_follows_a_directory),
    POSIX_TEST(a_directory_does_not_go_into_itself),
    POSIX_TEST(the_dots_are_busy),
    POSIX_TEST(a_trailing_slash_asks_for_a_directory),
    POSIX_TEST(a_symlink_is_not_followed),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(descriptors_of_directories_are_followed),
    POSIX_TEST(names_are_taken_as_they_are),
};

POSIX_MAIN("rename", tests)
