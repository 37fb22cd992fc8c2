/*
 * Times before 1970 in pax archives.
 *
 * libarchive prints seconds and nanoseconds side by side, and reads them so: -2 s and 250,000,000
 * ns, which is a second and three quarters before 1970, become -2.25, which everybody else takes
 * for two and a quarter. These functions turn a time into the one that it has to be given to mean
 * the right thing, and back. The last second of 1969 has no such time: it loses its nanoseconds.
 */
#ifndef TOOLS_PAX_TIME_H
#define TOOLS_PAX_TIME_H

#include <time.h>

static inline struct timespec pax_time_for_libarchive(struct timespec t)
{
    if (t.tv_sec >= 0 || !t.tv_nsec)
        return t;
    if (t.tv_sec == -1)
        return (struct timespec){.tv_sec = -1};
    return (struct timespec){.tv_sec = t.tv_sec + 1, .tv_nsec = 1000000000 - t.tv_nsec};
}

static inline struct timespec pax_time_of_libarchive(struct timespec t)
{
    if (t.tv_sec >= 0 || !t.tv_nsec)
        return t;
    return (struct timespec){.tv_sec = t.tv_sec - 1, .tv_nsec = 1000000000 - t.tv_nsec};
}

#endif
