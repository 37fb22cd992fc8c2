/*
 * lock_check FILE: locks of every kind exclude, share, split and end as they must, between this
 * process and a child. POSIX locks belong to the process and end with any close of the file;
 * open-file-description locks and flock(2) belong to the open file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *file;

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "lock_check: %s (errno: %s)\n", what, strerror(errno));
    _exit(1);
}

static int open_file(void)
{
    int fd = open(file, O_RDWR | O_CREAT, 0644);

    expect(fd >= 0, "open");
    return fd;
}

static int lock(int fd, int command, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

    return fcntl(fd, command, &l);
}

/* Whether another process could get such a lock now. */
static bool other_may_lock(int command, short type, off_t start, off_t len)
{
    int status = 0;
    pid_t pid = fork();

    expect(pid >= 0, "fork");
    if (pid == 0)
        _exit(lock(open_file(), command, type, start, len) == 0 ? 0 : 3);
    expect(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 1,
           "child");
    return WEXITSTATUS(status) == 0;
}

static void check_posix(void)
{
    int fd = open_file();
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};

    expect(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0, "POSIX write lock");
    expect(!other_may_lock(F_SETLK, F_RDLCK, 50, 10), "a POSIX write lock does not exclude");
    expect(other_may_lock(F_SETLK, F_WRLCK, 100, 10), "a POSIX lock excludes too much");
    expect(lock(fd, F_SETLK, F_UNLCK, 40, 20) == 0, "unlocking the middle");
    expect(other_may_lock(F_SETLK, F_WRLCK, 40, 20), "the middle is still locked");
    expect(!other_may_lock(F_SETLK, F_WRLCK, 60, 1), "the part behind the middle is unlocked");
    expect(lock(fd, F_SETLK, F_RDLCK, 0, 100) == 0, "POSIX read lock");
    expect(other_may_lock(F_SETLK, F_RDLCK, 0, 100), "read locks do not share");
    expect(!other_may_lock(F_SETLK, F_WRLCK, 0, 100), "a read lock does not exclude a writer");
    expect(fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_UNLCK, "own locks get in the way");
    close(open_file());
    expect(other_may_lock(F_SETLK, F_WRLCK, 0, 100), "a POSIX lock survives a close");
    close(fd);
}

static void check_open_file_description(void)
{
    int fd = open_file();
    int other = open_file();

    expect(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0) == 0, "OFD lock");
    expect(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1) != 0, "an OFD lock does not exclude");
    close(open_file());
    expect(!other_may_lock(F_OFD_SETLK, F_WRLCK, 1000000, 1), "an OFD lock is lost by a close");
    close(fd);
    expect(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1) == 0, "an OFD lock survives its file");
    close(other);
}

static void check_flock(void)
{
    int fd = open_file();
    int other = open_file();

    expect(flock(fd, LOCK_SH) == 0 && flock(other, LOCK_SH | LOCK_NB) == 0, "flock does not share");
    expect(flock(other, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK, "flock does not exclude");
    /* A failed change of the kind may have dropped the lock: flock(2) says so. */
    expect(flock(other, LOCK_UN) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, "flock upgrade");
    expect(flock(other, LOCK_SH | LOCK_NB) != 0, "flock is shared with a writer");
    close(fd);
    expect(flock(other, LOCK_EX | LOCK_NB) == 0, "flock survives its file");
    close(other);
}

/* A waiter gets the lock when its holder ends, however that ends. */
static void check_waiting(void)
{
    int pipes[2];
    int status = 0;
    char c = 0;
    pid_t holder;
    int fd = open_file();

    expect(pipe(pipes) == 0, "pipe");
    holder = fork();
    expect(holder >= 0, "fork");
    if (holder == 0) {
        expect(lock(open_file(), F_SETLK, F_WRLCK, 0, 0) == 0 && write(pipes[1], "x", 1) == 1,
               "holder");
        for (;;)
            pause();
    }
    expect(read(pipes[0], &c, 1) == 1, "the holder says nothing");
    expect(lock(fd, F_SETLK, F_WRLCK, 0, 0) != 0, "the holder's lock does not exclude");
    expect(kill(holder, SIGKILL) == 0 && lock(fd, F_SETLKW, F_WRLCK, 0, 0) == 0, "waiting");
    expect(waitpid(holder, &status, 0) == holder, "waitpid");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    file = argv[1];
    check_posix();
    check_open_file_description();
    check_flock();
    check_waiting();
    return 0;
}
