/*
 * truncate(2), fallocate(2), and finding holes with lseek(2).
 */
#include "posix/lib/posix.h"

#include <limits.h>

enum {
    MIB = 1 << 20
};

static unsigned char data[4 * MIB], found[4 * MIB];

/* A file of len bytes, none of them 0. */
static int make_full(const char *path, size_t len)
{
    int fd = must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(1 + i % 251);
    expect_eq(len, write(fd, data, len));
    return fd;
}

/* From `from` to `to` the file has zeros, or what make_full wrote. */
static void expect_bytes(int fd, size_t from, size_t to, bool zeros)
{
    expect_eq(to - from, pread(fd, found, to - from, (off_t)from));
    for (size_t i = from; i < to; i++)
        if (found[i - from] != (zeros ? 0 : 1 + i % 251))
            expect_eq(-1, i);
}

static off_t size_of(int fd)
{
    struct stat st;

    must(fstat(fd, &st));
    return st.st_size;
}

static void what_was_cut_off_is_zeros_when_the_file_grows(void **state)
{
    static const size_t cuts[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 100000, 131072};

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        int fd = make_full("f", 200000);

        must(ftruncate(fd, (off_t)cuts[i]));
        expect_eq(cuts[i], size_of(fd));
        must(ftruncate(fd, 300000));
        expect_bytes(fd, 0, cuts[i], false);
        expect_bytes(fd, cuts[i], 300000, true);
        must(ftruncate(fd, (off_t)cuts[i]));
        expect_eq(3, pwrite(fd, data, 3, 250000 / 251 * 251));
        expect_bytes(fd, cuts[i], 250000 / 251 * 251, true);
        must(close(fd));
        must(unlink("f"));
    }
}

static void impossible_lengths_are_refused(void **state)
{
    int fd;

    (void)state;
    make_file("f", "text");
    must_fail(EINVAL, truncate("f", -1));
    fd = must(open("f", O_RDWR));
    must_fail(EINVAL, ftruncate(fd, -1));
    if (deviates("a file")) {
        must(ftruncate(fd, INT64_MAX));
        expect_eq(INT64_MAX, size_of(fd));
        must(ftruncate(fd, 4));
    } else {
        must_fail(EFBIG, ftruncate(fd, (off_t)1 << 44));
    }
    must(close(fd));
    expect_contents("f", "text");
}

static void only_files_have_lengths(void **state)
{
    int fd;

    (void)state;
    make_dir("d");
    make_file("f", "");
    make("p", S_IFIFO);
    must(symlink("f", "l"));
    must(symlink("loop", "loop"));
    must_fail(EISDIR, truncate("d", 0));
    must_fail(EINVAL, truncate("p", 0));
    must(truncate("l", 10));
    expect_eq(10, st_of("f").stx_size);
    must_fail(ENOENT, truncate("missing", 0));
    must_fail(ENOENT, truncate("", 0));
    must_fail(ENOTDIR, truncate("f/x", 0));
    must_fail(ELOOP, truncate("loop", 0));
    must_fail(ENAMETOOLONG, truncate(long_name(256), 0));
    must_fail(EBADF, ftruncate(-1, 0));
    fd = must(open("f", O_RDONLY));
    must_fail(EINVAL, ftruncate(fd, 0));
    must(close(fd));
}

static void fallocate_grows_the_file_unless_told_otherwise(void **state)
{
    int fd;

    (void)state;
    fd = make_full("f", 1000);
    must(fallocate(fd, 0, 0, 500));
    expect_eq(1000, size_of(fd));
    must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    expect_eq(1000, size_of(fd));
    must(fallocate(fd, 0, 90000, 10000));
    expect_eq(100000, size_of(fd));
    expect_bytes(fd, 0, 1000, false);
    expect_bytes(fd, 1000, 100000, true);
    expect_eq(0, posix_fallocate(fd, 0, 150000));
    expect_eq(150000, size_of(fd));
    must(close(fd));
}

static void holes_are_punched_and_ranges_zeroed(void **state)
{
    static const struct {
        size_t from, len;
    } rows[] = {
        {0, 1},      {0, 4096},       {1, 4094},      {4095, 2},    {0, 65536},
        {65535, 2},  {65536, 65536},  {1000, 199000}, {100, 99900}, {131072, 68928},
        {199999, 1}, {150000, 50000}, {0, 200000},
    };
    static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};

    (void)state;
    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            size_t from = rows[i].from, to = from + rows[i].len;
            int fd = make_full("f", 200000);

            must(fallocate(fd, modes[m], (off_t)from, (off_t)(to - from)));
            expect_eq(200000, size_of(fd));
            expect_bytes(fd, 0, from, false);
            expect_bytes(fd, from, to, true);
            expect_bytes(fd, to, 200000, false);
            must(close(fd));
            must(unlink("f"));
        }
}

