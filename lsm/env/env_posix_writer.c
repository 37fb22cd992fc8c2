/*
 * Files being written: appended to, never overwritten.
 *
 * Bytes go to the offset `len` and not to a shared file position, so after a failed append nothing
 * but the file's length needs repair. Where even that fails (a full disk of some file systems does
 * not let a file be cut), it is tried again before the next append, which fails as long as it
 * does; a sync needs no right length. A sync that fails poisons the writer: what of the bytes is on
 * disk is no longer known, and every later call gives the same error. `poison` is atomic because a
 * sync may run beside an append.
 *
 * Space that is reserved counts in the file's length at once: then a sync has no new length to make
 * durable as well, which costs about as much as the data. A crash leaves it, as zeros at the end.
 */
#include "lsm/env/env_posix.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lsm/base/err.h"

enum {
    IOV_COUNT_MAX = 256,
    ZERO_STEP_LEN = 4096, /* a page: the kernel writes back what was written together, together */
};

struct posix_writer {
    struct env_writer head;
    int fd;
    atomic_int poison;   /* the errno of the failure that nothing may follow */
    uint64_t reserved;   /* bytes; not above head.len when nothing is reserved */
    bool cannot_reserve; /* the file system offers no such thing */
    int undo_errnum;     /* of an append that failed half way and is not undone; 0 */
};

static struct posix_writer *of(struct env_writer *w)
{
    return (struct posix_writer *)w;
}

static int raise_writer(const struct posix_writer *w, const char *doing, int errnum)
{
    return env_posix_raise(w->head.env, w->head.name, doing, errnum);
}

static int refuse(struct posix_writer *w)
{
    int errnum = atomic_load(&w->poison);

    if (!errnum)
        return 0;
    return raise_writer(w, "go on after an earlier failure", errnum);
}

int env_posix_writer_fd(const struct env_writer *w)
{
    return ((const struct posix_writer *)w)->fd;
}

static int truncate_fd(int fd, uint64_t len)
{
    int err;

    do
        err = ftruncate(fd, (off_t)len);
    while (err && errno == EINTR);
    return err;
}

/* 0 when bytes can be put at the end. */
static int prepare(struct posix_writer *w)
{
    int err = refuse(w);

    if (err || !w->undo_errnum)
        return err;
    if (truncate_fd(w->fd, w->head.len))
        return raise_writer(w, "undo a write that failed", w->undo_errnum);
    w->undo_errnum = 0;
    return 0;
}

int env_posix_writer_prepare(struct env_writer *w)
{
    return prepare(of(w));
}

int env_posix_writer_fail_sync(struct env_writer *w, int errnum)
{
    atomic_store(&of(w)->poison, errnum);
    return raise_writer(of(w), "sync", errnum);
}

/* Fill iov with what follows `skip` bytes of the first part. */
static int fill(struct iovec *iov, const struct slice *parts, unsigned part_count, size_t skip)
{
    int count = 0;

    for (unsigned i = 0; i < part_count && count < IOV_COUNT_MAX; i++, skip = 0) {
        if (parts[i].len == skip)
            continue;
        iov[count].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
        iov[count++].iov_len = parts[i].len - skip;
    }
    return count;
}

int env_posix_write(int fd, const struct slice *parts, unsigned part_count, uint64_t offset,
                    uint64_t *ret_len)
{
    struct iovec iov[IOV_COUNT_MAX];
    size_t skip = 0;
    int count;

    *ret_len = 0;
    while ((count = fill(iov, parts, part_count, skip)) > 0) {
        off_t at = (off_t)(offset + *ret_len);
        /* One piece is the usual case, and cheaper so. */
        ssize_t n =
            count == 1 ? pwrite(fd, iov->iov_base, iov->iov_len, at) : pwritev(fd, iov, count, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        *ret_len += (uint64_t)n;
        skip += (size_t)n;
        for (; part_count && skip >= parts->len; parts++, part_count--)
            skip -= parts->len;
    }
    return 0;
}

/* A plain file may lose its name; what is none, no program of ours has made. 0 or an errno. */
static int remove_plain(int dir_fd, const char *name)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : errno;
    if (S_ISLNK(st.st_mode))
        return ELOOP;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
    return unlinkat(dir_fd, name, 0) && errno != ENOENT ? errno : 0;
}

/*
 * A file that has the name already, left by a crash or put there by somebody, is not written to: it
 * may have other names, outside of the store.
 */
