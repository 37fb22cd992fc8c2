/*
 * symlink(2), readlink(2), and following symlinks.
 */
#include "posix/lib/posix.h"

static void targets_are_kept_byte_for_byte(void **state)
{
    static const size_t lens[] = {1, 2, 59, 60, 61, 255, 256, 1000, 4094, 4095};
    char buf[8192];

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        must(symlink(long_name(lens[i]), "l"));
        expect_eq(lens[i], readlink("l", buf, sizeof(buf)));
        expect(memcmp(buf, long_name(lens[i]), lens[i]) == 0);
        expect_eq(lens[i], st_of("l").stx_size);
        must(unlink("l"));
    }
    must(symlink("\x01\xff \n//../.", "l"));
    expect_eq(10, readlink("l", buf, sizeof(buf)));
    expect(memcmp(buf, "\x01\xff \n//../.", 10) == 0);
}

static void a_target_has_1_to_4095_bytes(void **state)
{
    (void)state;
    must_fail(ENAMETOOLONG, symlink(long_name(4096), "l"));
    must_fail(ENAMETOOLONG, symlink(long_name(8000), "l"));
    must_fail(ENOENT, symlink("", "l"));
    expect(is_absent("l"));
}

static void a_new_symlink_is_open_to_all_whatever_the_umask(void **state)
{
    struct statx dir, st;

    (void)state;
    make_dir("d");
    dir = mark("d");
    umask(0777);
    must(symlink("x", "d/l"));
    expect_changed(&dir, "d", MTIME | CTIME);
    st = st_of("d/l");
    expect_eq(S_IFLNK | 0777, st.stx_mode);
    expect_eq(1, st.stx_nlink);
    expect_eq(1, st.stx_size);
    expect_eq(geteuid(), st.stx_uid);
    expect_eq(getegid(), st.stx_gid);
}

static void a_short_buffer_gets_the_beginning(void **state)
{
    char buf[8] = "xxxxxxx";

    (void)state;
    must(symlink("target", "l"));
    expect_eq(3, readlink("l", buf, 3));
    expect(memcmp(buf, "tarx", 4) == 0);
    expect_eq(6, readlink("l", buf, 6));
    must_fail(EINVAL, readlink("l", buf, 0));
}

static void only_symlinks_are_read(void **state)
{
    char buf[8];

    (void)state;
    EACH_KIND(k)
    {
        if (k->type == S_IFLNK)
            continue;
        make("x", k->type);
        must_fail(EINVAL, readlink("x", buf, sizeof(buf)));
        remove_any("x");
    }
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, readlink("missing", buf, sizeof(buf)));
    must_fail(ENOENT, readlink("", buf, sizeof(buf)));
    must_fail(ENOTDIR, readlink("f/x", buf, sizeof(buf)));
    must_fail(ELOOP, readlink("loop/x", buf, sizeof(buf)));
    must_fail(ENAMETOOLONG, readlink(long_name(256), buf, sizeof(buf)));
    must_fail(EBADF, readlinkat(-1, "f", buf, sizeof(buf)));
    expect_eq(4, readlink("loop", buf, sizeof(buf)));
}

static void a_symlink_is_read_by_its_descriptor(void **state)
{
    char buf[16];
    int fd;

    (void)state;
    must(symlink("target", "l"));
    fd = must(open("l", O_PATH | O_NOFOLLOW));
    expect_eq(6, readlinkat(fd, "", buf, sizeof(buf)));
    must(unlink("l"));
    expect_eq(6, readlinkat(fd, "", buf, sizeof(buf)));
    must(close(fd));
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("missing", "dangling"));
    must(symlink("loop", "loop"));
    EACH_KIND(k)
    {
        make("x", k->type);
        must_fail(EEXIST, symlink("y", "x"));
        remove_any("x");
    }
    must_fail(EEXIST, symlink("y", "dangling"));
    must_fail(EEXIST, symlink("y", "."));
    must_fail(EEXIST, symlink("y", "/"));
    must_fail(ENOENT, symlink("y", "x/"));
    must_fail(ENOENT, symlink("y", ""));
    must_fail(ENOENT, symlink("y", "missing/x"));
    must_fail(ENOTDIR, symlink("y", "f/x"));
    must_fail(ELOOP, symlink("y", "loop/x"));
    must_fail(ENAMETOOLONG, symlink("y", long_name(256)));
    must_fail(ENAMETOOLONG, symlink("y", long_name(4096)));
    must_fail(EBADF, symlinkat("y", -1, "x"));
}

