/*
 * two_writers DIR SECONDS: two processes write, two read, in one directory, for so long.
 * two_writers DIR verify: every file there is whole.
 *
 * A file is named wWRITER-NUMBER and says in its header which bytes must follow, so that a reader
 * can tell. Writers make a file aside and rename it into place, over its predecessor as a rule;
 * they also append, cut, overwrite aside, link and remove. A reader must therefore never see half a
 * file, whatever it opens and however late it reads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount/file_pattern.h"

enum {
    WRITER_COUNT = 2,
    READER_COUNT = 2,
    FILE_COUNT = 64, /* names of each writer */
    FILE_LEN_MAX = 200000,
    PATH_LEN_MAX = 4096,
};

struct header {
    uint64_t seed;
    uint64_t len; /* of the whole file */
};

static const char *dir;
static uint8_t contents[FILE_LEN_MAX], found[FILE_LEN_MAX + 1];

static void expect(bool ok, const char *what, const char *path)
{
    if (ok)
        return;
    fprintf(stderr, "two_writers: %s: %s: %s\n", what, path, strerror(errno));
    _exit(1);
}

static void make_contents(uint64_t seed, size_t len)
{
    struct header h = {seed, len};

    pattern_fill(seed, contents + sizeof(h), len - sizeof(h));
    memcpy(contents, &h, sizeof(h));
}

/* Write `len` bytes of the contents in a way that `how` chooses. */
static void write_aside(const char *path, size_t len, uint64_t how)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    size_t first = (how & 1) ? len : 1 + (size_t)(how >> 16) % len;

    expect(fd >= 0, "open", path);
    expect(write(fd, contents, first) == (ssize_t)first, "write", path);
    if (how & 2) {
        /* Rubbish behind, to be cut off; then a hole, to be filled. */
        expect(pwrite(fd, "rubbish", 7, (off_t)(first + 5000)) == 7, "pwrite", path);
        expect(ftruncate(fd, (off_t)first) == 0, "ftruncate", path);
    }
    if (first < len)
        expect(pwrite(fd, contents + first, len - first, (off_t)first) == (ssize_t)(len - first),
               "pwrite", path);
    if ((how & 0xf0) == 0)
        expect(fsync(fd) == 0, "fsync", path);
    expect(close(fd) == 0, "close", path);
}

static uint64_t run_writer(int writer, time_t end)
{
    uint64_t state = 77 + (uint64_t)writer;
    uint64_t count = 0;
    char aside[PATH_LEN_MAX], path[PATH_LEN_MAX];

    snprintf(aside, sizeof(aside), "%s/aside-%d", dir, writer);
    for (; time(NULL) < end; count++) {
        uint64_t how = pattern_next(&state);
        size_t len = sizeof(struct header) +
                     (size_t)(how >> 20) % (how & 8 ? FILE_LEN_MAX - sizeof(struct header) : 3000);

        make_contents(how, len);
        snprintf(path, sizeof(path), "%s/w%d-%" PRIu64, dir, writer,
                 pattern_next(&state) % FILE_COUNT);
        write_aside(aside, len, how);
        if ((how & 0xf00) == 0) {
            expect(unlink(path) == 0 || errno == ENOENT, "unlink", path);
            expect(link(aside, path) == 0 && unlink(aside) == 0, "link", path);
        } else {
            expect(rename(aside, path) == 0, "rename", path);
        }
        if ((how & 0xf000) == 0)
            expect(unlink(path) == 0, "unlink", path);
    }
    return count;
}

static void check_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    size_t len = 0;
    ssize_t n;
    struct header h;
    struct stat st;

    if (fd < 0) {
        expect(errno == ENOENT, "open", path);
        return;
    }
    while ((n = read(fd, found + len, sizeof(found) - len)) > 0)
        len += (size_t)n;
    expect(n == 0, "read", path);
    expect(len >= sizeof(h), "shorter than its header", path);
    memcpy(&h, found, sizeof(h));
    expect(h.len == len && len <= FILE_LEN_MAX, "a length that is not the header's", path);
    make_contents(h.seed, len);
    expect(memcmp(contents, found, len) == 0, "contents that are not the header's", path);
    expect(fstat(fd, &st) == 0 && (size_t)st.st_size == len, "a size that is not the length", path);
    close(fd);
}

/* Returns the number of files seen. */
static uint64_t check_all(void)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    uint64_t count = 0;
    char path[PATH_LEN_MAX];

    expect(d != NULL, "opendir", dir);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != 'w')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        check_file(path);
        count++;
    }
    closedir(d);
    return count;
}

static uint64_t run_reader(time_t end)
{
    uint64_t count = 0;

    while (time(NULL) < end)
        count += check_all();
    return count;
}

static int run(time_t end)
{
    int bad = 0;

    for (int i = 0; i < WRITER_COUNT + READER_COUNT; i++) {
        pid_t pid = fork();

        expect(pid >= 0, "fork", dir);
        if (pid == 0) {
            uint64_t count = i < WRITER_COUNT ? run_writer(i, end) : run_reader(end);

            printf("%s %d: %" PRIu64 " files\n", i < WRITER_COUNT ? "writer" : "reader", i, count);
            fflush(stdout);
            _exit(count > 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < WRITER_COUNT + READER_COUNT; i++) {
        int status = 0;

        if (wait(&status) < 0 || status != 0)
            bad = 1;
    }
    return bad;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    dir = argv[1];
    if (strcmp(argv[2], "verify") == 0)
        return check_all() > 0 ? 0 : 1;
    return run(time(NULL) + atoi(argv[2]));
}
