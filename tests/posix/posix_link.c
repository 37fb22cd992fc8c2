/*
 * link(2) and linkat(2).
 */
#include "posix/lib/posix.h"

static void a_link_shares_the_inode_of_any_type_but_a_directory(void **state)
{
    (void)state;
    make_dir("to");
    EACH_KIND(k)
    {
        make("a", k->type);
        if (k->type == S_IFDIR) {
            must_fail(EPERM, link("a", "to/b"));
            expect(is_absent("to/b"));
        } else {
            must(link("a", "to/b"));
            expect_eq(ino_of("a"), ino_of("to/b"));
            expect_eq(mode_of("a"), mode_of("to/b"));
            expect_eq(2, nlink_of("a"));
            must(unlink("to/b"));
            expect_eq(1, nlink_of("a"));
        }
        remove_any("a");
    }
}

static void linking_changes_the_ctime_of_the_file_and_both_of_the_directory(void **state)
{
    struct statx file, from, to;

    (void)state;
    make_dir("from");
    make_dir("to");
    make_file("from/f", "");
    from = st_of("from");
    to = st_of("to");
    file = mark("from/f");
    must(link("from/f", "to/l"));
    expect_changed(&file, "from/f", CTIME);
    expect_changed(&to, "to", MTIME | CTIME);
    expect_changed(&from, "from", 0);
}

static void all_links_are_equal(void **state)
{
    int fd;

    (void)state;
    make_file("a", "first");
    must(link("a", "b"));
    must(unlink("a"));
    expect_contents("b", "first");
    must(link("b", "a"));
    fd = must(open("a", O_WRONLY | O_TRUNC));
    expect_eq(6, write(fd, "second", 6));
    must(close(fd));
    expect_contents("b", "second");
    must(chmod("a", 0600));
    expect_eq(0600, perm_of("b"));
}

static void a_name_that_exists_is_refused(void **state)
{
    (void)state;
    make_file("f", "");
    EACH_KIND(k)
    {
        make("x", k->type);
        must_fail(EEXIST, link("f", "x"));
        remove_any("x");
    }
    make_dir("d");
    must_fail(EEXIST, link("f", "f"));
    must_fail(EEXIST, link("f", "."));
    must_fail(EEXIST, link("f", "d/.."));
    must_fail(EEXIST, link("f", "d/"));
    must_fail(EEXIST, link("f", "/"));
    expect_eq(1, nlink_of("f"));
}

