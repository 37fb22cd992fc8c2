/*
 * Reading and writing: lengths, offsets, vectors, appending, and what is refused. Changing lengths
 * is in posix_truncate.c.
 */
#include "posix/lib/posix.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum {
    FILE_LEN_MAX = 600000
};

static unsigned char model[FILE_LEN_MAX], found[FILE_LEN_MAX];

/* The file of the descriptor has the first len bytes of the model. */
static void expect_model(int fd, size_t len)
{
    struct stat st;

    must(fstat(fd, &st));
    expect_eq(len, st.st_size);
    expect_eq(len, pread(fd, found, sizeof(found), 0));
    expect(memcmp(model, found, len) == 0);
}

static void pieces_of_all_lengths_at_all_offsets(void **state)
{
    static const size_t edges[] = {0,    1,     511,   512,   4095,   4096,
                                   4097, 65535, 65536, 65537, 131072, 200000};
    enum {
        COUNT = sizeof(edges) / sizeof(edges[0])
    };
    size_t len = 0;
    int fd;

    (void)state;
    memset(model, 0, sizeof(model));
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            size_t at = edges[i], piece = edges[j];

            memset(model + at, (int)(i * COUNT + j + 1), piece);
            expect_eq(piece, pwrite(fd, model + at, piece, (off_t)at));
            if (piece && at + piece > len)
                len = at + piece;
            expect_model(fd, len);
        }
    must(close(fd));
    fd = must(open("f", O_RDONLY));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            size_t at = edges[i], piece = edges[j];

            expect_eq(piece, pread(fd, found, piece, (off_t)at));
            expect(memcmp(found, model + at, piece) == 0);
        }
    must(close(fd));
}

static void the_position_moves_with_what_was_read_and_written(void **state)
{
    char buf[8];
    int fd;

    (void)state;
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    expect_eq(6, write(fd, "abcdef", 6));
    expect_eq(6, lseek(fd, 0, SEEK_CUR));
    expect_eq(0, read(fd, buf, 8));
    expect_eq(1, lseek(fd, -5, SEEK_CUR));
    expect_eq(2, read(fd, buf, 2));
    expect(memcmp(buf, "bc", 2) == 0);
    expect_eq(3, lseek(fd, 0, SEEK_CUR));
    expect_eq(2, pwrite(fd, "XY", 2, 0));
    expect_eq(3, lseek(fd, 0, SEEK_CUR));
    expect_eq(4, lseek(fd, -2, SEEK_END));
    expect_eq(2, read(fd, buf, 8));
    expect_eq(10, lseek(fd, 4, SEEK_END));
    expect_eq(0, read(fd, buf, 8));
    expect_eq(1, write(fd, "z", 1));
    must(close(fd));
    expect_eq(11, st_of("f").stx_size);
}

static void impossible_positions_are_refused(void **state)
{
    char c;
    int fd;

    (void)state;
    make_file("f", "text");
    fd = must(open("f", O_RDWR));
    must_fail(EINVAL, lseek(fd, -1, SEEK_SET));
    must_fail(EINVAL, lseek(fd, -5, SEEK_END));
    must_fail(EINVAL, lseek(fd, 0, 99));
    must_fail(EINVAL, pread(fd, &c, 1, -1));
    must_fail(EINVAL, pwrite(fd, "x", 1, -1));
    must_fail(EBADF, lseek(-1, 0, SEEK_SET));
    expect_eq(0, pread(fd, &c, 1, 4));
    expect_eq(0, pread(fd, &c, 1, 1 << 30));
    must(close(fd));
    make("p", S_IFIFO);
    fd = must(open("p", O_RDWR));
    must_fail(ESPIPE, pread(fd, &c, 1, 0));
    must_fail(ESPIPE, pwrite(fd, "x", 1, 0));
    must(close(fd));
}

