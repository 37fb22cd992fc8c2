/*
 * What differs from ext4 by design and belongs to no other group: each row of the table in
 * fs/README.md that can be seen from outside. On the host the tests state what ext4 does.
 */
#include "posix/lib/posix.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>

static void reading_and_the_atime(void **state)
{
    const struct timespec times[2] = {{1000, 5}, {2000, 0}};
    struct statvfs fs;
    char c;
    int fd;

    (void)state;
    make_file("f", "text");
    must(utimensat(AT_FDCWD, "f", times, 0));
    fd = must(open("f", O_RDONLY));
    expect_eq(1, read(fd, &c, 1));
    must(close(fd));
    must(statvfs(".", &fs));
    if (deviates("atime")) {
        expect_eq(1000, st_of("f").stx_atime.tv_sec);
        expect_eq(5, st_of("f").stx_atime.tv_nsec);
    } else if (!(fs.f_flag & ST_NOATIME)) {
        /* relatime: it was before the mtime. */
        expect(st_of("f").stx_atime.tv_sec > 1000000);
    }
    fd = must(open("f", O_RDONLY | O_NOATIME));
    must(close(fd));
    if (is_root())
        become(UID_OTHER, GID_OTHER);
    else
        return;
    must_fail(EPERM, open("f", O_RDONLY | O_NOATIME));
}

static void the_size_of_directories(void **state)
{
    char name[32];

    (void)state;
    make_dir("d");
    expect_eq(4096, st_of("d").stx_size);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "d/%0*d", 20, i);
        make_file(name, "");
    }
    if (deviates("size of a directory")) {
        expect_eq(8 * 4096, st_of("d").stx_size);
        expect_eq(8, st_of("d").stx_blocks);
    } else {
        expect(st_of("d").stx_size > 4096);
        expect(st_of("d").stx_blocks >= st_of("d").stx_size / 512);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "d/%0*d", 20, i);
        must(unlink(name));
    }
    if (deviates("size of a directory"))
        expect_eq(4096, st_of("d").stx_size);
}

static void blocks_and_their_size(void **state)
{
    struct stat st;

    (void)state;
    make_file("f", "x");
    must(stat("f", &st));
    if (deviates("`st_blksize`"))
        expect_eq(65536, st.st_blksize);
    else
        expect_eq(4096, st.st_blksize);
    if (deviates("`st_blocks`"))
        expect_eq(1, st.st_blocks);
}

static void a_zeroed_range_and_holes(void **state)
{
    enum {
        MIB = 1 << 20
    };
    static char data[MIB];
    int fd = must(open("f", O_RDWR | O_CREAT, 0644));

    (void)state;
    memset(data, 'd', MIB);
    expect_eq(MIB, write(fd, data, MIB));
    must(fsync(fd));
    must(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, MIB / 2));
    if (deviates("`FALLOC_FL_ZERO_RANGE`")) {
        expect_eq(MIB / 2, lseek(fd, 0, SEEK_DATA));
        expect_eq(MIB / 2 / 512, st_of("f").stx_blocks);
    } else {
        expect_eq(MIB / 512, st_of("f").stx_blocks);
    }
    must(close(fd));
}

static void reserving_takes_no_blocks(void **state)
{
    int fd = must(open("f", O_RDWR | O_CREAT, 0644));

    (void)state;
    must(fallocate(fd, 0, 0, 1 << 20));
    expect_eq(1 << 20, st_of("f").stx_size);
    expect_eq(deviates("`fallocate`") ? 0 : (1 << 20) / 512, st_of("f").stx_blocks);
    must(close(fd));
}

static void flags_of_lsattr(void **state)
{
    int fd, flags = 0;

    (void)state;
    make_file("f", "");
    fd = must(open("f", O_RDONLY));
    if (deviates("`lsattr`"))
        must_fail(ENOTTY, ioctl(fd, FS_IOC_GETFLAGS, &flags));
    else
        must(ioctl(fd, FS_IOC_GETFLAGS, &flags));
    must(close(fd));
}

static void cloning(void **state)
{
    int from, to;

    (void)state;
    make_file("from", "text");
    from = must(open("from", O_RDONLY));
    to = must(open("to", O_RDWR | O_CREAT, 0644));
    /* ext4 can't either. */
    must_fail(EOPNOTSUPP, ioctl(to, FICLONE, from));
    must(close(from));
    must(close(to));
}

static void inodes_have_no_table(void **state)
{
    struct statfs fs;

    (void)state;
    must(statfs(".", &fs));
    if (deviates("statfs"))
        expect_eq(fs.f_files, fs.f_ffree);
    else
        expect(fs.f_ffree < fs.f_files);
}

static void inode_numbers_and_removal(void **state)
{
    uint64_t first, last = 0;

    (void)state;
    make_file("f", "");
    first = ino_of("f");
    for (int i = 0; i < 100; i++) {
        must(unlink("f"));
        make_file("f", "");
        if (deviates("inode numbers"))
            expect(ino_of("f") > first && ino_of("f") > last);
        last = ino_of("f");
    }
}

static char *map_shared(int fd, size_t len)
{
    char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    expect(map != MAP_FAILED);
    return map;
}

/* A map has room behind the end, in the last page; what is stored there belongs to nobody. */
static void stores_behind_the_end(void **state)
{
    char *map, c;
    int fd;

    (void)state;
    make_file("f", "text");
    fd = must(open("f", O_RDWR));
    map = map_shared(fd, 4096);
    map[100] = 'z';
    must(msync(map, 4096, MS_SYNC));
    must(ftruncate(fd, 200));
    expect_eq(1, pread(fd, &c, 1, 100));
    expect_eq(0, c);
    map[300] = 'z';
    must(ftruncate(fd, 400));
    expect_eq(1, pread(fd, &c, 1, 300));
    expect_eq(deviates("stores behind the end") ? 'z' : 0, c);
    must(munmap(map, 4096));
    must(close(fd));
}

static void holes_and_stores(void **state)
{
    char *map;
    int fd;

    (void)state;
    make_file("f", "");
    fd = must(open("f", O_RDWR));
    must(ftruncate(fd, 1 << 20));
    map = map_shared(fd, 1 << 20);
    map[1 << 19] = 'z';
    if (deviates("`SEEK_DATA` and `SEEK_HOLE`"))
        must_fail(ENXIO, lseek(fd, 0, SEEK_DATA));
    else
        expect_eq(1 << 19, lseek(fd, 0, SEEK_DATA));
    must(msync(map, 1 << 20, MS_SYNC));
    expect(lseek(fd, 0, SEEK_DATA) <= 1 << 19);
    must(munmap(map, 1 << 20));
    must(close(fd));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(reading_and_the_atime),
    POSIX_TEST(the_size_of_directories),
    POSIX_TEST(blocks_and_their_size),
    POSIX_TEST(a_zeroed_range_and_holes),
    POSIX_TEST(reserving_takes_no_blocks),
    POSIX_TEST(flags_of_lsattr),
    POSIX_TEST(cloning),
    POSIX_TEST(inodes_have_no_table),
    POSIX_TEST(inode_numbers_and_removal),
    POSIX_TEST(stores_behind_the_end),
    POSIX_TEST(holes_and_stores),
};

POSIX_MAIN("differs", tests)