static int create_anew(int dir_fd, const char *name)
{
    int errnum = 0, fd = env_posix_openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL);

    for (int tries = 3; fd < 0 && errno == EEXIST && tries > 0 && !errnum; tries--) {
        errnum = remove_plain(dir_fd, name);
        if (!errnum)
            fd = env_posix_openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL);
    }
    if (errnum)
        errno = errnum;
    return fd;
}

int env_posix_writer_create(struct env *env, const char *name, struct env_writer **ret)
{
    struct posix_writer *w = calloc(1, sizeof(*w));
    int errnum;

    if (!w)
        return -ENOMEM;
    w->head.env = env;
    w->head.name = strdup(name);
    if (!w->head.name) {
        free(w);
        return -ENOMEM;
    }
    w->fd = create_anew(env_posix_of(env)->dir_fd, name);
    if (w->fd < 0) {
        errnum = errno;
        free(w->head.name);
        free(w);
        return env_posix_raise(env, name, "create", errnum);
    }
    *ret = &w->head;
    return 0;
}

int env_posix_writer_append(struct env_writer *head, const struct slice *parts, unsigned part_count)
{
    struct posix_writer *w = of(head);
    uint64_t written;
    int errnum, err = prepare(w);

    if (err)
        return err;
    errnum = env_posix_write(w->fd, parts, part_count, w->head.len, &written);
    if (!errnum) {
        w->head.len += written;
        return 0;
    }
    err = raise_writer(w, "write", errnum);
    if (written == 0)
        return err;
    w->reserved = 0;
    if (truncate_fd(w->fd, w->head.len))
        w->undo_errnum = errnum;
    return err;
}

int env_posix_writer_sync(struct env_writer *head)
{
    struct posix_writer *w = of(head);
    int err = refuse(w);

    if (err || !env_posix_fsync(w->fd, true))
        return err;
    return env_posix_writer_fail_sync(head, errno);
}

int env_posix_writer_reserve(struct env_writer *head, uint64_t len)
{
    struct posix_writer *w = of(head);
    uint64_t from = w->reserved > w->head.len ? w->reserved : w->head.len;
    int answer, err = prepare(w);

    if (err || len <= from || w->cannot_reserve)
        return err;
    if (len > INT64_MAX)
        return raise_writer(w, "reserve space", EFBIG);
    do
        answer = fallocate(w->fd, 0, (off_t)from, (off_t)(len - from));
    while (answer && errno == EINTR);
    if (answer && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        w->cannot_reserve = true;
        return 0;
    }
    if (answer) {
        err = raise_writer(w, "reserve space", errno);
        /* A part may have been reserved, which must not stay when the disk is full. */
        if (w->reserved <= w->head.len)
            (void)!truncate_fd(w->fd, w->head.len);
        return err;
    }
    w->reserved = len;
    return 0;
}

void env_posix_writer_zero(struct env_writer *head, uint64_t len)
{
    static const uint8_t zeros[ZERO_STEP_LEN];
    struct posix_writer *w = of(head);
    uint64_t at = head->len, written;

    if (!env_posix_of(head->env)->overwrites)
        return;
    while (at < len && len <= w->reserved && !atomic_load(&w->poison)) {
        uint64_t step = len - at < ZERO_STEP_LEN ? len - at : ZERO_STEP_LEN;
        struct slice part = slice_of(zeros, (size_t)step);

        /* What matters of a failure, the next append or sync will meet as well. */
        if (env_posix_write(w->fd, &part, 1, at, &written))
            break;
        at += written;
    }
}

int env_posix_writer_truncate(struct env_writer *head, uint64_t len)
{
    struct posix_writer *w = of(head);
    int err = refuse(w);

    if (err)
        return err;
    if (len > w->head.len)
        return raise_writer(w, "cut beyond its end", EINVAL);
    if (truncate_fd(w->fd, len))
        return raise_writer(w, "cut", errno);
    w->head.len = len;
    w->reserved = 0;
    w->undo_errnum = 0;
    return 0;
}

int env_posix_writer_close(struct env_writer *head)
{
    struct posix_writer *w = of(head);
    int err = refuse(w);

    /* One more try at an append that could not be undone: others will read this file. */
    if ((w->reserved > w->head.len || w->undo_errnum) && truncate_fd(w->fd, w->head.len) && !err)
        err = raise_writer(w, "give back reserved space", errno);
    /* After EINTR the descriptor is closed all the same. */
    if (close(w->fd) && errno != EINTR && !err)
        err = raise_writer(w, "close", errno);
    free(w->head.name);
    free(w);
    return err;
}
