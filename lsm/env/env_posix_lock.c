/*
 * The store's lock: an open-file-description lock on the file LOCK, which also holds its owner's
 * pid as text for messages. The kernel drops the lock with the process, so all that one leaves is a
 * stale number. It is still there while the next owner, having the lock, has not yet written its
 * own, and while readers, who write none, share the lock: only the pid of a process that lives is
 * named. Unlike the older POSIX locks it also keeps two opens of one process apart, and a stray
 * close of another descriptor cannot lose it.
 *
 * LOCK is never removed: a lock on a file that has lost its name would exclude nobody.
 */
#include "lsm/env/env_posix.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lsm/base/err.h"

static const char lock_name[] = "LOCK";

/* The pid in the file, 0 when it holds none. */
static long read_pid(int fd)
{
    char text[32] = "";
    ssize_t len;
    long pid;

    do
        len = pread(fd, text, sizeof(text) - 1, 0);
    while (len < 0 && errno == EINTR);
    pid = len > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 ? pid : 0;
}

/*
 * The pid of the lock's owner, 0 when it cannot be told. An owner writes its pid right after it has
 * got the lock, so a number that is missing or names nobody is looked at again for a moment.
 */
static long owner_pid(int fd)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int tries = 100; tries > 0; tries--) {
        long pid = read_pid(fd);

        if (pid > 0 && (!kill((pid_t)pid, 0) || errno == EPERM))
            return pid;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/*
 * Overwrite before cutting: on a full disk the bytes that the file has can still be written. One
 * that has none there stays empty: the pid is only for messages, and the store must open.
 */
static int write_pid(struct env_posix *e)
{
    char text[32];
    int errnum, len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    struct slice part = slice_of(text, (size_t)len);
    uint64_t written;

    errnum = env_posix_write(e->lock_fd, &part, 1, 0, &written);
    if (!errnum && ftruncate(e->lock_fd, len))
        errnum = errno;
    if (errnum && errnum != ENOSPC && errnum != EDQUOT)
        return env_posix_raise(&e->env, lock_name, "write", errnum);
    return 0;
}

/* They may be outside of the store, put there to have a file changed; then there is no pid. */
static bool has_other_names(int fd)
{
    struct stat st;

    return fstat(fd, &st) || st.st_nlink > 1;
}

static int raise_locked(const struct env_posix *e)
{
    long pid = owner_pid(e->lock_fd);

    if (pid == 0)
        return err_raise(ERR_STORE_LOCKED, "the store %s is in use by another process",
                         e->env.path);
    if (pid == (long)getpid())
        return err_raise(ERR_STORE_LOCKED, "the store %s is in use by process %ld, this one",
                         e->env.path, pid);
    return err_raise(ERR_STORE_LOCKED, "the store %s is in use by process %ld", e->env.path, pid);
}

int env_posix_lock(struct env_posix *e)
{
    bool shared = e->env.read_only;
    struct flock lock = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
    int err, flags = shared ? O_RDONLY | O_NONBLOCK : O_RDWR | O_CREAT | O_NONBLOCK;

    e->lock_fd = env_posix_open_file(e, lock_name, flags | O_NOFOLLOW);
    if (e->lock_fd < 0) {
        /* Who may not open it, or finds none, reads without: nothing of a reader's is at stake. */
        if (shared && (errno == ENOENT || errno == EACCES || errno == EPERM))
            return 0;
        return env_posix_raise(&e->env, lock_name, "open", errno);
    }
    do
        err = fcntl(e->lock_fd, F_OFD_SETLK, &lock);
    while (err && errno == EINTR);
    if (err && (errno == EAGAIN || errno == EACCES))
        return raise_locked(e);
    if (err)
        return env_posix_raise(&e->env, lock_name, "lock", errno);
    return shared || has_other_names(e->lock_fd) ? 0 : write_pid(e);
}
