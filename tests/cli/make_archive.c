/*
 * make_archive FILE FORMAT [COMPRESSION]: make an archive of what standard input says, with names
 * that no well-meaning program would write. A line is one entry, fields separated by tabs:
 *
 *     file PATH TEXT [MODE]    dir PATH [MODE]    symlink PATH TARGET    hard PATH OTHER
 *     fifo PATH    big PATH MIB (of bytes that do not compress)
 *
 * In a path \0 is nothing at all, and \xNN a byte.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct archive *a;

static void die(const char *what)
{
    fprintf(stderr, "make_archive: %s: %s\n", what, archive_error_string(a));
    exit(1);
}

static char *unescape(char *text)
{
    char *in = text, *out = text;

    while (*in) {
        if (in[0] == '\\' && in[1] == '0') {
            in += 2;
        } else if (in[0] == '\\' && in[1] == 'x') {
            char hex[3] = {in[2], in[3], 0};

            *out++ = (char)strtol(hex, NULL, 16);
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    *out = 0;
    return text;
}

static void write_big(unsigned mib)
{
    static uint64_t block[131072];
    uint64_t x = 88172645463325252u;

    for (unsigned i = 0; i < mib; i++) {
        for (size_t n = 0; n < sizeof(block) / sizeof(block[0]); n++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            block[n] = x;
        }
        if (archive_write_data(a, block, sizeof(block)) < 0)
            die("data");
    }
}

static void put(char **field, int count)
{
    struct archive_entry *e = archive_entry_new();
    const char *text = count > 2 ? field[2] : "";
    const char *mode =
        strcmp(field[0], "dir") ? (count > 3 ? field[3] : "644") : (count > 2 ? text : "755");
    unsigned type = S_IFREG;

    archive_entry_copy_pathname(e, unescape(field[1]));
    archive_entry_set_mtime(e, 1500000000, 0);
    if (!strcmp(field[0], "dir"))
        type = S_IFDIR;
    if (!strcmp(field[0], "fifo"))
        type = S_IFIFO;
    if (!strcmp(field[0], "symlink")) {
        type = S_IFLNK;
        archive_entry_copy_symlink(e, unescape(field[2]));
    }
    archive_entry_set_mode(e, type | (unsigned)strtoul(mode, NULL, 8));
    archive_entry_set_size(e, 0);
    if (!strcmp(field[0], "hard"))
        archive_entry_copy_hardlink(e, unescape(field[2]));
    if (!strcmp(field[0], "file"))
        archive_entry_set_size(e, (la_int64_t)strlen(text));
    if (!strcmp(field[0], "big"))
        archive_entry_set_size(e, (la_int64_t)strtoul(text, NULL, 10) << 20);
    if (archive_write_header(a, e) < ARCHIVE_WARN)
        die(field[1]);
    if (!strcmp(field[0], "file") && *text && archive_write_data(a, text, strlen(text)) < 0)
        die("data");
    if (!strcmp(field[0], "big"))
        write_big((unsigned)strtoul(text, NULL, 10));
    archive_entry_free(e);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    if (argc < 3)
        return 2;
    a = archive_write_new();
    if (archive_write_set_format_by_name(a, argv[2]) < ARCHIVE_WARN ||
        (argc > 3 && archive_write_add_filter_by_name(a, argv[3]) != ARCHIVE_OK) ||
        archive_write_open_filename(a, argv[1]) != ARCHIVE_OK)
        die(argv[1]);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        char *field[4], *rest = line;
        int count = 0;

        line[len - 1] = 0;
        while (count < 4 && (field[count] = strsep(&rest, "\t")))
            count++;
        if (count < 2)
            die("a line of fewer than two fields");
        put(field, count);
    }
    free(line);
    if (archive_write_close(a) != ARCHIVE_OK)
        die("end");
    archive_write_free(a);
    return 0;
}
