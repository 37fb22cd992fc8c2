/*
 * copy_file_range(2), sendfile(2) and splice(2) between files.
 */
#include "posix/lib/posix.h"

#include <sys/sendfile.h>

enum {
    LEN = 500000
};

static unsigned char source[LEN], target[LEN], found[2 * LEN];

/* Two open files with known contents: source and target. */
static void make_two(int *ret_from, int *ret_to)
{
    for (int i = 0; i < LEN; i++) {
        source[i] = (unsigned char)(1 + i % 251);
        target[i] = (unsigned char)(1 + i % 239);
    }
    *ret_from = must(open("from", O_RDWR | O_CREAT | O_TRUNC, 0644));
    *ret_to = must(open("to", O_RDWR | O_CREAT | O_TRUNC, 0644));
    expect_eq(LEN, write(*ret_from, source, LEN));
    expect_eq(LEN, write(*ret_to, target, LEN));
}

/* Copy all of it, however many calls that takes. */
static void copy(int from, off_t from_at, int to, off_t to_at, size_t len)
{
    while (len) {
        long part = must(copy_file_range(from, &from_at, to, &to_at, len, 0));

        expect(part > 0);
        len -= (size_t)part;
    }
}

static void pieces_of_all_lengths_at_all_offsets(void **state)
{
    static const struct {
        int from, to, len;
    } rows[] = {
        {0, 0, LEN},        {0, 0, 1},           {1, 0, 65536},        {0, 1, 65536},
        {65536, 0, 65536},  {0, 65536, 131072},  {65536, 131072, 100}, {100, 65636, 200000},
        {4095, 4097, 8192}, {131072, 131072, 1}, {499999, 0, 1},       {1000, 400000, 200000},
        {0, 500000, LEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int from, to, end = rows[i].to + rows[i].len;

        make_two(&from, &to);
        copy(from, rows[i].from, to, rows[i].to, (size_t)rows[i].len);
        if (end < LEN)
            end = LEN;
        expect_eq(end, pread(to, found, sizeof(found), 0));
        for (int j = 0; j < end; j++) {
            bool copied = j >= rows[i].to && j < rows[i].to + rows[i].len;
            int wanted = copied ? source[j - rows[i].to + rows[i].from] : target[j];

            if (found[j] != wanted)
                expect_eq(-1, j);
        }
        expect_eq(LEN, pread(from, found, LEN, 0));
        expect(memcmp(found, source, LEN) == 0);
        must(close(from));
        must(close(to));
    }
}

static void a_copy_does_not_change_with_the_source(void **state)
{
    int from, to;

    (void)state;
    make_two(&from, &to);
    copy(from, 0, to, 0, LEN);
    expect_eq(10, pwrite(from, "0123456789", 10, 70000));
    expect_eq(10, pwrite(to, "abcdefghij", 10, 140000));
    must(ftruncate(from, 200000));
    expect_eq(LEN, pread(to, found, LEN, 0));
    memcpy(target, source, LEN);
    memcpy(target + 140000, "abcdefghij", 10);
    expect(memcmp(found, target, LEN) == 0);
    expect_eq(200000, pread(from, found, LEN, 0));
    memcpy(source + 70000, "0123456789", 10);
    expect(memcmp(found, source, 200000) == 0);
    must(close(from));
    must(close(to));
}

static void the_positions_move_when_no_offsets_are_given(void **state)
{
    off_t at = 10;
    int from, to;

    (void)state;
    make_two(&from, &to);
    must(lseek(from, 100, SEEK_SET));
    must(lseek(to, 200, SEEK_SET));
    expect_eq(50, copy_file_range(from, NULL, to, NULL, 50, 0));
    expect_eq(150, lseek(from, 0, SEEK_CUR));
    expect_eq(250, lseek(to, 0, SEEK_CUR));
    expect_eq(50, copy_file_range(from, &at, to, NULL, 50, 0));
    expect_eq(60, at);
    expect_eq(150, lseek(from, 0, SEEK_CUR));
    expect_eq(300, lseek(to, 0, SEEK_CUR));
    must(close(from));
    must(close(to));
}

static void the_end_of_the_source_ends_the_copy(void **state)
{
    off_t at = LEN - 5, past = LEN + 100, zero = 0;
    int from, to;

    (void)state;
    make_two(&from, &to);
    expect_eq(5, copy_file_range(from, &at, to, &zero, 100, 0));
    expect_eq(LEN, at);
    expect_eq(5, zero);
    expect_eq(0, copy_file_range(from, &at, to, &zero, 100, 0));
    expect_eq(0, copy_file_range(from, &past, to, &zero, 100, 0));
    expect_eq(0, copy_file_range(from, NULL, to, NULL, 0, 0));
    must(close(from));
    must(close(to));
}

static void within_one_file_the_ranges_must_not_overlap(void **state)
{
    off_t a = 0, b = 100, c = 200000;
    int from, to;

    (void)state;
    make_two(&from, &to);
    must_fail(EINVAL, copy_file_range(from, &a, from, &b, 101, 0));
    must_fail(EINVAL, copy_file_range(from, &b, from, &a, 101, 0));
    must_fail(EINVAL, copy_file_range(from, &a, from, &a, 1, 0));
    copy(from, 0, from, c, 100000);
    expect_eq(100000, pread(from, found, 100000, c));
    expect(memcmp(found, source, 100000) == 0);
    must(close(from));
    must(close(to));
}

static void what_is_no_open_file_is_refused(void **state)
{
    off_t negative = -1, zero = 0;
    int from, to, fd;

    (void)state;
    make_two(&from, &to);
    make_dir("d");
    make("p", S_IFIFO);
    must_fail(EINVAL, copy_file_range(from, NULL, to, NULL, 1, 1));
    must_fail(EOVERFLOW, copy_file_range(from, &negative, to, &zero, 1, 0));
    must_fail(EBADF, copy_file_range(-1, NULL, to, NULL, 1, 0));
    fd = must(open("d", O_RDONLY));
    must_fail(EISDIR, copy_file_range(fd, NULL, to, NULL, 1, 0));
    must(close(fd));
    fd = must(open("p", O_RDWR));
    must_fail(EINVAL, copy_file_range(fd, NULL, to, NULL, 1, 0));
    must(close(fd));
    fd = must(open("to", O_RDONLY));
    must_fail(EBADF, copy_file_range(from, &zero, fd, NULL, 1, 0));
    must(close(fd));
    fd = must(open("from", O_WRONLY));
    must_fail(EBADF, copy_file_range(fd, &zero, to, NULL, 1, 0));
    must(close(fd));
    fd = must(open("to", O_WRONLY | O_APPEND));
    must_fail(EBADF, copy_file_range(from, &zero, fd, NULL, 1, 0));
    must(close(fd));
    must(close(from));
    must(close(to));
}

static void copying_changes_the_times_of_the_target(void **state)
{
    struct statx was_from, was_to;
    int from, to;

    (void)state;
    make_two(&from, &to);
    was_from = st_of("from");
    was_to = mark("to");
    copy(from, 0, to, 0, 100000);
    expect_changed(&was_to, "to", MTIME | CTIME);
    expect_changed(&was_from, "from", 0);
    must(close(from));
    must(close(to));
}

static void holes_are_copied_as_zeros(void **state)
{
    int from, to;

    (void)state;
    make_two(&from, &to);
    must(fallocate(from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 196608));
    memset(source + 65536, 0, 196608);
    copy(from, 0, to, 0, LEN);
    expect_eq(LEN, pread(to, found, LEN, 0));
    expect(memcmp(found, source, LEN) == 0);
    must(close(from));
    must(close(to));
}

static void sendfile_and_splice_carry_the_contents(void **state)
{
    int from, to, ends[2];
    off_t at = 0;

    (void)state;
    make_two(&from, &to);
    must(ftruncate(to, 0));
    must(lseek(to, 0, SEEK_SET));
    while (at < LEN)
        expect(must((long)sendfile(to, from, &at, (size_t)(LEN - at))) > 0);
    expect_eq(LEN, pread(to, found, sizeof(found), 0));
    expect(memcmp(found, source, LEN) == 0);
    must(pipe(ends));
    at = 1000;
    expect_eq(4096, splice(from, &at, ends[1], NULL, 4096, 0));
    at = 0;
    expect_eq(4096, splice(ends[0], NULL, to, &at, 4096, 0));
    expect_eq(4096, pread(to, found, 4096, 0));
    expect(memcmp(found, source + 1000, 4096) == 0);
    must(close(ends[0]));
    must(close(ends[1]));
    must(close(from));
    must(close(to));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(pieces_of_all_lengths_at_all_offsets),
    POSIX_TEST(a_copy_does_not_change_with_the_source),
    POSIX_TEST(the_positions_move_when_no_offsets_are_given),
    POSIX_TEST(the_end_of_the_source_ends_the_copy),
    POSIX_TEST(within_one_file_the_ranges_must_not_overlap),
    POSIX_TEST(what_is_no_open_file_is_refused),
    POSIX_TEST(copying_changes_the_times_of_the_target),
    POSIX_TEST(holes_are_copied_as_zeros),
    POSIX_TEST(sendfile_and_splice_carry_the_contents),
};

POSIX_MAIN("copy", tests)
