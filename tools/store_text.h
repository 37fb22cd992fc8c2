/*
 * What the commands print of a file system, as text: UUIDs, modes and types.
 */
#ifndef TOOLS_STORE_TEXT_H
#define TOOLS_STORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/time_text.h"

enum {
    UUID_TEXT_LEN = 37,
    MODE_TEXT_LEN = 11,
};

void uuid_text(const uint8_t uuid[16], char buf[UUID_TEXT_LEN]);
/* "drwxr-xr-x" */
void mode_text(uint32_t mode, char buf[MODE_TEXT_LEN]);
/* "directory"; by the S_IFMT bits */
const char *type_text(uint32_t mode);

/* The size of a block, as the user writes it; false when it is none. */
bool parse_block_size(const char *text, uint32_t *ret);

#endif
