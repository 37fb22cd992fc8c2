/*
 * Calls about contents.
 *
 * Through a descriptor with O_DIRECT offsets, lengths and buffers are made multiples of a page:
 * what else it takes differs between file systems.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#include "mount/differential/diff.h"

enum {
    PAGE_LEN = 4096,
    HOLE_LOOK_LEN = 65536 /* bytes of a hole that are read at either end */
};

static _Alignas(PAGE_LEN) uint8_t data[DATA_LEN_MAX + PAGE_LEN];

static bool is_direct(const struct side *s, const struct step *st)
{
    return s->fds[st->slot] >= 0 && s->is_direct[st->slot];
}

static uint64_t direct_offset(uint64_t n)
{
    return n / PAGE_LEN * PAGE_LEN;
}

static bool is_regular(int fd, struct stat *st)
{
    return fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

/* --- Reading and writing --- */

/* Directories, devices and FIFOs answer too; only what was read counts. */
static int64_t read_seen(struct side *s, ssize_t n)
{
    if (n > 0)
        s->result->data = XXH3_64bits(data, (size_t)n);
    return n;
}

int64_t call_read(struct side *s, const struct step *st)
{
    if (is_direct(s, st))
        return 0;
    return read_seen(s, read(side_fd(s, st->slot), data, st->len));
}

int64_t call_pread(struct side *s, const struct step *st)
{
    uint64_t offset = is_direct(s, st) ? direct_offset(st->offset) : st->offset;
    uint64_t len = is_direct(s, st) ? direct_offset(st->len) : st->len;

    return read_seen(s, pread(side_fd(s, st->slot), data, len, (off_t)offset));
}

int64_t call_write(struct side *s, const struct step *st)
{
    struct iovec parts[2];

    if (is_direct(s, st))
        return 0;
    data_fill(st->seed, data, st->len);
    if (st->flags & 1)
        return write(side_fd(s, st->slot), data, st->len);
    parts[0] = (struct iovec){data, st->len / 3};
    parts[1] = (struct iovec){data + st->len / 3, st->len - st->len / 3};
    return writev(side_fd(s, st->slot), parts, 2);
}

int64_t call_pwrite(struct side *s, const struct step *st)
{
    uint64_t offset = is_direct(s, st) ? direct_offset(st->offset) : st->offset;
    uint64_t len = is_direct(s, st) ? direct_offset(st->len) : st->len;

    data_fill(st->seed, data, len);
    return pwrite(side_fd(s, st->slot), data, len, (off_t)offset);
}

int64_t call_lseek(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);
    struct stat found;

    /* In a directory every file system has offsets of its own. */
    if (fd >= 0 && !is_regular(fd, &found))
        return 0;
    return lseek(fd, (off_t)st->offset - (st->flags == SEEK_SET ? 0 : 5000), st->flags);
}

/* --- Holes --- */

static bool is_zero(int fd, uint64_t from, uint64_t end)
{
    while (from < end) {
        size_t len = end - from < HOLE_LOOK_LEN ? (size_t)(end - from) : HOLE_LOOK_LEN;
        ssize_t n = pread(fd, data, len, (off_t)from);

        if (n <= 0)
            return true; /* not open for reading */
        for (ssize_t i = 0; i < n; i++)
            if (data[i])
                return false;
        from += (uint64_t)n;
    }
    return true;
}

static void hole_check(struct side *s, int fd, uint64_t from, uint64_t end)
{
    uint64_t cut = end - from > 2 * HOLE_LOOK_LEN ? from + HOLE_LOOK_LEN : end;

    if (!is_zero(fd, from, cut) || (cut < end && !is_zero(fd, end - HOLE_LOOK_LEN, end)))
        side_broken(s, "there are bytes in the hole %llu to %llu", (unsigned long long)from,
                    (unsigned long long)end);
}

