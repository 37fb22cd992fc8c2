/*
 * Reads for many look-ups at once. A look-up that carries a gather stops with GATHER_LATER where it
 * would have to read the disk; when all of them have been tried, one gather_read fetches what they
 * wait for, and those that stopped are tried again from the start. Each try gets at least one read
 * further, so the tries end.
 *
 * One thread at a time. What was read stays until gather_done, whatever becomes of the cache.
 */
#ifndef LSM_CACHE_GATHER_H
#define LSM_CACHE_GATHER_H

#include <errno.h>

#include "lsm/cache/block_cache.h"
#include "lsm/env/env.h"

enum {
    GATHER_LATER = -EAGAIN, /* no error of a disk; never described */
    GATHER_COUNT_MAX = 256,
    GATHER_LEN_MAX = 16 << 20, /* bytes of all reads */
};

/* All zeros is an empty gather, and costs nothing until something is missing. */
struct gather {
    struct gathered *items; /* room for GATHER_COUNT_MAX */
    unsigned count;
    unsigned read_count; /* of them; the others wait */
    size_t len;          /* bytes of all */
};

void gather_done(struct gather *g);
/*
 * The bytes [offset, offset + len) of a file that stays open until gather_done. 1: *ret is a block
 * of exactly these bytes, unverified, and a reference for the caller. GATHER_LATER: they have to be
 * read first. 0: read them yourself, for that failed here (and you will learn why), or the gather
 * is full.
 */
int gather_get(struct gather *g, struct env_reader *reader, uint64_t offset, size_t len,
               struct cache_block **ret);
/* Whether somebody was sent away. */
static inline bool gather_waits(const struct gather *g)
{
    return g->read_count < g->count;
}

/* Read all that is waited for. */
void gather_read(struct gather *g);

#endif
