/*
 * gzip files: one member after the other, each with a checksum and a length behind it, which zlib
 * compares. What follows the last member and is none is padding of tapes, or rubbish, and ignored
 * as gzip(1) does.
 */
#include "tools/archive/gunzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    OUT_LEN = 256 << 10,
    GZIP_ONLY = 16 + MAX_WBITS,
};

struct gunzip {
    z_stream z;
    ssize_t (*read)(void *arg, const uint8_t **ret);
    void *arg;
    bool in_member; /* some of it has been seen, and not its end */
    bool over;
    uint8_t out[OUT_LEN];
};

bool gunzip_is(const uint8_t *data, size_t len)
{
    return len >= 3 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

int gunzip_new(ssize_t (*read)(void *arg, const uint8_t **ret), void *arg, struct gunzip **ret)
{
    struct gunzip *g = malloc(sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->z = (z_stream){.zalloc = Z_NULL};
    g->read = read;
    g->arg = arg;
    g->in_member = true;
    g->over = false;
    if (inflateInit2(&g->z, GZIP_ONLY) != Z_OK) {
        free(g);
        return -ENOMEM;
    }
    *ret = g;
    return 0;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

/* Have some compressed bytes, if there are any: 1, 0 at the end, -1. */
static int fill(struct gunzip *g)
{
    const uint8_t *data;
    ssize_t n;

    if (g->z.avail_in)
        return 1;
    n = g->read(g->arg, &data);
    if (n <= 0)
        return n < 0 ? -1 : 0;
    g->z.next_in = (uint8_t *)(uintptr_t)data;
    g->z.avail_in = (uInt)n;
    return 1;
}

/* Behind a member: true when another one begins. */
static bool next_member(struct gunzip *g)
{
    if (fill(g) <= 0 || *g->z.next_in != 0x1f || inflateReset(&g->z) != Z_OK)
        return false;
    g->in_member = true;
    return true;
}

ssize_t gunzip_read(struct gunzip *g, const uint8_t **ret, const char **ret_text)
{
    g->z.next_out = g->out;
    g->z.avail_out = OUT_LEN;
    while (g->z.avail_out && !g->over) {
        int have, r;

        if (!g->in_member && !next_member(g)) {
            g->over = true;
            break;
        }
        have = fill(g);
        if (have < 0)
            return -1;
        *ret_text = "the gzip data ends too early";
        if (!have)
            return -2;
        r = inflate(&g->z, Z_NO_FLUSH);
        *ret_text = g->z.msg ? g->z.msg : "the gzip data is damaged";
        if (r == Z_STREAM_END)
            g->in_member = false;
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return -2;
    }
    *ret = g->out;
    return (ssize_t)(OUT_LEN - g->z.avail_out);
}
