/*
 * Files and processes: running programs, working and root directories, fsync of whatever is open,
 * limits of the process.
 */
#include "posix/lib/posix.h"

#include <grp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void copy_program(const char *from, const char *to)
{
    char buf[65536];
    int in = must(open(from, O_RDONLY | O_CLOEXEC));
    int out = must(open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
    long len;

    while ((len = must(read(in, buf, sizeof(buf)))) > 0)
        expect_eq(len, write(out, buf, (size_t)len));
    must(close(in));
    must(close(out));
}

/* Run the program, a copy of cat, which runs until the descriptor in *ret is closed. */
static pid_t start(const char *program, int *ret)
{
    int pipe_fds[2], error_pipe[2];
    char c;
    pid_t pid;

    must(pipe2(pipe_fds, O_CLOEXEC));
    must(pipe2(error_pipe, O_CLOEXEC));
    pid = must(fork());
    if (pid == 0) {
        dup2(pipe_fds[0], 0);
        execl(program, program, (char *)NULL);
        _exit(write(error_pipe[1], "x", 1) == 1 ? 1 : 2);
    }
    must(close(pipe_fds[0]));
    must(close(error_pipe[1]));
    /* Nothing but the end comes when it runs. */
    expect_eq(0, read(error_pipe[0], &c, 1));
    must(close(error_pipe[0]));
    *ret = pipe_fds[1];
    return pid;
}

static void finish(pid_t pid, int fd)
{
    int status = 0;

    must(close(fd));
    must(waitpid(pid, &status, 0));
    expect_eq(0, status);
}

static void a_running_program_is_not_written(void **state)
{
    pid_t pid;
    int fd, input;

    (void)state;
    copy_program("/bin/cat", "cat");
    pid = start("./cat", &input);
    must_fail(ETXTBSY, open("cat", O_WRONLY));
    must_fail(ETXTBSY, open("cat", O_RDWR));
    must_fail(ETXTBSY, truncate("cat", 0));
    must(close(must(open("cat", O_RDONLY))));
    must(chmod("cat", 0700));
    must(rename("cat", "dog"));
    must(unlink("dog"));
    finish(pid, input);
    copy_program("/bin/cat", "cat");
    fd = must(open("cat", O_WRONLY));
    must_fail(ETXTBSY, execl("./cat", "cat", (char *)NULL));
    must(close(fd));
    finish(start("./cat", &input), input);
}

static void what_is_no_program_is_not_run(void **state)
{
    (void)state;
    make_file("text", "no program\n");
    make_dir("d");
    must_fail(EACCES, execl("./text", "text", (char *)NULL));
    must(chmod("text", 0755));
    must_fail(ENOEXEC, execl("./text", "text", (char *)NULL));
    must_fail(EACCES, execl("./d", "d", (char *)NULL));
    must_fail(ENOENT, execl("./missing", "missing", (char *)NULL));
    must_fail(ENOTDIR, execl("./text/x", "x", (char *)NULL));
    make("p", S_IFIFO);
    must(chmod("p", 0755));
    must_fail(EACCES, execl("./p", "p", (char *)NULL));
}

static void a_setuid_program_runs_as_its_owner(void **state)
{
    int status = 0, output[2];
    char buf[32] = "";
    pid_t pid;

    (void)state;
    need_root();
    copy_program("/usr/bin/id", "id");
    must(chown("id", UID_OTHER, GID_OTHER));
    must(chmod("id", 06755));
    must(pipe(output));
    pid = must(fork());
    if (pid == 0) {
        dup2(output[1], 1);
        if (setgroups(0, NULL) == 0 && setresgid(GID_OWNER, GID_OWNER, GID_OWNER) == 0 &&
            setresuid(UID_OWNER, UID_OWNER, UID_OWNER) == 0)
            execl("./id", "id", "-u", (char *)NULL);
        _exit(1);
    }
    must(waitpid(pid, &status, 0));
    expect_eq(0, status);
    expect(must(read(output[0], buf, sizeof(buf) - 1)) > 0);
    expect_eq(UID_OTHER, atoi(buf));
    must(close(output[0]));
    must(close(output[1]));
}

static void the_working_directory_follows_a_move(void **state)
{
    char before[4096], after[4096];

    (void)state;
    make_dir("a");
    make_dir("b");
    make_dir("a/d");
    must(chdir("a/d"));
    expect(getcwd(before, sizeof(before)));
    must(rename("../../a/d", "../../b/e"));
    expect(getcwd(after, sizeof(after)));
    expect(strcmp(after + strlen(after) - 4, "/b/e") == 0);
    make_file("../here", "");
    must(chdir(".."));
    expect(!is_absent("here"));
    must_fail(ENOTDIR, chdir("here"));
    must_fail(ENOENT, chdir("missing"));
    must_fail(ENOENT, chdir(""));
}

static void in_a_root_directory(void *arg)
{
    struct stat root, up;

    (void)arg;
    must(chroot("."));
    must(chdir("/"));
    must(stat("/", &root));
    must(stat("..", &up));
    expect_eq(root.st_ino, up.st_ino);
    expect_contents("/f", "inside");
    expect_contents("/../../f", "inside");
    /* An absolute symlink begins at this root. */
    expect_contents("/absolute", "inside");
}

static void a_process_may_have_its_root_here(void **state)
{
    (void)state;
    need_root();
    make_file("f", "inside");
    must(symlink("/f", "absolute"));
    in_child(in_a_root_directory, NULL);
    become(UID_OTHER, GID_OTHER);
    must_fail(EPERM, chroot("."));
}

static void fsync_works_on_all_that_has_contents(void **state)
{
    int fd;

    (void)state;
    make_file("f", "text");
    make_dir("d");
    fd = must(open("f", O_RDONLY));
    must(fsync(fd));
    must(fdatasync(fd));
    must(unlink("f"));
    must(fsync(fd));
    must(close(fd));
    fd = must(open("d", O_RDONLY | O_DIRECTORY));
    make_file("d/f", "");
    must(fsync(fd));
    must(fdatasync(fd));
    must(unlink("d/f"));
    must(rmdir("d"));
    must(fsync(fd));
    must(syncfs(fd));
    must(close(fd));
    make("p", S_IFIFO);
    fd = must(open("p", O_RDWR));
    must_fail(EINVAL, fsync(fd));
    must(close(fd));
    must_fail(EBADF, fsync(-1));
}

static void beyond_the_file_size_limit(void *arg)
{
    const struct rlimit limit = {1000, 1000};
    int fd;

    (void)arg;
    signal(SIGXFSZ, SIG_IGN);
    must(setrlimit(RLIMIT_FSIZE, &limit));
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    expect_eq(1000, pwrite(fd, long_name(1500), 1500, 0));
    must_fail(EFBIG, pwrite(fd, "x", 1, 1000));
    must_fail(EFBIG, ftruncate(fd, 1001));
    must_fail(EFBIG, truncate("f", 1001));
    must(ftruncate(fd, 1000));
    must(close(fd));
}

static void the_limit_of_file_sizes_is_kept(void **state)
{
    (void)state;
    in_child(beyond_the_file_size_limit, NULL);
    expect_eq(1000, st_of("f").stx_size);
}

/* Without a mount namespace: it would keep other mounts of the machine busy. The runner unmounts.
 */
static void a_mount_point_is_busy(void **state)
{
    (void)state;
    need_root();
    make_dir("m");
    make_dir("other");
    make_file("f", "");
    if (mount("none", "m", "tmpfs", 0, NULL) != 0)
        posix_skip("not allowed to mount");
    must_fail(EBUSY, rmdir("m"));
    must_fail(EBUSY, rename("m", "n"));
    must_fail(EBUSY, rename("other", "m"));
    must_fail(EXDEV, rename("other", "m/x"));
    must_fail(EXDEV, link("f", "m/x"));
    must(umount("m"));
    must(rmdir("m"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_running_program_is_not_written),
    POSIX_TEST(what_is_no_program_is_not_run),
    POSIX_TEST(a_setuid_program_runs_as_its_owner),
    POSIX_TEST(the_working_directory_follows_a_move),
    POSIX_TEST(a_process_may_have_its_root_here),
    POSIX_TEST(fsync_works_on_all_that_has_contents),
    POSIX_TEST(the_limit_of_file_sizes_is_kept),
    POSIX_TEST(a_mount_point_is_busy),
};

POSIX_MAIN("process", tests)
