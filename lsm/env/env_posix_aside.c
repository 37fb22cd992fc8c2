/*
 * Keeping files aside: what repair takes out of a store goes into its directory `lost`, under a
 * second name first. So at no moment is there no name of it at all; the first one is removed later,
 * when the store does without. Where the disk has no hard links a copy is made of what can be read:
 * a damaged sector costs its own 4096 bytes, which become zeros.
 *
 * A crash can leave a copy that is cut short. It is made again, under the next suffix.
 */
#include "lsm/env/env_posix.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsm/base/err.h"

enum {
    SUFFIX_MAX = 99,
    COPY_LEN = 4096
};

static const char lost_name[] = "lost";

static int open_lost(struct env *env, int *ret_fd)
{
    int dir_fd = env_posix_of(env)->dir_fd;

    if (mkdirat(dir_fd, lost_name, 0700) && errno != EEXIST)
        return env_posix_raise(env, lost_name, "create the directory", errno);
    *ret_fd = env_posix_openat(dir_fd, lost_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return *ret_fd < 0 ? env_posix_raise(env, lost_name, "open the directory", errno) : 0;
}

/* A copy of everything that can be read; gaps are zeros. Returns 0 or an errno. */
static int copy_bytes(int from, int to)
{
    uint8_t bytes[COPY_LEN];
    struct stat st;

    if (fstat(from, &st))
        return errno;
    for (off_t at = 0; at < st.st_size; at += COPY_LEN) {
        ssize_t len = pread(from, bytes, sizeof(bytes), at);
        struct slice part;
        uint64_t written;
        int errnum;

        if (len <= 0)
            continue;
        part = slice_of(bytes, (size_t)len);
        errnum = env_posix_write(to, &part, 1, (uint64_t)at, &written);
        if (errnum)
            return errnum;
    }
    return ftruncate(to, st.st_size) || fsync(to) ? errno : 0;
}

static int copy_file(int dir_fd, const char *name, int lost_fd, const char *as)
{
    int errnum, from, to;

    from = env_posix_openat(dir_fd, name, O_RDONLY | O_NOFOLLOW);
    if (from < 0)
        return errno;
    to = env_posix_openat(lost_fd, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    errnum = to < 0 ? errno : copy_bytes(from, to);
    close(from);
    if (to >= 0)
        close(to);
    if (errnum && errnum != EEXIST)
        unlinkat(lost_fd, as, 0);
    return errnum;
}

static bool no_links(int errnum)
{
    return errnum == EPERM || errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == EMLINK ||
           errnum == EXDEV;
}

/* 0, or an errno; EEXIST: another file has that name. */
static int keep_as(int dir_fd, const char *name, int lost_fd, const char *as)
{
    struct stat is, other;

    if (!linkat(dir_fd, name, lost_fd, as, 0))
        return 0;
    if (no_links(errno))
        return copy_file(dir_fd, name, lost_fd, as);
    if (errno != EEXIST)
        return errno;
    if (!fstatat(dir_fd, name, &is, AT_SYMLINK_NOFOLLOW) &&
        !fstatat(lost_fd, as, &other, AT_SYMLINK_NOFOLLOW) && is.st_ino == other.st_ino &&
        is.st_dev == other.st_dev)
        return 0;
    return EEXIST;
}

int env_posix_keep_aside(struct env *env, const char *name)
{
    char as[256];
    int lost_fd = -1, errnum = EEXIST;
    int err = open_lost(env, &lost_fd);

    if (err)
        return err;
    for (unsigned i = 0; i <= SUFFIX_MAX && errnum == EEXIST; i++) {
        if (i)
            snprintf(as, sizeof(as), "%s.%u", name, i);
        else
            snprintf(as, sizeof(as), "%s", name);
        errnum = keep_as(env_posix_of(env)->dir_fd, name, lost_fd, as);
    }
    if (!errnum && env_posix_fsync(lost_fd, false))
        errnum = errno;
    close(lost_fd);
    if (errnum == ENOENT)
        return -ENOENT;
    if (errnum)
        return env_posix_raise(env, name, "keep in the directory lost", errnum);
    return env->ops->sync_dir(env);
}
