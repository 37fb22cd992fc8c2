/*
 * The pieces that have been asked for, as bits. Two threads that come to one piece at once may not
 * both ask: who sets the bit does.
 */
#include "lsm/env/read_around.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    PIECE_LEN = 128 << 10,
    SMALL_LEN = 32 << 10, /* who reads more needs no help */
    WORD_BITS = 64,
    MEMORY_SHARE = 4,
};

/* A table has at most so much; bits for more are not worth their memory. */
static const uint64_t file_len_max = UINT64_C(4) << 30;

void around_budget_init(struct around_budget *b)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_len = sysconf(_SC_PAGESIZE);

    b->len_max =
        pages > 0 && page_len > 0 ? (uint64_t)pages * (uint64_t)page_len / MEMORY_SHARE : 0;
    atomic_init(&b->files_len, 0);
}

void read_around_init(struct read_around *a, struct around_budget *b, uint64_t file_len)
{
    uint64_t pieces = (file_len + PIECE_LEN - 1) / PIECE_LEN;

    a->budget = b;
    a->file_len = file_len;
    a->asked = NULL;
    if (pieces > 1 && file_len <= file_len_max)
        a->asked = calloc((size_t)((pieces + WORD_BITS - 1) / WORD_BITS), sizeof(*a->asked));
    atomic_fetch_add_explicit(&b->files_len, file_len, memory_order_relaxed);
}

void read_around_done(struct read_around *a)
{
    if (a->budget)
        atomic_fetch_sub_explicit(&a->budget->files_len, a->file_len, memory_order_relaxed);
    free((void *)a->asked);
    *a = (struct read_around){0};
}

bool read_around_wants(struct read_around *a, uint64_t offset, size_t len, uint64_t *ret_offset,
                       uint64_t *ret_len)
{
    uint64_t piece = offset / PIECE_LEN, bit = UINT64_C(1) << piece % WORD_BITS;
    _Atomic uint64_t *word;

    if (!a->asked || len > SMALL_LEN || offset >= a->file_len ||
        atomic_load_explicit(&a->budget->files_len, memory_order_relaxed) > a->budget->len_max)
        return false;
    word = &a->asked[piece / WORD_BITS];
    if (atomic_load_explicit(word, memory_order_relaxed) & bit ||
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit)
        return false;
    *ret_offset = piece * PIECE_LEN;
    *ret_len = a->file_len - *ret_offset < PIECE_LEN ? a->file_len - *ret_offset : PIECE_LEN;
    return true;
}
