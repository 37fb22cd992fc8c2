/*
 * A time as text.
 */
#ifndef TOOLS_TIME_TEXT_H
#define TOOLS_TIME_TEXT_H

#include <stdint.h>
#include <time.h>

enum {
    TIME_TEXT_LEN = 64,
};

/*
 * "2026-01-31 12:00:00" in local time; nanoseconds and zone behind it when `precise`. A time
 * without a date is its number of seconds.
 */
void time_text(const struct timespec *t, int precise, char buf[TIME_TEXT_LEN]);
/* The same, precise, for nanoseconds since 1970. */
void time_ns_text(uint64_t time_ns, char buf[TIME_TEXT_LEN]);

#endif
