/*
 * copy_check DIR: copy_file_range(2) between files in DIR, and the ioctls that clone, which are
 * refused. DIR keeps no file of it.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "file_pattern.h"

enum {
    LEN = 3 * 1024 * 1024 + 12345
};

static int dir_fd;
static uint8_t *contents;

static int make(const char *name, size_t len)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK_OK(fd);
    CHECK_TRUE(pwrite(fd, contents, len, 0) == (ssize_t)len);
    return fd;
}

static void copy(int from, off_t from_offset, int to, off_t to_offset, size_t len, size_t want)
{
    size_t done = 0;
    ssize_t n = 1;

    while (done < len && n > 0) {
        n = copy_file_range(from, &from_offset, to, &to_offset, len - done, 0);
        CHECK_OK(n);
        done += (size_t)n;
    }
    CHECK_TRUE(done == want);
}

static void compare(int fd, off_t offset, const uint8_t *want, size_t len)
{
    uint8_t *got = malloc(len);

    CHECK_TRUE(got && pread(fd, got, len, offset) == (ssize_t)len);
    CHECK_TRUE(memcmp(got, want, len) == 0);
    free(got);
}

static off_t size_of(int fd)
{
    struct stat st;

    CHECK_OK(fstat(fd, &st));
    return st.st_size;
}

static void check_contents(void)
{
    int from = make("from", LEN), to = make("to", 0);

    copy(from, 0, to, 0, LEN, LEN);
    CHECK_TRUE(size_of(to) == LEN);
    compare(to, 0, contents, LEN);
    copy(from, 1000, to, 77, 200000, 200000);
    compare(to, 77, contents + 1000, 200000);
    compare(to, 0, contents, 77);
    compare(to, 200077, contents + 200077, LEN - 200077);
    /* Beyond the end of the target, and of the source. */
    copy(from, LEN - 10, to, LEN + 65536, 100, 10);
    CHECK_TRUE(size_of(to) == LEN + 65536 + 10);
    compare(to, LEN + 65536, contents + LEN - 10, 10);
    copy(from, LEN, to, 0, 100, 0);
    copy(from, LEN + 5000, to, 0, 100, 0);
    CHECK_OK(close(from));
    CHECK_OK(close(to));
}

/* What the kernel holds of source and target must not be what the daemon does not know. */
static void check_caches(void)
{
    int from = make("from", LEN), to = make("to", LEN);
    uint8_t *from_map, *to_map;

    from_map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, from, 0);
    to_map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, to, 0);
    CHECK_TRUE(from_map != MAP_FAILED && to_map != MAP_FAILED);
    CHECK_TRUE(memcmp(to_map, contents, LEN) == 0); /* now in the page cache */
    memset(from_map + 65536, 0x5a, 65536);          /* dirty there */
    copy(from, 65536, to, 131072, 65536, 65536);
    CHECK_TRUE(memcmp(to_map, contents, 131072) == 0);
    CHECK_TRUE(memcmp(to_map + 131072, from_map + 65536, 65536) == 0);
    compare(to, 131072, from_map + 65536, 65536);
    CHECK_TRUE(memcmp(to_map + 196608, contents + 196608, LEN - 196608) == 0);
    munmap(from_map, LEN);
    munmap(to_map, LEN);
    CHECK_OK(close(from));
    CHECK_OK(close(to));
}

static void check_one_file(void)
{
    int fd = make("from", LEN);

    CHECK_FAILS(copy_file_range(fd, &(off_t){0}, fd, &(off_t){4096}, 8192, 0), EINVAL);
    CHECK_FAILS(copy_file_range(fd, &(off_t){4096}, fd, &(off_t){0}, 8192, 0), EINVAL);
    copy(fd, 0, fd, 1048576, 1048576, 1048576);
    compare(fd, 1048576, contents, 1048576);
    compare(fd, 0, contents, 1048576);
    CHECK_OK(close(fd));
}

static void check_attributes(void)
{
    struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    int from = make("from", LEN), to = make("to", 100);
    struct stat st;

    CHECK_OK(fchmod(to, 06755));
    CHECK_OK(futimens(from, old));
    CHECK_OK(futimens(to, old));
    copy(from, 0, to, 0, 100000, 100000);
    CHECK_OK(fstat(to, &st));
    CHECK_TRUE(st.st_mtim.tv_sec > 1000000000 && st.st_size == 100000);
    CHECK_TRUE(st.st_blocks * 512 >= 100000);
    /* As a write does: cleared for all but root. */
    CHECK_TRUE(geteuid() == 0 || (st.st_mode & 06000) == 0);
    CHECK_OK(fstat(from, &st));
    CHECK_TRUE(st.st_mtim.tv_sec == 1000000000);
    CHECK_OK(close(from));
    CHECK_OK(close(to));
}

static void check_refusals(void)
{
    int from = make("from", LEN), to = make("to", 0), fd;

    fd = openat(dir_fd, "to", O_RDONLY);
    CHECK_FAILS(copy_file_range(from, NULL, fd, NULL, 100, 0), EBADF);
    CHECK_OK(close(fd));
    fd = openat(dir_fd, "to", O_WRONLY | O_APPEND);
    CHECK_FAILS(copy_file_range(from, NULL, fd, NULL, 100, 0), EBADF);
    CHECK_OK(close(fd));
    CHECK_FAILS(copy_file_range(from, NULL, to, NULL, 100, 1), EINVAL);
    /* The kernel's FUSE does not carry clones: honestly refused, for cp to copy instead. */
    CHECK_FAILS(ioctl(to, FICLONE, from), EOPNOTSUPP);
    struct file_clone_range range = {.src_fd = from, .src_length = 65536};
    CHECK_FAILS(ioctl(to, FICLONERANGE, &range), EOPNOTSUPP);
    CHECK_TRUE(size_of(to) == 0);
    CHECK_OK(close(from));
    CHECK_OK(close(to));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: copy_check DIR\n");
        return 2;
    }
    contents = malloc(LEN);
    CHECK_TRUE(contents);
    pattern_fill(1, contents, LEN);
    dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
    CHECK_OK(dir_fd);
    check_contents();
    check_caches();
    check_one_file();
    check_attributes();
    check_refusals();
    CHECK_OK(unlinkat(dir_fd, "from", 0));
    CHECK_OK(unlinkat(dir_fd, "to", 0));
    return 0;
}
