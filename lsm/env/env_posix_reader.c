/*
 * Files being read, at offsets: any number of threads may use one reader at once.
 *
 * Only plain files are opened. A link, a pipe or a device under a store's name would be somebody's
 * trick or mistake; opening must then neither follow nor block.
 */
#include "lsm/env/env_posix.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsm/base/err.h"

struct posix_reader {
    struct env_reader head;
    int fd;
};

static struct posix_reader *of(struct env_reader *r)
{
    return (struct posix_reader *)r;
}

int env_posix_reader_fd(const struct env_reader *r)
{
    return ((const struct posix_reader *)r)->fd;
}

static int open_plain(struct env *env, const char *name, int *ret)
{
    int errnum,
        fd = env_posix_openat(env_posix_of(env)->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : env_posix_raise(env, name, "open", errno);
    if (fstat(fd, &st)) {
        errnum = errno;
        close(fd);
        return env_posix_raise(env, name, "look at", errnum);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return err_raise(EINVAL, "%s/%s: not a plain file", env->path, name);
    }
    *ret = fd;
    return 0;
}

int env_posix_reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    struct posix_reader *r = calloc(1, sizeof(*r));
    int err = -ENOMEM;

    if (!r)
        return -ENOMEM;
    r->head.env = env;
    r->head.name = strdup(name);
    if (r->head.name)
        err = open_plain(env, name, &r->fd);
    if (err) {
        free(r->head.name);
        free(r);
        return err;
    }
    *ret = &r->head;
    return 0;
}

int env_posix_reader_read(struct env_reader *head, uint64_t offset, size_t len, void *buf,
                          size_t *ret_len)
{
    struct posix_reader *r = of(head);
    size_t done = 0;

    /* Nothing lies beyond what an off_t can say. */
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        len = offset > INT64_MAX ? 0 : (size_t)(INT64_MAX - offset);
    while (done < len) {
        ssize_t n = pread(r->fd, (char *)buf + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return env_posix_raise(head->env, head->name, "read", errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

int env_posix_reader_len(struct env_reader *head, uint64_t *ret_len)
{
    struct stat st;

    if (fstat(of(head)->fd, &st))
        return env_posix_raise(head->env, head->name, "look at", errno);
    *ret_len = (uint64_t)st.st_size;
    return 0;
}

void env_posix_reader_prefetch(struct env_reader *head, uint64_t offset, uint64_t len)
{
    if (offset <= INT64_MAX && len <= INT64_MAX - offset)
        posix_fadvise(of(head)->fd, (off_t)offset, (off_t)len, POSIX_FADV_WILLNEED);
}

void env_posix_reader_close(struct env_reader *head)
{
    struct posix_reader *r = of(head);

    close(r->fd);
    free(r->head.name);
    free(r);
}
