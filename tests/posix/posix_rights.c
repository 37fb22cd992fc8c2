/*
 * Permissions: each class of users (owner, group, supplementary group, others) has its own three
 * bits and no others, for files and for directories. For each class and each pattern of bits the
 * other classes get the opposite bits, so that a wrong choice shows.
 */
#include "posix/lib/posix.h"

#include <dirent.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum {
    R = 4,
    W = 2,
    X = 1
};

struct class
{
    const char *name;
    int shift; /* of its bits in the mode */
    uid_t uid;
    gid_t gid;
    gid_t extra;
};

static const struct class classes[] = {
    {"owner", 6, UID_OWNER, GID_OTHER, GID_OTHER},
    {"owner who is in the group, too", 6, UID_OWNER, GID_OWNER, GID_OWNER},
    {"group", 3, UID_OTHER, GID_OWNER, GID_OTHER},
    {"supplementary group", 3, UID_OTHER, GID_OTHER, GID_OWNER},
    {"others", 0, UID_OTHER, GID_OTHER, GID_THIRD},
};

static void act_as(const struct class *c)
{
    const gid_t groups[] = {GID_THIRD, c->extra};

    become_with(c->uid, c->gid, groups, 2);
}

/* The class has these bits, everybody else the opposite ones. */
static mode_t mode_for(const struct class *c, unsigned bits)
{
    unsigned others = ~bits & 7;
    unsigned mode = others << 6 | others << 3 | others;

    return (mode_t)((mode & ~(7U << c->shift)) | bits << c->shift);
}

/* Loop over classes and patterns of bits. */
#define EACH_RIGHT(c, bits)                                                                        \
    for (const struct class *c = classes; c < classes + sizeof(classes) / sizeof(classes[0]); c++) \
        for (unsigned bits = 0; bits < 8; bits++)

/* The call succeeds if `allowed`, else it fails with EACCES. */
#define may(allowed, call)                                                                         \
    do {                                                                                           \
        if (allowed)                                                                               \
            must(call);                                                                            \
        else                                                                                       \
            must_fail(EACCES, call);                                                               \
    } while (0)

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);

    return fd == -1 ? -1 : close(fd);
}

static int try_list(const char *path)
{
    DIR *dir = opendir(path);

    return dir ? closedir(dir) : -1;
}

static void give(const char *path, mode_t mode)
{
    must(lchown(path, UID_OWNER, GID_OWNER));
    must(chmod(path, mode));
}

static void a_file_is_opened_by_the_bits_of_the_users_class(void **state)
{
    (void)state;
    need_root();
    make_file("f", "text");
    EACH_RIGHT(c, bits)
    {
        bool r = bits & R, w = bits & W;

        give("f", mode_for(c, bits));
        act_as(c);
        may(r, try_open("f", O_RDONLY));
        may(w, try_open("f", O_WRONLY));
        may(r && w, try_open("f", O_RDWR));
        may(w, try_open("f", O_WRONLY | O_APPEND));
        may(w, try_open("f", O_WRONLY | O_TRUNC));
        may(r && w, try_open("f", O_RDONLY | O_TRUNC));
        may(w, truncate("f", 1));
        may(r, try_open("f", O_RDONLY | O_CREAT));
        must(try_open("f", O_PATH));
        become_self();
    }
}

