/*
 * Another directory beside that of the POSIX environment, and hard links into it: what a checkpoint
 * is made of.
 *
 * A branch is an environment like any other, locked while it is open. Until its superblock is
 * written, which is the last thing that happens, it is no store: what a crash leaves of it is a
 * directory that no program opens and that can be removed.
 */
#include "lsm/env/env_posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsm/base/err.h"

/* 1 when the directory is the other one or lies below it, 0 when not, or a negative errno. */
static int lies_within(const char *path, int other_fd)
{
    struct stat other, at, last = {0};
    int up, answer = -1, fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fstat(other_fd, &other))
        answer = -errno;
    while (answer == -1) {
        if (fstat(fd, &at))
            answer = -errno;
        else if (at.st_dev == other.st_dev && at.st_ino == other.st_ino)
            answer = 1;
        else if (at.st_dev == last.st_dev && at.st_ino == last.st_ino)
            answer = 0; /* the root is its own parent */
        if (answer != -1)
            break;
        last = at;
        up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (up < 0)
            answer = -errno;
        close(fd);
        fd = up;
    }
    if (fd >= 0)
        close(fd);
    return answer;
}

/* The directory has just been made. Its absolute name outlives a change of the working directory.
 */
static int open_branch(struct env *env, const char *path, struct env **ret)
{
    char *whole = realpath(path, NULL);
    int err = whole ? lies_within(whole, env_posix_of(env)->dir_fd) : -errno;

    if (err > 0)
        err = err_raise(EINVAL, "%s: lies within the store %s", path, env->path);
    else if (err)
        err = err_raise(-err, "%s: cannot be looked at: %s", path, err_text(err));
    if (!err)
        err = env_posix_open(whole, ENV_CREATE, ret);
    free(whole);
    return err;
}

int env_posix_branch(struct env *env, const char *path, struct env **ret)
{
    int err;

    if (mkdir(path, 0700)) {
        if (errno == EEXIST)
            return err_raise(EEXIST, "%s: there is something already", path);
        return err_raise(errno == EDQUOT ? ENOSPC : errno, "%s: cannot create the directory: %s",
                         path, err_text(-errno));
    }
    err = open_branch(env, path, ret);
    if (err) {
        /* The lock's file is all that can be in it. */
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0) {
            unlinkat(fd, "LOCK", 0);
            close(fd);
        }
        rmdir(path);
    }
    return err;
}

int env_posix_link_out(struct env *env, const char *name, struct env *branch)
{
    if (!linkat(env_posix_of(env)->dir_fd, name, env_posix_of(branch)->dir_fd, name, 0))
        return 0;
    switch (errno) {
    case EXDEV:
    case EPERM:
    case EMLINK:
    case ENOTSUP:
    case ENOSYS:
        return -ENOTSUP;
    case ENOENT:
        return err_raise(ENOENT, "%s/%s: missing", env->path, name);
    default:
        return env_posix_raise(branch, name, "link", errno);
    }
}

static void remove_contents(int dir_fd)
{
    int fd = env_posix_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
            unlinkat(fd, d->d_name, 0);
    }
    closedir(dir);
}

void env_posix_discard(struct env *branch)
{
    remove_contents(env_posix_of(branch)->dir_fd);
    rmdir(branch->path);
    env_close(branch);
}
