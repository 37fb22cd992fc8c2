/*
 * The calls, each on the file and on the model.
 *
 * The file is open three times (plainly, for direct transfers, for appending) and mapped, all at
 * once, and all must show the same. What was stored through the map is left to the kernel to write
 * whenever it likes, except before SEEK_HOLE: the kernel's FUSE asks the daemon, who does not know
 * of it yet.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/exercise/exercise.h"
#include "mount/file_pattern.h"

static _Alignas(PAGE_LEN) uint8_t data[FILE_LEN_MAX + PAGE_LEN];

typedef void call_fn(struct exercise *x, const struct step *st, struct opened *f, struct model *m);

static void must(const struct exercise *x, bool ok, const char *what)
{
    if (!ok)
        wrong(x, "%s: %s", what, strerror(errno));
}

/* --- Reading --- */

/* What a read of this range must give. */
static uint64_t readable(const struct model *m, uint64_t offset, uint64_t len)
{
    if (offset >= m->size)
        return 0;
    return len < m->size - offset ? len : m->size - offset;
}

static void read_checked(struct exercise *x, unsigned file, int fd, uint64_t offset, uint64_t len)
{
    uint64_t want = readable(&x->models[file], offset, len);
    ssize_t n = pread(fd, data, len, (off_t)offset);

    must(x, n >= 0, "read");
    if ((uint64_t)n != want)
        wrong(x, "read of file %u at %llu gives %zd bytes of %llu", file,
              (unsigned long long)offset, n, (unsigned long long)want);
    compare(x, file, offset, data, want);
}

static void call_read(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    (void)m;
    read_checked(x, st->file, f->fd, st->offset, st->len);
}

static uint64_t sectors(uint64_t n)
{
    return n / SECTOR_LEN * SECTOR_LEN;
}

static void call_direct_read(struct exercise *x, const struct step *st, struct opened *f,
                             struct model *m)
{
    (void)m;
    read_checked(x, st->file, f->direct_fd, sectors(st->offset), sectors(st->len));
}

static void call_map_read(struct exercise *x, const struct step *st, struct opened *f,
                          struct model *m)
{
    compare(x, st->file, st->offset, f->map + st->offset, readable(m, st->offset, st->len));
}

void compare_all(struct exercise *x, unsigned file, uint64_t seed)
{
    const struct opened *f = &x->files[file];
    uint64_t size = x->models[file].size;
    struct stat st;

    must(x, fstat(f->fd, &st) == 0, "fstat");
    if ((uint64_t)st.st_size != size)
        wrong(x, "file %u has %llu bytes, not %llu", file, (unsigned long long)st.st_size,
              (unsigned long long)size);
    switch (seed % 3) {
    case 0:
        compare(x, file, 0, f->map, size);
        break;
    case 1:
        read_checked(x, file, f->direct_fd, 0, sectors(FILE_LEN_MAX + SECTOR_LEN));
        break;
    default:
        read_checked(x, file, f->fd, 0, FILE_LEN_MAX);
    }
}

static void call_compare(struct exercise *x, const struct step *st, struct opened *f,
                         struct model *m)
{
    (void)f;
    (void)m;
    compare_all(x, st->file, st->seed);
}

/* --- Writing --- */

static void call_write(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    pattern_fill(st->seed, data, st->len);
    must(x, pwrite(f->fd, data, st->len, (off_t)st->offset) == (ssize_t)st->len, "write");
    model_set(m, st->offset, data, st->len);
}

static void call_write_vector(struct exercise *x, const struct step *st, struct opened *f,
                              struct model *m)
{
    uint64_t cut = st->seed % st->len;
    struct iovec parts[] = {{data, cut}, {data + cut, st->len - cut}};

    pattern_fill(st->seed, data, st->len);
    must(x, pwritev(f->fd, parts, 2, (off_t)st->offset) == (ssize_t)st->len, "pwritev");
    model_set(m, st->offset, data, st->len);
}

static void call_append(struct exercise *x, const struct step *st, struct opened *f,
                        struct model *m)
{
    uint64_t len = st->len < FILE_LEN_MAX - m->size ? st->len : FILE_LEN_MAX - m->size;

    pattern_fill(st->seed, data, len);
    must(x, write(f->append_fd, data, len) == (ssize_t)len, "append");
    model_set(m, m->size, data, len);
}

static void call_direct_write(struct exercise *x, const struct step *st, struct opened *f,
                              struct model *m)
{
    uint64_t offset = sectors(st->offset), len = sectors(st->len);

    pattern_fill(st->seed, data, len);
    must(x, pwrite(f->direct_fd, data, len, (off_t)offset) == (ssize_t)len, "direct write");
    model_set(m, offset, data, len);
}

static void call_map_write(struct exercise *x, const struct step *st, struct opened *f,
                           struct model *m)
{
    uint64_t len = readable(m, st->offset, st->len), from = st->offset / PAGE_LEN * PAGE_LEN;

    if (len == 0)
        return;
    pattern_fill(st->seed, data, len);
    memcpy(f->map + st->offset, data, len);
    model_set(m, st->offset, data, len);
    f->map_is_dirty = true;
    if (st->seed % 4 == 0)
        must(x, msync(f->map + from, st->offset + len - from, MS_SYNC) == 0, "msync");
}

/* --- Sizes and holes --- */

static void call_truncate(struct exercise *x, const struct step *st, struct opened *f,
                          struct model *m)
{
    uint64_t size = st->seed % 16 == 0 ? 0 : st->offset;
    int r = st->seed & 1 ? truncate(f->path, (off_t)size) : ftruncate(f->fd, (off_t)size);