static void paths_lead_through_symlinks(void **state)
{
    char path[4096];

    (void)state;
    make_dir("d");
    make_dir("d/e");
    make_file("d/f", "f");
    must(symlink("d", "l"));
    must(symlink("../f", "d/e/up"));
    expect_contents("l/f", "f");
    expect_contents("l/e/up", "f");
    expect_contents("l/e/../f", "f");
    expect(getcwd(path, sizeof(path) - 4));
    strcat(path, "/d");
    must(symlink(path, "absolute"));
    expect_contents("absolute/f", "f");
    must(symlink("l/", "slash"));
    expect_contents("slash/f", "f");
    must(symlink("d/f/", "file_slash"));
    must_fail(ENOTDIR, open("file_slash", O_RDONLY));
}

static void the_longest_target_is_followed(void **state)
{
    char target[4096];

    (void)state;
    make_file("f", "f");
    memset(target, 0, sizeof(target));
    for (size_t i = 0; i < 4094; i += 2)
        memcpy(target + i, "./", 2);
    target[4094] = 'f';
    must(symlink(target, "l"));
    expect_contents("l", "f");
}

static void forty_symlinks_in_a_row_are_followed_and_no_more(void **state)
{
    char from[16], to[16] = "f";

    (void)state;
    make_file("f", "f");
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof(from), "l%d", i);
        must(symlink(to, from));
        memcpy(to, from, sizeof(to));
    }
    expect_contents("l40", "f");
    must_fail(ELOOP, open("l41", O_RDONLY));
}

static void a_changed_symlink_leads_elsewhere_at_once(void **state)
{
    (void)state;
    make_file("a", "a");
    make_file("b", "b");
    must(symlink("a", "l"));
    expect_contents("l", "a");
    must(symlink("b", "l2"));
    must(rename("l2", "l"));
    expect_contents("l", "b");
    must(unlink("l"));
    must(symlink("a", "l"));
    expect_contents("l", "a");
}

static void attributes_of_the_symlink_are_its_own(void **state)
{
    const struct timespec times[2] = {{1, 2}, {3, 4}};
    struct statx file;

    (void)state;
    make_file("f", "");
    must(symlink("f", "l"));
    file = mark("f");
    must(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
    expect_eq(3, st_of("l").stx_mtime.tv_sec);
    expect_eq(4, st_of("l").stx_mtime.tv_nsec);
    if (is_root()) {
        must(lchown("l", UID_OWNER, GID_OTHER));
        expect_eq(UID_OWNER, st_of("l").stx_uid);
        expect_eq(GID_OTHER, st_of("l").stx_gid);
    }
    must_fail(EOPNOTSUPP, fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
    expect_eq(0777, perm_of("l"));
    expect_changed(&file, "f", 0);
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(targets_are_kept_byte_for_byte),
    POSIX_TEST(a_target_has_1_to_4095_bytes),
    POSIX_TEST(a_new_symlink_is_open_to_all_whatever_the_umask),
    POSIX_TEST(a_short_buffer_gets_the_beginning),
    POSIX_TEST(only_symlinks_are_read),
    POSIX_TEST(a_symlink_is_read_by_its_descriptor),
    POSIX_TEST(wrong_names_are_refused),
    POSIX_TEST(paths_lead_through_symlinks),
    POSIX_TEST(the_longest_target_is_followed),
    POSIX_TEST(forty_symlinks_in_a_row_are_followed_and_no_more),
    POSIX_TEST(a_changed_symlink_leads_elsewhere_at_once),
    POSIX_TEST(attributes_of_the_symlink_are_its_own),
};

POSIX_MAIN("symlink", tests)
