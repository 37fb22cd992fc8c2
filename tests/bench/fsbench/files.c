/*
 * fsbench_files DIR COUNT WRITERS: COUNT files of 2 KiB are created, written and fsynced in DIR, by
 * so many threads, each in a directory of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_LEN = 2048,
    LINE_LEN = 64,
    WRITER_COUNT_MAX = 64,
};

struct writer {
    const char *dir;
    unsigned number;
    unsigned long count;
};

static _Noreturn void fail(const char *path)
{
    fprintf(stderr, "fsbench_files: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void write_file(const char *path, const char *contents)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, contents, FILE_LEN) != FILE_LEN || fsync(fd) || close(fd))
        fail(path);
}

static void *write_files(void *arg)
{
    const struct writer *w = arg;
    char path[4200], contents[FILE_LEN];

    snprintf(path, sizeof(path), "%s/%u", w->dir, w->number);
    if (mkdir(path, 0755))
        fail(path);
    for (unsigned long i = 0; i < w->count; i++) {
        for (size_t at = 0; at < sizeof(contents); at += LINE_LEN)
            snprintf(contents + at, LINE_LEN, "%u file %lu, at %zu", w->number, i, at);
        snprintf(path, sizeof(path), "%s/%u/%lu", w->dir, w->number, i);
        write_file(path, contents);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct writer writers[WRITER_COUNT_MAX];
    pthread_t threads[WRITER_COUNT_MAX];
    unsigned long count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long writer_count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

    if (!count || !writer_count || writer_count > WRITER_COUNT_MAX) {
        fprintf(stderr, "Usage: fsbench_files DIR COUNT WRITERS\n");
        return 2;
    }
    for (unsigned i = 0; i < writer_count; i++) {
        writers[i] = (struct writer){argv[1], i, count / writer_count};
        errno = pthread_create(&threads[i], NULL, write_files, &writers[i]);
        if (errno)
            fail("a thread cannot be started");
    }
    for (unsigned i = 0; i < writer_count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