/* Data and holes take turns up to the end of the file, and holes read as zeros. */
static void map_check(struct side *s, int fd, uint64_t size)
{
    uint64_t at = 0;

    while (at < size) {
        off_t found = lseek(fd, (off_t)at, SEEK_DATA);
        uint64_t data_at = found < 0 ? size : (uint64_t)found;

        if (found < 0 && errno != ENXIO)
            side_broken(s, "SEEK_DATA from %llu: %s", (unsigned long long)at, strerror(errno));
        if (data_at < at || data_at > size)
            side_broken(s, "SEEK_DATA from %llu is %llu of %llu", (unsigned long long)at,
                        (unsigned long long)data_at, (unsigned long long)size);
        if (data_at > at)
            hole_check(s, fd, at, data_at);
        if (data_at >= size || s->result->broken[0])
            return;
        found = lseek(fd, (off_t)data_at, SEEK_HOLE);
        if (found <= (off_t)data_at || (uint64_t)found > size) {
            side_broken(s, "SEEK_HOLE from %llu is %lld of %llu", (unsigned long long)data_at,
                        (long long)found, (unsigned long long)size);
            return;
        }
        at = (uint64_t)found;
    }
}

int64_t call_holes(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);
    off_t pos, found;
    struct stat stat;

    if (!is_regular(fd, &stat))
        return 0;
    pos = lseek(fd, 0, SEEK_CUR);
    if (pos < 0) /* O_PATH */
        return -1;
    if (!s->is_direct[st->slot])
        map_check(s, fd, (uint64_t)stat.st_size);
    found = lseek(fd, stat.st_size + (off_t)(st->seed % 2), st->seed & 2 ? SEEK_DATA : SEEK_HOLE);
    if (found >= 0 || errno != ENXIO)
        side_broken(s, "a seek behind the end of the file is not ENXIO");
    return lseek(fd, pos, SEEK_SET);
}

int64_t call_ftruncate(struct side *s, const struct step *st)
{
    return ftruncate(side_fd(s, st->slot), (off_t)st->offset);
}

int64_t call_truncate(struct side *s, const struct step *st)
{
    (void)s;
    return truncate(st->path, st->seed % 4 ? (off_t)st->offset : 0);
}

/* A hole that was punched must be a hole, as far as whole blocks of any size lie in it. */
static void punched_check(struct side *s, int fd, uint64_t from, uint64_t end)
{
    uint64_t block = 1 << 20;
    off_t pos = lseek(fd, 0, SEEK_CUR), found;
    struct stat st;

    from = (from + block - 1) / block * block;
    end = end / block * block;
    if (from >= end || !is_regular(fd, &st) || from >= (uint64_t)st.st_size)
        return;
    found = lseek(fd, (off_t)from, SEEK_DATA);
    if (found >= 0 && (uint64_t)found < end)
        side_broken(s, "data at %lld in the punched hole %llu to %llu", (long long)found,
                    (unsigned long long)from, (unsigned long long)end);
    lseek(fd, pos, SEEK_SET);
}

int64_t call_fallocate(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);
    /* Holes may be long; room is really taken on ext4. */
    uint64_t len = st->flags & FALLOC_FL_PUNCH_HOLE && st->seed % 4 == 0 ? st->len * 64 : st->len;
    int r = fallocate(fd, st->flags, (off_t)st->offset, (off_t)len);

    if (r == 0 && st->flags & FALLOC_FL_PUNCH_HOLE)
        punched_check(s, fd, st->offset, st->offset + len);
    return r;
}

/* --- Memory maps --- */

static sigjmp_buf bus_env;

static void bus_caught(int sig)
{
    (void)sig;
    siglongjmp(bus_env, 1);
}

/* What to map: the page of the offset to the end of the length, as far as the file goes. */
struct span {
    uint64_t map_at, from, end;
};

static bool span_of(int fd, const struct step *st, struct span *ret)
{
    struct stat found;
    uint64_t size;

    if (!is_regular(fd, &found))
        return false;
    size = (uint64_t)found.st_size;
    if (size == 0)
        return false;
    ret->from = st->offset < size ? st->offset : st->offset % size;
    ret->end = ret->from + st->len < size ? ret->from + st->len : size;
    ret->map_at = direct_offset(ret->from);
    return ret->end > ret->from;
}

