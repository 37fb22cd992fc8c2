/*
 * mknod(2) and mkfifo(3), and what becomes of the special files: pipes, sockets, devices.
 */
#include "posix/lib/posix.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static void every_type_gets_its_mode_through_the_umask(void **state)
{
    static const mode_t types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    static const mode_t modes[] = {0666, 0, 0777, 01751, 04755, 06644};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        for (size_t j = 0; can_make(types[i]) && j < sizeof(modes) / sizeof(modes[0]); j++) {
            umask(0);
            must(mknod("x", types[i] | modes[j], makedev(1, 3)));
            expect_eq(types[i] | modes[j], mode_of("x"));
            must(unlink("x"));
            umask(027);
            must(mknod("x", types[i] | modes[j], makedev(1, 3)));
            expect_eq(modes[j] & ~027U, perm_of("x"));
            expect_eq(1, nlink_of("x"));
            expect_eq(0, st_of("x").stx_size);
            must(unlink("x"));
        }
}

static void no_type_means_a_regular_file(void **state)
{
    (void)state;
    must(mknod("x", 0640, 0));
    expect_eq(S_IFREG | 0640, mode_of("x"));
}

static void other_types_are_refused(void **state)
{
    (void)state;
    must_fail(EPERM, mknod("x", S_IFDIR | 0755, 0));
    must_fail(EINVAL, mknod("x", S_IFLNK | 0777, 0));
    must_fail(EINVAL, mknod("x", S_IFMT | 0777, 0));
    must_fail(EINVAL, mknod("x", 0030000 | 0777, 0));
    expect(is_absent("x"));
}

static void device_numbers_are_kept(void **state)
{
    static const struct {
        unsigned major, minor;
    } rows[] = {
        {0, 0}, {1, 3}, {255, 255}, {256, 0}, {0, 256}, {4095, 0}, {0, 1048575}, {4095, 1048575},
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[16];
        struct statx st;

        for (int block = 0; block < 2; block++) {
            snprintf(name, sizeof(name), "%c%zu", block ? 'b' : 'c', i);
            must(mknod(name, (block ? S_IFBLK : S_IFCHR) | 0600,
                       makedev(rows[i].major, rows[i].minor)));
            st = st_of(name);
            expect_eq(rows[i].major, st.stx_rdev_major);
            expect_eq(rows[i].minor, st.stx_rdev_minor);
        }
    }
    make_file("f", "");
    expect_eq(0, st_of("f").stx_rdev_minor);
}

static void only_root_makes_devices(void **state)
{
    (void)state;
    must(chmod(".", 0777));
    if (is_root())
        become(UID_OWNER, GID_OWNER);
    must_fail(EPERM, mknod("x", S_IFCHR | 0666, makedev(1, 3)));
    must_fail(EPERM, mknod("x", S_IFBLK | 0666, makedev(7, 0)));
    must(mknod("x", S_IFIFO | 0666, 0));
    must(mknod("y", S_IFSOCK | 0666, 0));
}

