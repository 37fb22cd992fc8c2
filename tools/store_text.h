/*
 * What the commands print of a file system, as text: UUIDs, modes, types and times.
 */
#ifndef TOOLS_STORE_TEXT_H
#define TOOLS_STORE_TEXT_H

#include <stdint.h>
#include <time.h>

enum {
    UUID_TEXT_LEN = 37,
    MODE_TEXT_LEN = 11,
    TIME_TEXT_LEN = 64,
};

void uuid_text(const uint8_t uuid[16], char buf[UUID_TEXT_LEN]);
/* "drwxr-xr-x" */
void mode_text(uint32_t mode, char buf[MODE_TEXT_LEN]);
/* "directory"; by the S_IFMT bits */
const char *type_text(uint32_t mode);
/* "2026-01-31 12:00:00" in local time; nanoseconds and zone behind it when `precise`. */
void time_text(const struct timespec *t, int precise, char buf[TIME_TEXT_LEN]);

#endif