int64_t call_mmap_read(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);
    struct span at;
    uint8_t *p;

    if (!span_of(fd, st, &at))
        return 0;
    p = mmap(NULL, at.end - at.map_at, PROT_READ, st->flags & 1 ? MAP_SHARED : MAP_PRIVATE, fd,
             (off_t)at.map_at);
    if (p == MAP_FAILED)
        return -1;
    signal(SIGBUS, bus_caught);
    if (sigsetjmp(bus_env, 1) == 0)
        s->result->data = XXH3_64bits(p + (at.from - at.map_at), at.end - at.from);
    else
        side_broken(s, "SIGBUS inside of the file");
    munmap(p, at.end - at.map_at);
    return 0;
}

int64_t call_mmap_write(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot), r = 0;
    struct span at;
    uint8_t *p;

    if (!span_of(fd, st, &at))
        return 0;
    p = mmap(NULL, at.end - at.map_at, PROT_READ | PROT_WRITE,
             st->flags & 1 ? MAP_PRIVATE : MAP_SHARED, fd, (off_t)at.map_at);
    if (p == MAP_FAILED)
        return -1;
    signal(SIGBUS, bus_caught);
    if (sigsetjmp(bus_env, 1) == 0) {
        data_fill(st->seed, p + (at.from - at.map_at), at.end - at.from);
        /* Without it the kernel chooses the moment at which mtime changes. */
        r = msync(p, at.end - at.map_at, MS_SYNC);
    } else {
        side_broken(s, "SIGBUS inside of the file");
    }
    munmap(p, at.end - at.map_at);
    return r;
}

/* --- The rest --- */

int64_t call_fsync(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);

    return st->flags & 1 ? fsync(fd) : fdatasync(fd);
}

/* The next read must ask the file system again. */
int64_t call_forget_pages(struct side *s, const struct step *st)
{
    int err = posix_fadvise(side_fd(s, st->slot), 0, 0, POSIX_FADV_DONTNEED);

    errno = err;
    return err ? -1 : 0;
}

/* Mostly at the same place within a page or block, where blocks can be shared. */
static uint64_t copy_target(const struct step *st)
{
    uint64_t unit = st->flags & 1 ? 65536 : PAGE_LEN;

    if (st->flags % 4 == 0)
        return st->seed % 400000;
    return st->seed % (400000 / unit) * unit + st->offset % unit;
}

/* Until all is copied, or nothing more comes. */
int64_t call_copy_range(struct side *s, const struct step *st)
{
    off_t from = (off_t)st->offset, to = (off_t)copy_target(st);
    uint64_t len = st->flags & 2 ? st->len * 4 : st->len, done = 0;

    if (side_fd(s, st->slot) >= 0 && side_fd(s, st->slot2) >= 0 &&
        (s->is_direct[st->slot] || s->is_direct[st->slot2]))
        return 0;
    do {
        ssize_t n =
            copy_file_range(side_fd(s, st->slot), &from, side_fd(s, st->slot2), &to, len - done, 0);

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (uint64_t)n;
    } while (done < len);
    return (int64_t)done;
}

int64_t call_sendfile(struct side *s, const struct step *st)
{
    off_t from = (off_t)st->offset;
    uint64_t done = 0;

    if (side_fd(s, st->slot) >= 0 && side_fd(s, st->slot2) >= 0 &&
        (s->is_direct[st->slot] || s->is_direct[st->slot2]))
        return 0;
    do {
        ssize_t n = sendfile(side_fd(s, st->slot2), side_fd(s, st->slot), &from, st->len - done);

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (uint64_t)n;
    } while (done < st->len);
    return (int64_t)done;
}

/* Names and attributes must come from the store again. */
int64_t call_drop_caches(struct side *s, const struct step *st)
{
    (void)st;
    side_become(s, 0);
    if (s->drop_fd >= 0 && write(s->drop_fd, "2", 1) != 1)
        side_broken(s, "drop_caches: %s", strerror(errno));
    return 0;
}
