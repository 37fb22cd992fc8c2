/*
 * fsbench_operations [-l] DIR COUNT STEP: one step of what happens to COUNT files of 1 KiB, which
 * lie in directories of 1000 below DIR: create, stat, read, rename, unlink, one after the other.
 * With -l it prints how long single ones took, in microseconds: "median M p99.9 N longest O".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_LEN = 1024,
    DIR_LEN = 1000, /* files in a directory */
};

static const char *top;
static char contents[FILE_LEN];

static void check(int result, const char *path)
{
    if (result >= 0)
        return;
    fprintf(stderr, "fsbench_operations: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void path_of(char *ret, size_t len, unsigned long i, const char *suffix)
{
    snprintf(ret, len, "%s/%lu/%lu%s", top, i / DIR_LEN, i, suffix);
}

static void create_file(unsigned long i, const char *path)
{
    char dir[4200];
    int fd;

    snprintf(dir, sizeof(dir), "%s/%lu", top, i / DIR_LEN);
    if (i % DIR_LEN == 0)
        check(mkdir(dir, 0755), dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    check(fd, path);
    check(write(fd, contents, FILE_LEN) == FILE_LEN ? 0 : -1, path);
    check(close(fd), path);
}

static void stat_file(unsigned long i, const char *path)
{
    struct stat st;

    (void)i;
    check(stat(path, &st), path);
    check(st.st_size == FILE_LEN ? 0 : -1, path);
}

static void read_file(unsigned long i, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char found[FILE_LEN + 1];

    (void)i;
    check(fd, path);
    check(read(fd, found, sizeof(found)) == FILE_LEN ? 0 : -1, path);
    check(close(fd), path);
}

static void rename_file(unsigned long i, const char *path)
{
    char renamed[4200];

    path_of(renamed, sizeof(renamed), i, ".renamed");
    check(rename(path, renamed), path);
}

static void unlink_file(unsigned long i, const char *path)
{
    char renamed[4200];

    (void)path;
    path_of(renamed, sizeof(renamed), i, ".renamed");
    check(unlink(renamed), renamed);
}

static const struct step {
    const char *name;
    void (*take)(unsigned long i, const char *path);
} steps[] = {
    {"create", create_file}, {"stat", stat_file},     {"read", read_file},
    {"rename", rename_file}, {"unlink", unlink_file}, {NULL, NULL},
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void take_all(const struct step *step, unsigned long count, double *ret_us)
{
    for (unsigned long i = 0; i < count; i++) {
        char path[4200];
        double begin;

        path_of(path, sizeof(path), i, "");
        begin = now_us();
        step->take(i, path);
        ret_us[i] = now_us() - begin;
    }
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Of one in a thousand, or the longest of fewer, the shortest. */
static void print_latencies(double *us, unsigned long count)
{
    qsort(us, count, sizeof(*us), compare);
    printf("median %.1f p99.9 %.1f longest %.1f\n", us[count / 2],
           us[count - 1 - (count - 1) / 1000], us[count - 1]);
}

int main(int argc, char **argv)
{
    bool latencies = argc > 1 && !strcmp(argv[1], "-l");
    char **args = argv + 1 + latencies;
    int arg_count = argc - 1 - latencies;
    unsigned long count = arg_count == 3 ? strtoul(args[1], NULL, 10) : 0;
    const struct step *step = steps;
    double *us;

    while (step->name && (arg_count != 3 || strcmp(step->name, args[2])))
        step++;
    if (!count || !step->name) {
        fprintf(stderr,
                "Usage: fsbench_operations [-l] DIR COUNT create|stat|read|rename|unlink\n");
        return 2;
    }
    us = calloc(count, sizeof(*us));
    check(us ? 0 : -1, "latencies");
    top = args[0];
    memset(contents, 'x', sizeof(contents));
    take_all(step, count, us);
    if (latencies)
        print_latencies(us, count);
    free(us);
    return 0;
}
