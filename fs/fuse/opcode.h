/*
 * The kernel's requests by name.
 */
#ifndef FS_FUSE_OPCODE_H
#define FS_FUSE_OPCODE_H

#include <stdint.h>

/* "FSYNC"; static text, "request" for one that is not known. */
const char *opcode_name(uint32_t opcode);

#endif