static void files_end_where_the_format_ends(void **state)
{
    char c = 0;
    int fd;

    (void)state;
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    if (deviates("a file")) {
        expect_eq(1, pwrite(fd, "x", 1, INT64_MAX - 1));
        expect_eq(INT64_MAX, st_of("f").stx_size);
        expect_eq(1, pread(fd, &c, 1, INT64_MAX - 1));
        expect_eq('x', c);
        expect(lseek(fd, 0, SEEK_END) == INT64_MAX);
        must_fail(EINVAL, pwrite(fd, "x", 1, INT64_MAX));
    } else {
        off_t max = ((off_t)1 << 44) - 4096; /* blocks have 32-bit numbers */

        expect_eq(1, pwrite(fd, "x", 1, max - 1));
        must_fail(EFBIG, pwrite(fd, "x", 1, max));
        must_fail(EFBIG, ftruncate(fd, max + 1));
        must_fail(EINVAL, lseek(fd, max + 1, SEEK_SET));
    }
    must(close(fd));
    must(unlink("f"));
}

static void what_was_never_written_reads_as_zeros(void **state)
{
    int fd;

    (void)state;
    memset(model, 0, sizeof(model));
    memcpy(model + 300000, "end", 3);
    memcpy(model + 100000, "middle", 6);
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    expect_eq(3, pwrite(fd, "end", 3, 300000));
    expect_eq(6, pwrite(fd, "middle", 6, 100000));
    expect_model(fd, 300003);
    must(close(fd));
}

static void appending_ignores_the_offset(void **state)
{
    int fd;

    (void)state;
    make_file("f", "begin");
    fd = must(open("f", O_RDWR | O_APPEND));
    expect_eq(2, pwrite(fd, "-a", 2, 0));
    must(ftruncate(fd, 3));
    expect_eq(2, write(fd, "-b", 2));
    expect_eq(5, lseek(fd, 0, SEEK_CUR));
    must(close(fd));
    expect_contents("f", "beg-b");
    fd = must(open("f", O_RDWR));
    must(fcntl(fd, F_SETFL, O_APPEND));
    expect_eq(2, write(fd, "-c", 2));
    must(close(fd));
    expect_contents("f", "beg-b-c");
}

static void two_openings_see_the_same_contents(void **state)
{
    char buf[16];
    int a, b;

    (void)state;
    a = must(open("f", O_RDWR | O_CREAT, 0644));
    b = must(open("f", O_RDWR));
    expect_eq(5, write(a, "first", 5));
    expect_eq(5, read(b, buf, sizeof(buf)));
    expect_eq(6, write(b, "second", 6));
    expect_eq(6, read(a, buf, sizeof(buf)));
    expect(memcmp(buf, "second", 6) == 0);
    must(ftruncate(a, 2));
    expect_eq(2, pread(b, buf, sizeof(buf), 0));
    must(close(a));
    must(close(b));
}

static void vectors_are_one_read_or_write(void **state)
{
    char a[3], b[4];
    struct iovec out[] = {{"one", 3}, {"", 0}, {"-", 1}, {"two", 3}};
    struct iovec in[] = {{a, 3}, {b, 4}};
    static const struct iovec many[IOV_MAX + 1];
    int fd;

    (void)state;
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    expect_eq(7, writev(fd, out, 4));
    expect_contents("f", "one-two");
    expect_eq(7, preadv(fd, in, 2, 0));
    expect(memcmp(a, "one", 3) == 0 && memcmp(b, "-two", 4) == 0);
    expect_eq(7, pwritev(fd, out, 4, 3));
    expect_contents("f", "oneone-two");
    expect_eq(7, pwritev2(fd, out, 4, 0, RWF_APPEND));
    expect_contents("f", "oneone-twoone-two");
    expect_eq(7, pwritev2(fd, out, 4, 0, RWF_DSYNC));
    must_fail(EINVAL, writev(fd, many, IOV_MAX + 1));
    must_fail(EOPNOTSUPP, pwritev2(fd, out, 4, 0, 1 << 30));
    expect_eq(0, writev(fd, out, 0));
    must(close(fd));
}

