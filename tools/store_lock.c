/*
 * A store's lock, looked at from outside. F_OFD_GETLK asks without taking: a probe that took the
 * lock for a moment could make another process fail to open the store.
 */
#include "tools/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_MS_MAX = 50
};

static int open_lock(const char *store)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
    char *path;
    int fd;

    if (asprintf(&path, "%s/LOCK", store) < 0)
        return -1;
    /* A look must change nothing, not even the time of the last look. */
    fd = open(path, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM)
        fd = open(path, flags);
    free(path);
    return fd;
}

long store_lock_pid(const char *store)
{
    char text[32] = "";
    int fd = open_lock(store);
    ssize_t len;
    long pid;

    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    pid = len > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 ? pid : 0;
}

bool store_lock_held(const char *store)
{
    /* A read lock conflicts with a writer's only: readers have nothing to bring to disk. */
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open_lock(store);
    bool held;

    if (fd < 0)
        return false;
    held = !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}

void store_lock_wait(const char *store, long pid)
{
    unsigned wait_ms = 1;

    /* Another name in the file: the store was closed, and opened again by somebody else. */
    while (store_lock_held(store) && store_lock_pid(store) == pid) {
        struct timespec t = {.tv_nsec = (long)wait_ms * 1000000};

        nanosleep(&t, NULL);
        wait_ms = wait_ms * 2 < WAIT_MS_MAX ? wait_ms * 2 : WAIT_MS_MAX;
    }
}
