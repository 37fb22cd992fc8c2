/*
 * unlink(2), unlinkat(2) and remove(3) of what is no directory; what is open lives on.
 */
#include "posix/lib/posix.h"

#include <sys/socket.h>
#include <sys/un.h>

static void every_type_but_a_directory_is_removed(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("a", k->type);
        if (k->type == S_IFDIR) {
            must_fail(EISDIR, unlink("a"));
            must(unlinkat(AT_FDCWD, "a", AT_REMOVEDIR));
        } else {
            must_fail(ENOTDIR, unlinkat(AT_FDCWD, "a", AT_REMOVEDIR));
            must(unlink("a"));
        }
        expect(is_absent("a"));
        must_fail(ENOENT, unlink("a"));
    }
}

static void removing_changes_both_times_of_the_directory_and_the_ctime_of_other_links(void **state)
{
    struct statx dir, file;

    (void)state;
    make_dir("d");
    make_file("d/a", "");
    must(link("d/a", "b"));
    dir = st_of("d");
    file = mark("b");
    must(unlink("d/a"));
    expect_changed(&dir, "d", MTIME | CTIME);
    expect_changed(&file, "b", CTIME);
    expect_eq(1, nlink_of("b"));
}

static void an_open_file_lives_on_without_a_name(void **state)
{
    struct stat st;
    char buf[16];
    int fd;

    (void)state;
    make_file("f", "before");
    fd = must(open("f", O_RDWR));
    must(unlink("f"));
    expect(is_absent("f"));
    must(fstat(fd, &st));
    expect_eq(0, st.st_nlink);
    expect_eq(6, st.st_size);
    expect_eq(6, pread(fd, buf, sizeof(buf), 0));
    expect_eq(5, pwrite(fd, "after", 5, 6));
    must(ftruncate(fd, 8));
    must(fchmod(fd, 0600));
    must(fsync(fd));
    expect_eq(8, pread(fd, buf, sizeof(buf), 0));
    expect(memcmp(buf, "beforeaf", 8) == 0);
    must(fstat(fd, &st));
    expect_eq(8, st.st_size);
    expect_eq(0600, st.st_mode & 07777);
    make_file("f", "new");
    expect_eq(8, pread(fd, buf, sizeof(buf), 0));
    must(close(fd));
    expect_contents("f", "new");
}

static void many_open_files_live_on_without_names(void **state)
{
    enum {
        COUNT = 200
    };
    int fds[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = must(open("f", O_RDWR | O_CREAT | O_EXCL, 0600));
        expect_eq(sizeof(i), write(fds[i], &i, sizeof(i)));
        must(unlink("f"));
    }
    for (int i = 0; i < COUNT; i++) {
        int found = -1;

        expect_eq(sizeof(found), pread(fds[i], &found, sizeof(found), 0));
        expect_eq(i, found);
        must(close(fds[i]));
    }
}

static void open_pipes_and_sockets_outlive_their_names(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "s"};
    int fifo, listener, client;
    char c;

    (void)state;
    make("p", S_IFIFO);
    fifo = must(open("p", O_RDWR));
    listener = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must(bind(listener, (struct sockaddr *)&at, sizeof(at)));
    must(listen(listener, 1));
    client = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must(connect(client, (struct sockaddr *)&at, sizeof(at)));
    must(unlink("p"));
    must(unlink("s"));
    expect_eq(1, write(fifo, "x", 1));
    expect_eq(1, read(fifo, &c, 1));
    must(close(client));
    client = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must_fail(ENOENT, connect(client, (struct sockaddr *)&at, sizeof(at)));
    must(close(client));
    must(close(listener));
    must(close(fifo));
}

