/*
 * A time as text, for people. See time_text.h.
 */
#include "tools/time_text.h"

#include <stdio.h>

void time_text(const struct timespec *t, int precise, char buf[TIME_TEXT_LEN])
{
    struct tm tm;
    size_t len;

    if (!localtime_r(&t->tv_sec, &tm)) {
        snprintf(buf, TIME_TEXT_LEN, "@%lld", (long long)t->tv_sec);
        return;
    }
    len = strftime(buf, TIME_TEXT_LEN, "%Y-%m-%d %H:%M:%S", &tm);
    if (precise && len) {
        len += (size_t)snprintf(buf + len, TIME_TEXT_LEN - len, ".%09ld ", t->tv_nsec);
        len += strftime(buf + len, TIME_TEXT_LEN - len, "%z", &tm);
    }
    buf[len] = 0;
}

void time_ns_text(uint64_t time_ns, char buf[TIME_TEXT_LEN])
{
    struct timespec t = {.tv_sec = (time_t)(time_ns / 1000000000),
                         .tv_nsec = (long)(time_ns % 1000000000)};

    time_text(&t, 1, buf);
}
