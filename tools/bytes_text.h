/*
 * Bytes of any kind as text on one line, and back: what text cannot show is written \t, \n, \\ or
 * \xNN. Every sequence of bytes has such a text, and reading it gives the same bytes.
 */
#ifndef TOOLS_BYTES_TEXT_H
#define TOOLS_BYTES_TEXT_H

#include <stdio.h>

#include "lsm/base/slice.h"

/* Bytes of the UTF-8 character at p, of which `len` may be read; 0 when there is none. */
size_t utf8_char_len(const uint8_t *p, size_t len);

/*
 * Print s: UTF-8 without control characters as it is, a backslash doubled, all else escaped; or,
 * with `hex`, two digits a byte. Errors are kept by `out`.
 */
void bytes_put(FILE *out, struct slice s, bool hex);

/* The same as a string, to be freed; NULL when out of memory. */
char *bytes_text(struct slice s, bool hex);

/*
 * Append what the text stands for, escapes or (with `hex`) pairs of digits. 0, -ENOMEM, or -EINVAL
 * with *ret_why saying what is wrong with it; then *ret holds what came before.
 */
int bytes_parse(struct slice text, bool hex, struct buf *ret, const char **ret_why);

#endif