static void memory_that_is_not_there_is_refused(void **state)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd;

    (void)state;
    expect(page != MAP_FAILED);
    memset(page, 'm', 4096);
    must(mprotect(page + 4096, 4096, PROT_NONE));
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    must_fail(EFAULT, pwrite(fd, page + 4096, 10, 0));
    expect_eq(0, st_of("f").stx_size);
    expect_eq(4096, pwrite(fd, page, 4096, 0));
    must_fail(EFAULT, pread(fd, page + 4096, 10, 0));
    must(munmap(page, 8192));
    must(close(fd));
}

static void synchronous_writing_writes_the_same(void **state)
{
    static const int flags[] = {O_SYNC, O_DSYNC, O_SYNC | O_APPEND};

    (void)state;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        int fd = must(open("f", O_RDWR | O_CREAT | O_TRUNC | flags[i], 0644));

        expect_eq(4, write(fd, "text", 4));
        expect_eq(2, write(fd, "ed", 2));
        must(close(fd));
        expect_contents("f", "texted");
    }
}

static void direct_io_goes_past_the_cache(void **state)
{
    enum {
        LEN = 16384
    };
    char *buf = NULL;
    int fd;

    (void)state;
    expect(posix_memalign((void **)&buf, 4096, LEN) == 0);
    memset(buf, 'd', LEN);
    fd = must(open("f", O_RDWR | O_CREAT | O_DIRECT, 0644));
    expect_eq(LEN, pwrite(fd, buf, LEN, 0));
    memset(buf, 'e', 4096);
    expect_eq(4096, pwrite(fd, buf, 4096, 8192));
    memset(buf, 0, LEN);
    expect_eq(LEN, pread(fd, buf, LEN, 0));
    expect(buf[0] == 'd' && buf[8191] == 'd' && buf[8192] == 'e' && buf[12288] == 'd');
    must(close(fd));
    fd = must(open("f", O_RDONLY));
    memset(buf, 0, LEN);
    expect_eq(LEN, read(fd, buf, LEN));
    expect(buf[8191] == 'd' && buf[8192] == 'e');
    must(close(fd));
    free(buf);
}

static void a_map_and_a_descriptor_show_the_same(void **state)
{
    char buf[8];
    char *map;
    int fd;

    (void)state;
    make_file("f", "0123456789");
    fd = must(open("f", O_RDWR));
    map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(map != MAP_FAILED);
    expect_eq(2, pwrite(fd, "ab", 2, 0));
    expect(memcmp(map, "ab23", 4) == 0);
    memcpy(map + 4, "cd", 2);
    expect_eq(4, pread(fd, buf, 4, 2));
    expect(memcmp(buf, "23cd", 4) == 0);
    must(munmap(map, 10));
    must(close(fd));
    expect_contents("f", "ab23cd6789");
}

static void a_store_through_a_map_changes_the_times(void **state)
{
    struct statx was;
    char *map;
    int fd;

    (void)state;
    make_file("f", "0123456789");
    fd = must(open("f", O_RDWR));
    map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(map != MAP_FAILED);
    expect_eq('0', map[0]);
    was = mark("f");
    map[0] = 'x';
    must(msync(map, 10, MS_SYNC));
    expect_changed(&was, "f", MTIME | CTIME);
    must(munmap(map, 10));
    must(close(fd));
    expect_eq(10, st_of("f").stx_size);
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(pieces_of_all_lengths_at_all_offsets),
    POSIX_TEST(the_position_moves_with_what_was_read_and_written),
    POSIX_TEST(impossible_positions_are_refused),
    POSIX_TEST(files_end_where_the_format_ends),
    POSIX_TEST(what_was_never_written_reads_as_zeros),
    POSIX_TEST(appending_ignores_the_offset),
    POSIX_TEST(two_openings_see_the_same_contents),
    POSIX_TEST(vectors_are_one_read_or_write),
    POSIX_TEST(memory_that_is_not_there_is_refused),
    POSIX_TEST(synchronous_writing_writes_the_same),
    POSIX_TEST(direct_io_goes_past_the_cache),
    POSIX_TEST(a_store_through_a_map_changes_the_times),
    POSIX_TEST(a_map_and_a_descriptor_show_the_same),
};

POSIX_MAIN("write", tests)