static void a_pipe_is_opened_by_the_bits_of_the_users_class(void **state)
{
    (void)state;
    need_root();
    make("p", S_IFIFO);
    EACH_RIGHT(c, bits)
    {
        give("p", mode_for(c, bits));
        act_as(c);
        may(bits & R, try_open("p", O_RDONLY | O_NONBLOCK));
        may((bits & R) && (bits & W), try_open("p", O_RDWR));
        if (!(bits & W))
            must_fail(EACCES, open("p", O_WRONLY | O_NONBLOCK));
        else
            must_fail(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
        become_self();
    }
}

static void the_times_are_set_to_now_by_the_owner_and_by_writers(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    EACH_RIGHT(c, bits)
    {
        give("f", mode_for(c, bits));
        act_as(c);
        may(c->uid == UID_OWNER || bits & W, utimensat(AT_FDCWD, "f", NULL, 0));
        become_self();
    }
}

static void user_attributes_are_read_by_readers_and_set_by_writers(void **state)
{
    char value[8];

    (void)state;
    need_root();
    make_file("f", "");
    make_dir("d");
    must(setxattr("f", "user.a", "1", 1, 0));
    must(setxattr("d", "user.a", "1", 1, 0));
    EACH_RIGHT(c, bits)
    {
        give("f", mode_for(c, bits));
        give("d", mode_for(c, bits));
        act_as(c);
        may(bits & R, getxattr("f", "user.a", value, sizeof(value)));
        may(bits & W, setxattr("f", "user.a", "2", 1, 0));
        may(bits & R, getxattr("d", "user.a", value, sizeof(value)));
        may(bits & W, setxattr("d", "user.a", "2", 1, 0));
        become_self();
    }
}

static void a_directory_is_listed_with_r_and_searched_with_x(void **state)
{
    struct stat st;

    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    must(chmod("d/f", 0666));
    make_dir("d/sub");
    must(symlink("f", "d/l"));
    EACH_RIGHT(c, bits)
    {
        bool r = bits & R, x = bits & X;

        give("d", mode_for(c, bits));
        act_as(c);
        may(r, try_list("d"));
        may(x, stat("d/f", &st));
        may(x, lstat("d/l", &st));
        may(x, try_open("d/f", O_RDWR));
        may(x, try_open("d/l", O_RDWR));
        must(try_open("d", O_PATH));
        must_fail(x ? ENOENT : EACCES, stat("d/missing", &st));
        may(x, chdir("d/sub"));
        become_self();
        if (x)
            must(chdir("../.."));
    }
}

static void entries_are_changed_with_w_and_x(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_dir("open");
    must(chmod("open", 0777));
    make_file("d/old", "");
    make_dir("d/dir");
    must(chmod("d/dir", 0777));
    EACH_RIGHT(c, bits)
    {
        bool wx = (bits & W) && (bits & X);

        give("d", mode_for(c, bits));
        act_as(c);
        make_file("open/mine", "");
        may(wx, link("open/mine", "d/mine"));
        may(wx, rename("open/mine", "d/mine2"));
        may(wx, mkdir("d/newdir", 0755));
        may(wx, symlink("x", "d/newlink"));
        may(wx, mkfifo("d/newfifo", 0644));
        may(wx, try_open("d/new", O_WRONLY | O_CREAT | O_EXCL));
        may(wx, rename("d/old", "d/old2"));
        may(wx, rename("d/dir", "open/dir"));
        may(wx, unlink(wx ? "d/old2" : "d/old"));
        may(wx, rmdir(wx ? "d/newdir" : "d/dir"));
        become_self();
        if (wx) {
            must(rename("open/dir", "d/dir"));
            must(rename("d/new", "d/old"));
            must(unlink("d/mine"));
            must(unlink("d/mine2"));
            must(unlink("d/newlink"));
            must(unlink("d/newfifo"));
        } else {
            must(unlink("open/mine"));
        }
    }
}

static void every_directory_of_a_path_must_be_searchable(void **state)
{
    struct stat st;

    (void)state;
    need_root();
    make_dir("a");
    make_dir("a/b");
    make_dir("a/b/c");
    make_file("a/b/c/f", "");
    become(UID_OTHER, GID_OTHER);
    must(stat("a/b/c/f", &st));
    become_self();
    must(chmod("a/b", 0766));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, stat("a/b/c/f", &st));
    must_fail(EACCES, stat("a/b/c/../c/f", &st));
    must(stat("a/b", &st));
    must_fail(EACCES, stat("a/b/..", &st));
    become_self();
    must(stat("a/b/c/f", &st));
    must(chmod("a/b", 0711));
    become(UID_OTHER, GID_OTHER);
    must(stat("a/b/c/f", &st));
}

static void an_open_file_keeps_the_rights_it_was_opened_with(void **state)
{
    char buf[8];
    int fd;

    (void)state;
    need_root();
    make_file("f", "");
    must(chmod("f", 0666));
    become(UID_OTHER, GID_OTHER);
    fd = must(open("f", O_RDWR));
    become_self();
    must(chmod("f", 0));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, open("f", O_RDONLY));
    expect_eq(4, write(fd, "text", 4));
    expect_eq(4, pread(fd, buf, sizeof(buf), 0));
    must(ftruncate(fd, 2));
    must(close(fd));
}

static void root_may_do_all_but_run_what_nobody_may(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    give("d/f", 0);
    give("d", 0);
    must(try_open("d/f", O_RDWR));
    must(try_list("d"));
    make_file("d/new", "");
    must(unlink("d/new"));
    must_fail(EACCES, access("d/f", X_OK));
    must(access("d", X_OK | R_OK | W_OK));
    must(chmod("d/f", 0001));
    must(access("d/f", X_OK));
}

static int exit_status_of(const char *program)
{
    int status = 0;
    pid_t pid = must(fork());

    if (pid == 0) {
        execl(program, program, (char *)NULL);
        _exit(errno == EACCES ? 126 : 125);
    }
    must(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_program_is_run_by_the_bits_of_the_users_class(void **state)
{
    (void)state;
    need_root();
    make_file("script", "#!/bin/true\n");
    EACH_RIGHT(c, bits)
    {
        give("script", mode_for(c, bits));
        act_as(c);
        expect_eq(bits & X ? 0 : 126, exit_status_of("./script"));
        become_self();
    }
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_file_is_opened_by_the_bits_of_the_users_class),
    POSIX_TEST(a_pipe_is_opened_by_the_bits_of_the_users_class),
    POSIX_TEST(the_times_are_set_to_now_by_the_owner_and_by_writers),
    POSIX_TEST(user_attributes_are_read_by_readers_and_set_by_writers),
    POSIX_TEST(a_directory_is_listed_with_r_and_searched_with_x),
    POSIX_TEST(entries_are_changed_with_w_and_x),
    POSIX_TEST(every_directory_of_a_path_must_be_searchable),
    POSIX_TEST(an_open_file_keeps_the_rights_it_was_opened_with),
    POSIX_TEST(root_may_do_all_but_run_what_nobody_may),
    POSIX_TEST(a_program_is_run_by_the_bits_of_the_users_class),
};

POSIX_MAIN("rights", tests)