static void a_device_works(void **state)
{
    char buf[4] = "xxx";
    int fd;

    (void)state;
    need_root();
    must(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
    fd = must(open("zero", O_RDWR));
    expect_eq(4, read(fd, buf, 4));
    expect_eq(0, buf[0]);
    must(close(fd));
    must(mknod("nothing", S_IFCHR | 0666, makedev(4095, 77)));
    must_fail(ENXIO, open("nothing", O_RDONLY));
    must(mknod("nodisk", S_IFBLK | 0666, makedev(4095, 77)));
    must_fail(ENXIO, open("nodisk", O_RDONLY));
}

static void a_new_node_has_one_time_and_changes_its_directory(void **state)
{
    struct statx dir, st;

    (void)state;
    make_dir("d");
    EACH_KIND(k)
    {
        dir = mark("d");
        make("d/x", k->type);
        expect_changed(&dir, "d", MTIME | CTIME);
        if (k->type != S_IFSOCK) { /* whose mode is changed afterwards */
            st = st_of("d/x");
            expect_eq(st.stx_mtime.tv_sec, st.stx_ctime.tv_sec);
            expect_eq(st.stx_mtime.tv_nsec, st.stx_ctime.tv_nsec);
            expect_eq(st.stx_mtime.tv_nsec, st.stx_atime.tv_nsec);
        }
        expect_eq(geteuid(), st_of("d/x").stx_uid);
        expect_eq(getegid(), st_of("d/x").stx_gid);
        remove_any("d/x");
    }
}

static void a_pipe_carries_bytes_between_openings(void **state)
{
    char buf[8];
    int r, w;

    (void)state;
    must(mkfifo("p", 0600));
    must_fail(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
    r = must(open("p", O_RDONLY | O_NONBLOCK));
    w = must(open("p", O_WRONLY | O_NONBLOCK));
    expect_eq(5, write(w, "bytes", 5));
    expect_eq(5, read(r, buf, sizeof(buf)));
    must_fail(EAGAIN, read(r, buf, sizeof(buf)));
    must(close(w));
    expect_eq(0, read(r, buf, sizeof(buf)));
    must_fail(ESPIPE, lseek(r, 0, SEEK_SET));
    must(close(r));
    expect_eq(0, st_of("p").stx_size);
}

static void a_socket_is_connected_to_by_its_name(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "s"};
    struct sockaddr_un dead = {.sun_family = AF_UNIX, .sun_path = "dead"};
    struct sockaddr_un file = {.sun_family = AF_UNIX, .sun_path = "f"};
    int a, b;

    (void)state;
    umask(027);
    a = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must(bind(a, (struct sockaddr *)&at, sizeof(at)));
    expect_eq(S_IFSOCK | 0750, mode_of("s"));
    must(listen(a, 1));
    b = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must_fail(EADDRINUSE, bind(b, (struct sockaddr *)&at, sizeof(at)));
    must(mknod("dead", S_IFSOCK | 0666, 0));
    must_fail(ECONNREFUSED, connect(b, (struct sockaddr *)&dead, sizeof(dead)));
    make_file("f", "");
    must_fail(ECONNREFUSED, connect(b, (struct sockaddr *)&file, sizeof(file)));
    must(connect(b, (struct sockaddr *)&at, sizeof(at)));
    must_fail(ENXIO, open("s", O_RDONLY));
    must(close(a));
    must(close(b));
}

static void connecting_needs_write_permission(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "s"};
    int a, b;

    (void)state;
    need_root();
    a = must(socket(AF_UNIX, SOCK_STREAM, 0));
    must(bind(a, (struct sockaddr *)&at, sizeof(at)));
    must(listen(a, 1));
    must(chmod("s", 0755));
    b = must(socket(AF_UNIX, SOCK_STREAM, 0));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, connect(b, (struct sockaddr *)&at, sizeof(at)));
    become_self();
    must(chmod("s", 0722));
    become(UID_OTHER, GID_OTHER);
    must(connect(b, (struct sockaddr *)&at, sizeof(at)));
    must(close(a));
    must(close(b));
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    make_dir("d");
    make_file("f", "");
    must(symlink("missing", "dangling"));
    must(symlink("loop", "loop"));
    must_fail(EEXIST, mkfifo("f", 0644));
    must_fail(EEXIST, mkfifo("d", 0644));
    must_fail(EEXIST, mkfifo("dangling", 0644));
    must_fail(EEXIST, mkfifo(".", 0644));
    must_fail(EEXIST, mkfifo("d/..", 0644));
    must_fail(ENOENT, mkfifo("x/", 0644));
    must_fail(ENOENT, mkfifo("", 0644));
    must_fail(ENOENT, mkfifo("missing/x", 0644));
    must_fail(ENOTDIR, mkfifo("f/x", 0644));
    must_fail(ELOOP, mkfifo("loop/x", 0644));
    must_fail(ENAMETOOLONG, mkfifo(long_name(256), 0644));
    must_fail(ENAMETOOLONG, mkfifo(long_name(4096), 0644));
    must_fail(EBADF, mkfifoat(-1, "x", 0644));
    must(mkfifo(long_name(255), 0644));
}

static void the_directory_must_be_writable_and_gives_its_group_when_setgid(void **state)
{
    (void)state;
    need_root();
    make_dir("closed");
    make_dir("g");
    must(chown("g", 0, GID_THIRD));
    must(chmod("g", 02777));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, mkfifo("closed/x", 0644));
    must(mkfifo("g/x", 0644));
    expect_eq(GID_THIRD, st_of("g/x").stx_gid);
    expect_eq(UID_OTHER, st_of("g/x").stx_uid);
    expect_eq(0644, perm_of("g/x"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_type_gets_its_mode_through_the_umask),
    POSIX_TEST(no_type_means_a_regular_file),
    POSIX_TEST(other_types_are_refused),
    POSIX_TEST(device_numbers_are_kept),
    POSIX_TEST(only_root_makes_devices),
    POSIX_TEST(a_device_works),
    POSIX_TEST(a_new_node_has_one_time_and_changes_its_directory),
    POSIX_TEST(a_pipe_carries_bytes_between_openings),
    POSIX_TEST(a_socket_is_connected_to_by_its_name),
    POSIX_TEST(connecting_needs_write_permission),
    POSIX_TEST(wrong_names_are_refused),
    POSIX_TEST(the_directory_must_be_writable_and_gives_its_group_when_setgid),
};

POSIX_MAIN("mknod", tests)