static void beyond_the_end_zeroing_grows_and_punching_does_not(void **state)
{
    int fd;

    (void)state;
    fd = make_full("f", 1000);
    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 500, 100000));
    expect_eq(1000, size_of(fd));
    expect_bytes(fd, 500, 1000, true);
    must(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 400, 100000));
    expect_eq(1000, size_of(fd));
    must(fallocate(fd, FALLOC_FL_ZERO_RANGE, 300, 100000));
    expect_eq(100300, size_of(fd));
    expect_bytes(fd, 0, 300, false);
    expect_bytes(fd, 300, 100300, true);
    must(close(fd));
}

static void fallocate_refuses_what_makes_no_sense(void **state)
{
    int fd;

    (void)state;
    make_file("f", "text");
    make_dir("d");
    fd = must(open("f", O_RDWR));
    must_fail(EINVAL, fallocate(fd, 0, 0, 0));
    must_fail(EINVAL, fallocate(fd, 0, 0, -1));
    must_fail(EINVAL, fallocate(fd, 0, -1, 1));
    must_fail(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    must_fail(EOPNOTSUPP, fallocate(fd, 1 << 30, 0, 1));
    must_fail(EFBIG, fallocate(fd, 0, INT64_MAX, 1));
    if (deviates("collapse and insert range, unshare")) {
        must_fail(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
        must_fail(EOPNOTSUPP, fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
    } else {
        must(ftruncate(fd, 8192));
        must(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
        expect_eq(4096, size_of(fd));
    }
    must(close(fd));
    fd = must(open("f", O_RDONLY));
    must_fail(EBADF, fallocate(fd, 0, 0, 1));
    must(close(fd));
    make("p", S_IFIFO);
    fd = must(open("p", O_RDWR));
    must_fail(ESPIPE, fallocate(fd, 0, 0, 1));
    must(close(fd));
    must_fail(EBADF, fallocate(-1, 0, 0, 1));
}

static void data_and_holes_are_found(void **state)
{
    int fd;

    (void)state;
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    memset(data, 'd', MIB);
    expect_eq(MIB, pwrite(fd, data, MIB, MIB));
    expect_eq(MIB, pwrite(fd, data, MIB, 3 * MIB));
    must(ftruncate(fd, 6 * MIB));
    expect_eq(0, lseek(fd, 0, SEEK_HOLE));
    expect_eq(MIB, lseek(fd, 0, SEEK_DATA));
    expect_eq(MIB + 5, lseek(fd, MIB + 5, SEEK_DATA));
    expect_eq(2 * MIB, lseek(fd, MIB, SEEK_HOLE));
    expect_eq(2 * MIB + 7, lseek(fd, 2 * MIB + 7, SEEK_HOLE));
    expect_eq(3 * MIB, lseek(fd, 2 * MIB, SEEK_DATA));
    expect_eq(4 * MIB, lseek(fd, 4 * MIB - 1, SEEK_HOLE));
    must_fail(ENXIO, lseek(fd, 4 * MIB, SEEK_DATA));
    must_fail(ENXIO, lseek(fd, 6 * MIB, SEEK_DATA));
    must_fail(ENXIO, lseek(fd, 6 * MIB, SEEK_HOLE));
    must_fail(ENXIO, lseek(fd, -1, SEEK_DATA));
    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB / 2));
    expect_eq(MIB + MIB / 2, lseek(fd, 0, SEEK_DATA));
    must(close(fd));
    fd = make_full("full", 100000);
    expect_eq(0, lseek(fd, 0, SEEK_DATA));
    expect_eq(100000, lseek(fd, 0, SEEK_HOLE));
    expect_eq(100000, lseek(fd, 99999, SEEK_HOLE));
    must(close(fd));
    fd = must(open("empty", O_RDWR | O_CREAT, 0644));
    must_fail(ENXIO, lseek(fd, 0, SEEK_DATA));
    must_fail(ENXIO, lseek(fd, 0, SEEK_HOLE));
    must(close(fd));
}

static void truncating_needs_write_permission(void **state)
{
    (void)state;
    make_file("f", "text");
    must(chmod("f", 0444));
    if (is_root())
        become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, truncate("f", 0));
    must_fail(EACCES, truncate("f", 4));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(what_was_cut_off_is_zeros_when_the_file_grows),
    POSIX_TEST(impossible_lengths_are_refused),
    POSIX_TEST(only_files_have_lengths),
    POSIX_TEST(fallocate_grows_the_file_unless_told_otherwise),
    POSIX_TEST(holes_are_punched_and_ranges_zeroed),
    POSIX_TEST(beyond_the_end_zeroing_grows_and_punching_does_not),
    POSIX_TEST(fallocate_refuses_what_makes_no_sense),
    POSIX_TEST(data_and_holes_are_found),
    POSIX_TEST(truncating_needs_write_permission),
};

POSIX_MAIN("truncate", tests)
