/*
 * The calls that go on until the daemon is killed under them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/file_pattern.h"
#include "mount/kills/kills.h"

enum {
    NOISE_FILES = 12,
    NOISE_LEN = 300000
};

/* Half of the slots are in one directory, half in another, so that renames cross. */
void slot_path(const struct worker *w, unsigned slot, char *path, size_t path_len)
{
    snprintf(path, path_len, "%s/%c/s%u", w->dir, slot % 2 ? 'b' : 'a', slot);
}

static int on_file(const char *path, const struct op *op, const char *other)
{
    static _Thread_local uint8_t pattern[FILE_LEN_MAX];
    int to = -1, err = -1, fd = open(path, op->kind == OP_FSYNC ? O_RDONLY : O_RDWR);

    if (fd < 0)
        return -1;
    if (op->kind == OP_WRITE) {
        pattern_fill(op->seed, pattern, op->len);
        err = pwrite(fd, pattern, op->len, op->offset) == (ssize_t)op->len ? 0 : -1;
    } else if (op->kind == OP_PUNCH) {
        err = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, op->offset, op->len);
    } else if (op->kind == OP_FSYNC) {
        err = op->seed & 2 ? fsync(fd) : fdatasync(fd);
    } else if ((to = open(other, O_WRONLY)) >= 0) {
        off_t from = 0, at = 0;

        err = copy_file_range(fd, &from, to, &at, op->len, 0) == (ssize_t)op->len ? 0 : -1;
        close(to);
    }
    close(fd);
    return err;
}

static int sync_dir(const char *path)
{
    int err, fd = open(path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return -1;
    err = fsync(fd);
    close(fd);
    return err;
}

static int make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* 0, or -1 when the file system has failed. */
static int make_call(struct worker *w, const struct op *op)
{
    char a[4200], b[4200];

    slot_path(w, op->a, a, sizeof(a));
    slot_path(w, op->b, b, sizeof(b));
    switch (op->kind) {
    case OP_CREATE:
        return make_file(a);
    case OP_TRUNCATE:
        return truncate(a, op->len);
    case OP_RENAME:
        return rename(a, b);
    case OP_EXCHANGE:
        return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
    case OP_LINK:
        return link(a, b);
    case OP_UNLINK:
        return unlink(a);
    case OP_CHMOD:
        return chmod(a, op->seed & 0777);
    case OP_SETXATTR:
        return setxattr(a, "user.mark", &op->seed, sizeof(op->seed), 0);
    case OP_FSYNC_DIR:
        return sync_dir(w->dir);
    default:
        return on_file(a, op, b);
    }
}

/* Whatever had returned, of any thread, when a sync began is durable when it has returned. */
static void note_sync(struct kills *k, const unsigned *returned)
{
    pthread_mutex_lock(&k->sync_mu);
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        if (k->workers[i].durable < returned[i])
            k->workers[i].durable = returned[i];
    pthread_mutex_unlock(&k->sync_mu);
}

void *worker_run(void *worker)
{
    struct worker *w = worker;
    struct kills *k = w->kills;

    for (unsigned n = 0; n < OP_COUNT_MAX && !atomic_load(&k->stop); n++) {
        struct op *op = &w->ops[n];
        unsigned returned[THREAD_COUNT];

        op_choose(&w->now, k->seldom_syncs, &w->random, op);
        op->ended = UINT64_MAX;
        op->begun = atomic_fetch_add(&k->clock, 1);
        for (unsigned i = 0; i < THREAD_COUNT; i++)
            returned[i] = atomic_load(&k->workers[i].returned);
        atomic_store(&w->made, n + 1);
        errno = 0;
        if (make_call(w, op) != 0) {
            CHECK_TRUE(atomic_load(&k->killed));
            break;
        }
        op->ended = atomic_fetch_add(&k->clock, 1);
        atomic_store(&w->returned, n + 1);
        if (is_sync(op->kind))
            note_sync(k, returned);
        state_apply(&w->now, op, op->len);
    }
    return NULL;
}

void noise_run(const char *dir, struct kills *k)
{
    static uint8_t bytes[NOISE_LEN];
    char path[4200];

    for (uint64_t n = 0; !atomic_load(&k->stop); n++) {
        int fd;
        ssize_t written;

        snprintf(path, sizeof(path), "%s/noise/n%u", dir, (unsigned)(n % NOISE_FILES));
        pattern_fill(atomic_load(&k->clock) + n, bytes, sizeof(bytes));
        unlink(path);
        fd = open(path, O_WRONLY | O_CREAT, 0644);
        if (fd < 0)
            return;
        written = write(fd, bytes, sizeof(bytes));
        close(fd);
        if (written < 0)
            return;
    }
}
