/*
 * fsync_writer write DIR ROUND: make files until the file system fails, and write a line
 * `NAME LENGTH SEED` to standard output for each one that is complete: fsynced, for every other
 * file; only written and closed, for the rest. Both must survive the death of the daemon.
 * fsync_writer verify DIR: every file that the lines on standard input name is whole.
 *
 * A line is one write(2), so a log never ends with half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount/file_pattern.h"

enum {
    FILE_LEN_MAX = 300000,
    PATH_LEN_MAX = 4096
};

static uint8_t contents[FILE_LEN_MAX], found[FILE_LEN_MAX + 1];

/* In pieces of piece_len bytes. 0, or -1 when the file system has failed. */
static int write_file(const char *path, size_t len, size_t piece_len, int is_synced)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    size_t done = 0;
    int err = fd < 0 ? -1 : 0;

    while (err == 0 && done < len) {
        size_t want = len - done < piece_len ? len - done : piece_len;
        ssize_t n = write(fd, contents + done, want);

        if (n <= 0)
            err = -1;
        else
            done += (size_t)n;
    }
    if (err == 0 && is_synced && fsync(fd) != 0)
        err = -1;
    if (fd >= 0 && close(fd) != 0)
        err = -1;
    return err;
}

static void write_files(const char *dir, uint64_t round)
{
    uint64_t state = round * 1000003;

    for (unsigned i = 0;; i++) {
        static const size_t lens[] = {100, 5000, 70000, FILE_LEN_MAX};
        uint64_t seed = pattern_next(&state);
        size_t len = (size_t)(pattern_next(&state) % lens[i % 4]);
        size_t piece_len = i % 3 ? 1 << 20 : 1 + len / 10;
        char name[64], path[PATH_LEN_MAX], made[PATH_LEN_MAX + 8], line[128];
        int line_len;

        snprintf(name, sizeof(name), "r%" PRIu64 "-%u", round, i);
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        snprintf(made, sizeof(made), "%s%s", path, i % 5 ? "" : ".new");
        pattern_fill(seed, contents, len);
        if (write_file(made, len, piece_len, i % 2 == 0) != 0)
            return;
        if (i % 5 == 0 && rename(made, path) != 0)
            return;
        line_len = snprintf(line, sizeof(line), "%s %zu %" PRIu64 "\n", name, len, seed);
        if (write(STDOUT_FILENO, line, (size_t)line_len) != line_len)
            return;
    }
}

static int is_whole(const char *path, size_t len, uint64_t seed)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(found, 1, sizeof(found), f) : 0;

    if (!f || ferror(f) || n != len) {
        fprintf(stderr, "%s: %zu of %zu bytes: %s\n", path, n, len, strerror(errno));
        if (f)
            fclose(f);
        return 0;
    }
    fclose(f);
    pattern_fill(seed, contents, len);
    for (size_t i = 0; i < len; i++) {
        if (contents[i] != found[i]) {
            fprintf(stderr, "%s: byte %zu of %zu is wrong\n", path, i, len);
            return 0;
        }
    }
    return 1;
}

static int verify_files(const char *dir)
{
    char name[64], path[PATH_LEN_MAX];
    size_t len;
    uint64_t seed;
    int bad = 0;

    while (scanf("%63s %zu %" SCNu64, name, &len, &seed) == 3) {
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (len > FILE_LEN_MAX || !is_whole(path, len, seed))
            bad++;
    }
    return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write") == 0) {
        write_files(argv[2], strtoull(argv[3], NULL, 10));
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify_files(argv[2]);
    return 2;
}
