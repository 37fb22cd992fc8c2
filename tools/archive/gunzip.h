/*
 * Decompressing gzip with its checksums: libarchive's own filter does not look at them, and would
 * take damaged contents for good.
 */
#ifndef TOOLS_GUNZIP_H
#define TOOLS_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gunzip;

/* Whether these first bytes of a file are those of gzip. */
bool gunzip_is(const uint8_t *data, size_t len);
/* `read` gives the next compressed bytes: how many, 0 at the end, -1 after a failure. */
int gunzip_new(ssize_t (*read)(void *arg, const uint8_t **ret), void *arg, struct gunzip **ret);
void gunzip_free(struct gunzip *g); /* NULL is allowed */
/*
 * The next bytes of the contents; they are valid until the next call. 0 at the end, when all
 * checksums were right; -1 when `read` failed, -2 for damage, of which *ret_text says what.
 */
ssize_t gunzip_read(struct gunzip *g, const uint8_t **ret, const char **ret_text);

#endif
