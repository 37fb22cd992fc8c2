/*
 * What stands behind the '=' of a mount option. Every parser takes the whole text or nothing.
 */
#ifndef FS_FUSE_OPTION_VALUE_H
#define FS_FUSE_OPTION_VALUE_H

#include <stdbool.h>
#include <stdint.h>

bool option_number(const char *text, uint64_t *ret);
/* Bytes: a number, with K, M, G or T for powers of 1024; at most 2^63 - 1. */
bool option_size(const char *text, uint64_t *ret);
bool option_mask(const char *text, uint32_t *ret); /* octal, at most 0777 */
/* A number below 2^32 - 1, or the name of a user or group of this machine. */
bool option_user(const char *text, uint32_t *ret);
bool option_group(const char *text, uint32_t *ret);

#endif