static void a_symlink_is_followed_only_when_asked(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("f", "l"));
    must(symlink("d", "ld"));
    must(symlink("missing", "dangling"));
    must(link("l", "l2"));
    expect_eq(ino_of("l"), ino_of("l2"));
    must(linkat(AT_FDCWD, "l", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW));
    expect_eq(ino_of("f"), ino_of("f2"));
    must(link("dangling", "dangling2"));
    must_fail(ENOENT, linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    must(link("ld", "ld2"));
    must_fail(EPERM, linkat(AT_FDCWD, "ld", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    must_fail(EEXIST, link("f", "dangling"));
    expect_eq(2, nlink_of("l"));
    expect_eq(2, nlink_of("f"));
}

static void an_open_file_gets_a_name_by_its_descriptor(void **state)
{
    char path[64];
    int fd;

    (void)state;
    make_file("f", "x");
    fd = must(open("f", O_RDONLY));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must(linkat(AT_FDCWD, path, AT_FDCWD, "by_proc", AT_SYMLINK_FOLLOW));
    expect_contents("by_proc", "x");
    if (is_root()) {
        must(linkat(fd, "", AT_FDCWD, "by_fd", AT_EMPTY_PATH));
        expect_eq(3, nlink_of("by_fd"));
    }
    must(close(fd));
    must_fail(ENOENT, linkat(AT_FDCWD, "", AT_FDCWD, "x", 0));
    must_fail(EINVAL, linkat(AT_FDCWD, "f", AT_FDCWD, "x", AT_REMOVEDIR));
}

static void a_removed_file_gets_no_name_again(void **state)
{
    char path[64];
    int fd;

    (void)state;
    make_file("f", "x");
    fd = must(open("f", O_RDONLY));
    must(unlink("f"));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must_fail(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
    if (is_root())
        must_fail(ENOENT, linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
    must(close(fd));
}

static void a_removed_directory_takes_no_link(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    make_dir("d");
    fd = must(open("d", O_RDONLY | O_DIRECTORY));
    must(rmdir("d"));
    must_fail(ENOENT, linkat(AT_FDCWD, "f", fd, "x", 0));
    must(close(fd));
    expect_eq(1, nlink_of("f"));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, link("missing", "x"));
    must_fail(ENOENT, link("f", "missing/x"));
    must_fail(ENOENT, link("f", ""));
    must_fail(ENOENT, link("f", "x/"));
    must_fail(ENOTDIR, link("f/", "x"));
    must_fail(ENOTDIR, link("f/y", "x"));
    must_fail(ENOTDIR, link("f", "f/x"));
    must_fail(ELOOP, link("loop/x", "x"));
    must_fail(ELOOP, linkat(AT_FDCWD, "loop", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    must_fail(EXDEV, link("f", "/dev/shm/fluxfs_posix_link"));
    must_fail(EXDEV, link("/proc/self/status", "x"));
    must_fail(ENAMETOOLONG, link("f", long_name(256)));
    must_fail(ENAMETOOLONG, link(long_name(256), "x"));
    must_fail(ENAMETOOLONG, link("f", long_name(4096)));
    must_fail(EBADF, linkat(-1, "f", AT_FDCWD, "x", 0));
    must(link("f", long_name(255)));
    expect_eq(2, nlink_of("f"));
}

static void directories_must_be_writable_and_searchable(void **state)
{
    (void)state;
    need_root();
    make_dir("closed");
    make_dir("dark");
    make_dir("open");
    make_file("dark/f", "");
    make_file("open/f", "");
    must(chown("dark/f", UID_OWNER, GID_OWNER));
    must(chown("open/f", UID_OWNER, GID_OWNER));
    must(chmod("dark", 0766));
    must(chmod("open", 0777));
    become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, link("open/f", "closed/x"));
    must_fail(EACCES, link("open/f", "dark/x"));
    must_fail(EACCES, link("dark/f", "open/x"));
    must(link("open/f", "open/x"));
}

/* Linux, fs.protected_hardlinks: only what one may read and write, nothing that runs with rights.
 */
static void anothers_file_is_linked_only_by_who_may_write_it(void **state)
{
    char protects = '0';
    FILE *f = fopen("/proc/sys/fs/protected_hardlinks", "re");

    (void)state;
    need_root();
    if (f) {
        protects = (char)fgetc(f);
        fclose(f);
    }
    must(chmod(".", 0777));
    make_file("readable", "");
    make_file("writable", "");
    make_file("setuid", "");
    must(chmod("writable", 0666));
    must(chmod("setuid", 04777));
    make("fifo", S_IFIFO);
    must(chmod("fifo", 0666));
    become(UID_OTHER, GID_OTHER);
    must(link("writable", "l1"));
    if (protects != '1')
        return;
    must_fail(EPERM, link("readable", "l2"));
    must_fail(EPERM, link("setuid", "l3"));
    must_fail(EPERM, link("fifo", "l4"));
}

static void there_is_a_greatest_number_of_links(void **state)
{
    enum {
        EXT4_MAX = 65000
    };
    bool more;
    char name[32];

    (void)state;
    need_root();
    more = deviates("hard links");
    make_file("f", "");
    for (int i = 1; i < EXT4_MAX; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        must(link("f", name));
    }
    expect_eq(EXT4_MAX, nlink_of("f"));
    if (more) {
        must(link("f", "more"));
        expect_eq(EXT4_MAX + 1, nlink_of("f"));
    } else {
        must_fail(EMLINK, link("f", "more"));
    }
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_link_shares_the_inode_of_any_type_but_a_directory),
    POSIX_TEST(linking_changes_the_ctime_of_the_file_and_both_of_the_directory),
    POSIX_TEST(all_links_are_equal),
    POSIX_TEST(a_name_that_exists_is_refused),
    POSIX_TEST(a_symlink_is_followed_only_when_asked),
    POSIX_TEST(an_open_file_gets_a_name_by_its_descriptor),
    POSIX_TEST(a_removed_file_gets_no_name_again),
    POSIX_TEST(a_removed_directory_takes_no_link),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(directories_must_be_writable_and_searchable),
    POSIX_TEST(anothers_file_is_linked_only_by_who_may_write_it),
    POSIX_TEST(there_is_a_greatest_number_of_links),
};

POSIX_MAIN("link", tests)
