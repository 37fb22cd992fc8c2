/*
 * Measuring from /proc/self. Calm is not asked of the engines, who would each answer something
 * else: it is when the process's other threads sleep and its processor time stands still.
 */
#include "bench/kvbench/meter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/kvbench/fail.h"

enum {
    LOOK_MS = 25,
    /* Of processor time while calm: what looking costs, and timers of the engines. */
    CALM_CPU_US_MAX = 10000,
};

uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* The number behind "NAME:" in a file of lines; 0 when there is none. */
static uint64_t number_in(const char *path, const char *name)
{
    char line[256];
    uint64_t n = 0;
    FILE *f = fopen(path, "re");

    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f)) {
        size_t len = strlen(name);

        if (!strncmp(line, name, len) && line[len] == ':')
            n = strtoull(line + len + 1, NULL, 10);
    }
    fclose(f);
    return n;
}

void usage_read(struct usage *ret)
{
    ret->cpu_s = cpu_seconds();
    ret->written_len = number_in("/proc/self/io", "write_bytes");
    ret->written_chars = number_in("/proc/self/io", "wchar");
    ret->read_len = number_in("/proc/self/io", "read_bytes");
}

uint64_t peak_memory_len(void)
{
    return number_in("/proc/self/status", "VmHWM") * 1024;
}

/* Whether thread `tid` of this process runs, or waits for the disk. */
static bool thread_is_busy(const char *tid)
{
    char path[64], stat[512];
    const char *name_end;
    size_t len;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", tid);
    f = fopen(path, "re");
    if (!f)
        return false;
    len = fread(stat, 1, sizeof(stat) - 1, f);
    fclose(f);
    stat[len] = '\0';
    name_end = strrchr(stat, ')');
    return name_end && (name_end[2] == 'R' || name_end[2] == 'D');
}

static bool another_is_busy(void)
{
    pid_t self = gettid();
    struct dirent *e;
    bool busy = false;
    DIR *d = opendir("/proc/self/task");

    if (!d)
        return false;
    while (!busy && (e = readdir(d)))
        busy = *e->d_name != '.' && atoi(e->d_name) != self && thread_is_busy(e->d_name);
    closedir(d);
    return busy;
}

double settle_wait(double calm_s, double seconds_max, bool *ret_calm)
{
    const struct timespec look = {0, LOOK_MS * 1000000};
    uint64_t begin = clock_ns(), calm_begin = begin, now = begin;
    double cpu = cpu_seconds();

    while ((double)(now - calm_begin) / 1e9 < calm_s) {
        if ((double)(now - begin) / 1e9 > seconds_max) {
            *ret_calm = false;
            return (double)(now - begin) / 1e9;
        }
        nanosleep(&look, NULL);
        now = clock_ns();
        if (another_is_busy() || cpu_seconds() - cpu > CALM_CPU_US_MAX / 1e6) {
            calm_begin = now;
            cpu = cpu_seconds();
        }
    }
    *ret_calm = true;
    return (double)(calm_begin - begin) / 1e9;
}
