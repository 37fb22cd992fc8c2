/* What a process has used, and what a store takes on disk. */
#ifndef KVBENCH_METER_H
#define KVBENCH_METER_H

#include <stdbool.h>
#include <stdint.h>

/* Counters of this process, all threads, since it began. */
struct usage {
    double cpu_s;           /* user and system */
    uint64_t written_len;   /* bytes that made pages of files dirty, or went to the disk directly */
    uint64_t written_chars; /* bytes given to write calls; io_uring and mapped files are not seen */
    uint64_t read_len;      /* bytes fetched from the disk */
};

uint64_t clock_ns(void);
void usage_read(struct usage *ret);
uint64_t peak_memory_len(void); /* bytes, VmHWM */

/*
 * Wait until, for `calm_s` seconds, no thread but the caller's has run or waited for the disk.
 * Returns the seconds until that calm began; *ret_calm is false when `seconds_max` passed without
 * it. With a calm_s of 0 it does not wait.
 */
double settle_wait(double calm_s, double seconds_max, bool *ret_calm);

#endif
