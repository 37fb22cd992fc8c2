/*
 * Reading a directory by getdents64(2), with a buffer of the caller's size, so that a listing takes
 * many calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount/differential/diff.h"

struct kernel_dirent {
    uint64_t ino;
    int64_t offset;
    unsigned short len;
    unsigned char type;
    char name[];
};

static bool add(struct listed **all, size_t *count, const struct kernel_dirent *d)
{
    struct listed *more = realloc(*all, (*count + 1) * sizeof(**all));

    if (!more)
        return false;
    *all = more;
    more[*count] = (struct listed){strdup(d->name), d->ino, d->type, d->offset};
    return more[(*count)++].name;
}

ssize_t list_read(int fd, size_t buf_len, struct listed **ret)
{
    uint64_t buf[8192 / sizeof(uint64_t)];
    struct listed *all = NULL;
    size_t count = 0;
    long n;

    if (buf_len > sizeof(buf))
        buf_len = sizeof(buf);
    while ((n = syscall(SYS_getdents64, fd, buf, buf_len)) > 0) {
        const struct kernel_dirent *d;

        for (long at = 0; at < n; at += d->len) {
            d = (const struct kernel_dirent *)(const void *)((const char *)buf + at);
            if (!add(&all, &count, d))
                abort();
        }
    }
    if (n < 0) {
        int err = errno;

        list_free(all, count);
        errno = err;
        return -1;
    }
    *ret = all;
    return (ssize_t)count;
}

void list_free(struct listed *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(all[i].name);
    free(all);
}
