/*
 * mmap_check write FILE: change a file through memory maps and look at it by every other way.
 * mmap_check verify FILE: the file is as `write` has left it.
 *
 * Checked: a shared map's stores are seen by read(2) at once and are still there after the map and
 * the descriptor were closed without an msync; write(2) is seen through the map; a private map's
 * stores are seen by nobody; a map of a file whose descriptor is closed; a load behind the end of
 * the file within its last page gives zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FILE_LEN = 300000, /* not a multiple of a page or a block */
    SHARED_AT = 65530, /* across the border of a block of 64 KiB */
    WRITTEN_AT = 131070,
    SYNCED_AT = 200000,
    PRIVATE_AT = 250000,
    LATE_AT = 4096,
};

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "mmap_check: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

static char *map(int fd, int flags)
{
    void *p = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, flags, fd, 0);

    expect(p != MAP_FAILED, "mmap");
    return p;
}

static bool file_has(int fd, off_t at, const char *text)
{
    char buf[16];
    size_t len = strlen(text);

    return pread(fd, buf, len, at) == (ssize_t)len && memcmp(buf, text, len) == 0;
}

static void write_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    char *block = malloc(FILE_LEN);
    char *shared, *private;

    expect(fd >= 0 && block, "open");
    memset(block, 'x', FILE_LEN);
    expect(write(fd, block, FILE_LEN) == FILE_LEN, "write");
    free(block);

    shared = map(fd, MAP_SHARED);
    private = map(fd, MAP_PRIVATE);
    memcpy(shared + SHARED_AT, "shared bytes", 12);
    expect(file_has(fd, SHARED_AT, "shared bytes"), "a shared store is not seen by read");
    expect(pwrite(fd, "written", 7, WRITTEN_AT) == 7, "pwrite");
    expect(memcmp(shared + WRITTEN_AT, "written", 7) == 0, "a write is not seen by the map");
    memcpy(private + PRIVATE_AT, "private", 7);
    expect(file_has(fd, PRIVATE_AT, "xxxxxxx"), "a private store is seen by read");
    expect(memcmp(shared + PRIVATE_AT, "xxxxxxx", 7) == 0, "a private store is seen by a map");
    memcpy(shared + SYNCED_AT, "synced", 6);
    expect(msync(shared, FILE_LEN, MS_SYNC) == 0, "msync");
    expect(shared[FILE_LEN] == 0, "the page behind the end is not zero");
    expect(munmap(private, FILE_LEN) == 0, "munmap");

    expect(close(fd) == 0, "close");
    memcpy(shared + LATE_AT, "after close", 11);
    expect(munmap(shared, FILE_LEN) == 0, "munmap");
}

static void verify_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    char *p;

    expect(fd >= 0, "open");
    expect(file_has(fd, SHARED_AT, "shared bytes"), "a shared store is lost");
    expect(file_has(fd, WRITTEN_AT, "written"), "a write is lost");
    expect(file_has(fd, SYNCED_AT, "synced"), "an msynced store is lost");
    expect(file_has(fd, PRIVATE_AT, "xxxxxxx"), "a private store has reached the file");
    expect(file_has(fd, LATE_AT, "after close"), "a store after close is lost");
    p = mmap(NULL, FILE_LEN, PROT_READ, MAP_PRIVATE, fd, 0);
    expect(p != MAP_FAILED, "mmap");
    expect(memcmp(p + SHARED_AT, "shared bytes", 12) == 0 && p[0] == 'x' && p[FILE_LEN - 1] == 'x',
           "a map shows something else than read");
    expect(munmap(p, FILE_LEN) == 0 && lseek(fd, 0, SEEK_END) == FILE_LEN, "size");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        write_file(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "verify") == 0)
        verify_file(argv[2]);
    else
        return 2;
    return 0;
}