static void a_symlink_is_not_followed(void **state)
{
    (void)state;
    make_file("f", "f");
    make_dir("d");
    must(symlink("f", "l"));
    must(symlink("d", "ld"));
    must(unlink("l"));
    must_fail(ENOTDIR, unlink("ld/"));
    must(unlink("ld"));
    expect_contents("f", "f");
    expect(!is_absent("d"));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, unlink("missing"));
    must_fail(ENOENT, unlink("missing/x"));
    must_fail(ENOENT, unlink(""));
    must_fail(ENOENT, unlink("missing/"));
    must_fail(ENOTDIR, unlink("f/"));
    must_fail(ENOTDIR, unlink("f/x"));
    must_fail(ELOOP, unlink("loop/x"));
    must_fail(ENAMETOOLONG, unlink(long_name(256)));
    must_fail(ENOENT, unlink(long_name(255)));
    must_fail(ENAMETOOLONG, unlink(long_name(4096)));
    must_fail(EISDIR, unlink("d/"));
    must_fail(EISDIR, unlink("d/."));
    must_fail(EISDIR, unlink("."));
    must_fail(EISDIR, unlink("d/.."));
    must_fail(EISDIR, unlink("/"));
    must_fail(EBADF, unlinkat(-1, "f", 0));
    must_fail(EINVAL, unlinkat(AT_FDCWD, "f", AT_SYMLINK_NOFOLLOW));
    fd = must(open("f", O_RDONLY));
    must_fail(ENOTDIR, unlinkat(fd, "x", 0));
    must(close(fd));
    expect(!is_absent("f"));
}

static void the_directory_must_be_writable_not_the_file(void **state)
{
    (void)state;
    need_root();
    make_dir("closed");
    make_dir("dark");
    make_dir("open");
    make_file("closed/f", "");
    make_file("dark/f", "");
    make_file("open/f", "");
    must(chown("closed/f", UID_OWNER, GID_OWNER));
    must(chown("dark/f", UID_OWNER, GID_OWNER));
    must(chmod("open/f", 0));
    must(chmod("dark", 0766));
    must(chmod("open", 0777));
    become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, unlink("closed/f"));
    must_fail(EACCES, unlink("dark/f"));
    must_fail(ENOENT, unlink("closed/missing"));
    must(unlink("open/f"));
}

static void in_a_sticky_directory_only_owners_remove(void **state)
{
    const struct {
        uid_t uid, dir_owner, owner;
        int err;
    } rows[] = {
        {UID_OTHER, UID_THIRD, UID_OWNER, EPERM},
        {UID_OWNER, UID_THIRD, UID_OWNER, 0},
        {UID_THIRD, UID_THIRD, UID_OWNER, 0},
        {0, UID_THIRD, UID_OWNER, 0},
        {UID_OTHER, 0, 0, EPERM},
        {UID_OTHER, 0, UID_OTHER, 0},
    };

    (void)state;
    need_root();
    make_dir("d");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EACH_KIND(k)
        {
            int flag = k->type == S_IFDIR ? AT_REMOVEDIR : 0;

            must(chown("d", rows[i].dir_owner, GID_OWNER));
            must(chmod("d", 01777));
            make("d/f", k->type);
            must(lchown("d/f", rows[i].owner, GID_OWNER));
            become(rows[i].uid, GID_OTHER);
            if (rows[i].err)
                must_fail(rows[i].err, unlinkat(AT_FDCWD, "d/f", flag));
            else
                must(unlinkat(AT_FDCWD, "d/f", flag));
            become_self();
            if (rows[i].err)
                remove_any("d/f");
        }
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_type_but_a_directory_is_removed),
    POSIX_TEST(removing_changes_both_times_of_the_directory_and_the_ctime_of_other_links),
    POSIX_TEST(an_open_file_lives_on_without_a_name),
    POSIX_TEST(many_open_files_live_on_without_names),
    POSIX_TEST(open_pipes_and_sockets_outlive_their_names),
    POSIX_TEST(a_symlink_is_not_followed),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(the_directory_must_be_writable_not_the_file),
    POSIX_TEST(in_a_sticky_directory_only_owners_remove),
};

POSIX_MAIN("unlink", tests)