    must(x, r == 0, "truncate");
    model_resize(m, size);
}

static void call_punch(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    must(x,
         fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)st->offset,
                   (off_t)st->len) == 0,
         "punch");
    model_clear(m, st->offset, st->len);
}

static void grow(struct model *m, uint64_t end)
{
    if (m->size < end)
        model_resize(m, end);
}

static void call_zero(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    bool keeps = st->seed & 1;
    int flags = FALLOC_FL_ZERO_RANGE | (keeps ? FALLOC_FL_KEEP_SIZE : 0);

    must(x, fallocate(f->fd, flags, (off_t)st->offset, (off_t)st->len) == 0, "zero");
    model_clear(m, st->offset, st->len);
    if (!keeps)
        grow(m, st->offset + st->len);
}

static void call_allocate(struct exercise *x, const struct step *st, struct opened *f,
                          struct model *m)
{
    bool keeps = st->seed & 1;

    must(x,
         fallocate(f->fd, keeps ? FALLOC_FL_KEEP_SIZE : 0, (off_t)st->offset, (off_t)st->len) == 0,
         "allocate");
    if (!keeps)
        grow(m, st->offset + st->len);
}

/* Data and holes take turns up to the end, and holes are zeros. */
static void call_holes(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    off_t at = 0, size = (off_t)m->size;

    if (f->map_is_dirty)
        must(x, msync(f->map, FILE_LEN_MAX, MS_SYNC) == 0, "msync");
    f->map_is_dirty = false;
    memset(data, 0, sizeof(data));
    while (at < size) {
        off_t found = lseek(f->fd, at, SEEK_DATA);

        must(x, found >= 0 || errno == ENXIO, "SEEK_DATA");
        if (found < 0)
            found = size;
        if (found < at || found > size)
            wrong(x, "SEEK_DATA from %lld is %lld", (long long)at, (long long)found);
        compare(x, st->file, (uint64_t)at, data, (uint64_t)(found - at));
        if (found == size)
            return;
        at = lseek(f->fd, found, SEEK_HOLE);
        if (at <= found || at > size)
            wrong(x, "SEEK_HOLE from %lld is %lld", (long long)found, (long long)at);
    }
}

/* --- Copying --- */

static void call_copy(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    off_t from = (off_t)st->source_offset, to = (off_t)st->offset;

    for (uint64_t done = 0; done < st->len;) {
        ssize_t n = copy_file_range(x->files[st->source].fd, &from, f->fd, &to, st->len - done, 0);

        must(x, n > 0, "copy_file_range");
        done += (uint64_t)n;
    }
    model_set(m, st->offset, x->models[st->source].bytes + st->source_offset, st->len);
}

static void call_splice(struct exercise *x, const struct step *st, struct opened *f,
                        struct model *m)
{
    off_t from = (off_t)st->source_offset;
    uint64_t len = st->len < IO_LEN_MAX ? st->len : IO_LEN_MAX;

    must(x, lseek(f->fd, (off_t)st->offset, SEEK_SET) >= 0, "lseek");
    for (uint64_t done = 0; done < len;) {
        ssize_t n = sendfile(f->fd, x->files[st->source].fd, &from, len - done);

        must(x, n > 0, "sendfile");
        done += (uint64_t)n;
    }
    model_set(m, st->offset, x->models[st->source].bytes + st->source_offset, len);
}

/* --- Caches --- */

static void call_sync(struct exercise *x, const struct step *st, struct opened *f, struct model *m)
{
    (void)m;
    must(x, (st->seed & 1 ? fsync(f->fd) : fdatasync(f->direct_fd)) == 0, "fsync");
}

/* What is clean leaves the page cache; unless it is mapped, which is what reopening is for. */
static void call_forget_pages(struct exercise *x, const struct step *st, struct opened *f,
                              struct model *m)
{
    (void)m;
    if (st->seed & 1)
        must(x, madvise(f->map, FILE_LEN_MAX, MADV_DONTNEED) == 0, "madvise");
    if (st->seed & 2)
        must(x, fdatasync(f->fd) == 0, "fdatasync");
    must(x, posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
}

static void call_reopen(struct exercise *x, const struct step *st, struct opened *f,
                        struct model *m)
{
    const char *path = f->path;
    int fd = -1;

    (void)m;
    /* Sometimes the inode stays in use, sometimes it may leave the kernel's cache. */
    if (st->seed & 1)
        must(x, (fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0, "open");
    opened_close(f);
    opened_open(f, path);
    if (fd >= 0)
        close(fd);
}

void opened_open(struct opened *f, const char *path)
{
    f->path = path;
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    f->direct_fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    f->append_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    f->map = mmap(NULL, FILE_LEN_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    f->map_is_dirty = false;
    CHECK_TRUE(f->fd >= 0 && f->direct_fd >= 0 && f->append_fd >= 0 && f->map != MAP_FAILED);
}

void opened_close(struct opened *f)
{
    CHECK_OK(munmap(f->map, FILE_LEN_MAX));
    CHECK_OK(close(f->fd));
    CHECK_OK(close(f->direct_fd));
    CHECK_OK(close(f->append_fd));
}

static call_fn *const calls[CALL_COUNT] = {
#define X(name, weight) call_##name,
    EXERCISE_CALLS(X)
#undef X
};

void step_run(struct exercise *x, const struct step *st)
{
    calls[st->call](x, st, &x->files[st->file], &x->models[st->file]);
}
