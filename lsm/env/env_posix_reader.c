/*
 * Files being read, at offsets: any number of threads may use one reader at once.
 *
 * Only plain files are opened. A link, a pipe or a device under a store's name would be somebody's
 * trick or mistake; opening must then neither follow nor block.
 */
#include "lsm/env/env_posix.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsm/base/err.h"

struct posix_reader {
    struct env_reader head;
    struct fd_entry entry;
    struct read_around around;
};

static struct posix_reader *of(struct env_reader *r)
{
    return (struct posix_reader *)r;
}

/* *ret_len, which may be NULL, gets the file's length. */
static int open_plain(struct env *env, const char *name, int *ret, uint64_t *ret_len)
{
    int errnum,
        fd = env_posix_open_file(env_posix_of(env), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
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
    if (ret_len)
        *ret_len = (uint64_t)st.st_size;
    return 0;
}

static struct fd_cache *fds_of(const struct env_reader *r)
{
    return &env_posix_of(r->env)->fds;
}

/*
 * The file must still be there: names are removed only when nobody reads them any more. Not -ENOENT
 * then, which means that a key does not exist.
 */
static int reopen(void *arg, int *ret_fd)
{
    const struct env_reader *r = arg;
    int err = open_plain(r->env, r->name, ret_fd, NULL);

    if (err == -ENOENT)
        return err_raise(ERR_FILE_MISSING, "%s/%s: was removed while it was in use", r->env->path,
                         r->name);
    return err;
}

int env_posix_reader_pin(struct env_reader *r, int *ret_fd)
{
    return fd_cache_pin(fds_of(r), &of(r)->entry, reopen, r, ret_fd);
}

void env_posix_reader_unpin(struct env_reader *r)
{
    fd_cache_unpin(&of(r)->entry);
}

int env_posix_reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    struct posix_reader *r = calloc(1, sizeof(*r));
    int fd = -1, err = -ENOMEM;
    uint64_t len = 0;

    if (!r)
        return -ENOMEM;
    r->head.env = env;
    r->head.name = strdup(name);
    if (r->head.name)
        err = open_plain(env, name, &fd, &len);
    if (err) {
        free(r->head.name);
        free(r);
        return err;
    }
    read_around_init(&r->around, &env_posix_of(env)->around, len);
    fd_cache_add(&env_posix_of(env)->fds, &r->entry, fd);
    *ret = &r->head;
    return 0;
}

static int read_all(const struct env_reader *r, int fd, uint64_t offset, size_t len, void *buf,
                    size_t *ret_len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return env_posix_raise(r->env, r->name, "read", errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

int env_posix_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                          size_t *ret_len)
{
    uint64_t around_offset, around_len;
    int fd, err = env_posix_reader_pin(r, &fd);

    if (err)
        return err;
    if (read_around_wants(&of(r)->around, offset, len, &around_offset, &around_len))
        posix_fadvise(fd, (off_t)around_offset, (off_t)around_len, POSIX_FADV_WILLNEED);
    /* Nothing lies beyond what an off_t can say. */
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        len = offset > INT64_MAX ? 0 : (size_t)(INT64_MAX - offset);
    err = read_all(r, fd, offset, len, buf, ret_len);
    env_posix_reader_unpin(r);
    return err;
}

/* Forget what has come of the parts. */
static void parts_advance(struct iovec **parts, unsigned *count, size_t len)
{
    while (*count && len >= (*parts)->iov_len) {
        len -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (len) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + len;
        (*parts)->iov_len -= len;
    }
}

static int read_parts(const struct env_reader *r, int fd, uint64_t offset, struct iovec *parts,
                      unsigned count, size_t *ret_len)
{
    size_t done = 0;

    while (count) {
        ssize_t n = preadv(fd, parts, (int)count, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return env_posix_raise(r->env, r->name, "read", errno);
        if (n == 0)
            break;
        done += (size_t)n;
        parts_advance(&parts, &count, (size_t)n);
    }
    *ret_len = done;
    return 0;
}

int env_posix_reader_read_parts(struct env_reader *r, uint64_t offset, const struct iovec *parts,
                                unsigned count, size_t *ret_len)
{
    struct iovec left[IOV_MAX];
    int fd, err;

    if (count > IOV_MAX || offset > INT64_MAX)
        return -EINVAL;
    err = env_posix_reader_pin(r, &fd);
    if (err)
        return err;
    memcpy(left, parts, count * sizeof(*parts));
    err = read_parts(r, fd, offset, left, count, ret_len);
    env_posix_reader_unpin(r);
    return err;
}

int env_posix_reader_len(struct env_reader *r, uint64_t *ret_len)
{
    struct stat st;
    int fd, err = env_posix_reader_pin(r, &fd);

    if (err)
        return err;
    if (fstat(fd, &st))
        err = env_posix_raise(r->env, r->name, "look at", errno);
    else
        *ret_len = (uint64_t)st.st_size;
    env_posix_reader_unpin(r);
    return err;
}

void env_posix_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len)
{
    int fd;

    if (offset > INT64_MAX || len > INT64_MAX - offset || env_posix_reader_pin(r, &fd))
        return;
    posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_WILLNEED);
    env_posix_reader_unpin(r);
}

void env_posix_reader_close(struct env_reader *r)
{
    fd_cache_remove(fds_of(r), &of(r)->entry);
    read_around_done(&of(r)->around);
    free(r->name);
    free(of(r));
}
