/*
 * The arena: one atomic addition on the current block hands out a piece. Only installing a new
 * block takes the mutex. An addition that overshoots the block's end is lost, which wastes the
 * block's tail and nothing else: whoever overshoots installs the next block.
 *
 * Blocks start small, so that an empty store costs little, and double up to HUGE_LEN. A piece
 * larger than a quarter of the current block gets a block of its own, which bounds the waste.
 *
 * Blocks of HUGE_LEN are mapped, and the kernel is asked to give each one huge page: who searches a
 * list that lies in thousands of small pages waits for page tables as long as for the list itself.
 */
#include "lsm/mem/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    BLOCK_LEN_MIN = 64 << 10,
    HUGE_LEN = 2 << 20 /* a huge page of most machines; where it is not, no harm is done */
};

struct arena_block {
    struct arena_block *next; /* [mu] */
    size_t len;               /* bytes of data */
    bool mapped;              /* HUGE_LEN bytes, by mmap */
    size_t before_len;        /* bytes of all earlier current blocks */
    atomic_size_t used;       /* may lie past len */
    _Alignas(8) uint8_t data[];
};

void arena_init(struct arena *a)
{
    atomic_init(&a->current, NULL);
    atomic_init(&a->large_len, 0);
    atomic_init(&a->taken_len, 0);
    a->account = (struct arena_account){0};
    mutex_init(&a->mu);
    a->blocks = NULL;
}

static void block_free(struct arena_block *b)
{
    if (b->mapped)
        munmap(b, HUGE_LEN);
    else
        free(b);
}

void arena_done(struct arena *a)
{
    struct arena_block *next;

    for (struct arena_block *b = a->blocks; b; b = next) {
        next = b->next;
        block_free(b);
    }
    a->blocks = NULL;
    mutex_done(&a->mu);
    if (a->account.change)
        a->account.change(a->account.arg, -(ptrdiff_t)atomic_load(&a->taken_len));
}

void arena_set_account(struct arena *a, struct arena_account account)
{
    a->account = account;
    account.change(account.arg, (ptrdiff_t)atomic_load(&a->taken_len));
}

static void note_taken(struct arena *a, size_t len)
{
    atomic_fetch_add_explicit(&a->taken_len, len, memory_order_relaxed);
    if (a->account.change)
        a->account.change(a->account.arg, (ptrdiff_t)len);
}

static struct arena_block *block_init(struct arena_block *b, size_t len, bool mapped)
{
    b->len = len;
    b->mapped = mapped;
    b->before_len = 0;
    atomic_init(&b->used, 0);
    return b;
}

static struct arena_block *block_new(size_t len)
{
    struct arena_block *b;

    if (len > SIZE_MAX - sizeof(*b))
        return NULL;
    b = malloc(sizeof(*b) + len);
    return b ? block_init(b, len, false) : NULL;
}

/* A block that begins where a huge page may; what is mapped around it is given back. */
static struct arena_block *block_map(void)
{
    uint8_t *all =
        mmap(NULL, 2 * HUGE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (all == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)all % HUGE_LEN;
    if (before)
        munmap(all, before);
    munmap(all + before + HUGE_LEN, HUGE_LEN - before);
    (void)madvise(all + before, HUGE_LEN, MADV_HUGEPAGE);
    return block_init((struct arena_block *)(void *)(all + before),
                      HUGE_LEN - sizeof(struct arena_block), true);
}

static void link_block_locked(struct arena *a, struct arena_block *b) REQUIRES(a->mu)
{
    b->next = a->blocks;
    a->blocks = b;
}

/* Replace `full`, unless another thread has done so. False when there is no memory. */
static bool install_block(struct arena *a, struct arena_block *full)
{
    struct arena_block *b;
    size_t len = BLOCK_LEN_MIN;

    mutex_lock(&a->mu);
    if (atomic_load_explicit(&a->current, memory_order_relaxed) != full) {
        mutex_unlock(&a->mu);
        return true;
    }
    if (full)
        len = full->len * 2;
    b = len < HUGE_LEN ? block_new(len) : block_map();
    if (b) {
        len = b->len;
        b->before_len = full ? full->before_len + full->len : 0;
        link_block_locked(a, b);
        atomic_store_explicit(&a->current, b, memory_order_release);
    }
    mutex_unlock(&a->mu);
    if (b)
        note_taken(a, len);
    return b != NULL;
}

static void *alloc_large(struct arena *a, size_t len)
{
    struct arena_block *b = block_new(len);

    if (!b)
        return NULL;
    mutex_lock(&a->mu);
    link_block_locked(a, b);
    mutex_unlock(&a->mu);
    atomic_fetch_add_explicit(&a->large_len, len, memory_order_relaxed);
    note_taken(a, len);
    return b->data;
}

void *arena_alloc(struct arena *a, size_t len)
{
    if (len > SIZE_MAX - 7)
        return NULL;
    len = (len + 7) & ~(size_t)7;
    for (;;) {
        struct arena_block *b = atomic_load_explicit(&a->current, memory_order_acquire);
        size_t offset;

        if (len > (b ? b->len : BLOCK_LEN_MIN) / 4)
            return alloc_large(a, len);
        if (b) {
            offset = atomic_fetch_add_explicit(&b->used, len, memory_order_relaxed);
            if (offset <= b->len && len <= b->len - offset)
                return b->data + offset;
        }
        if (!install_block(a, b))
            return NULL;
    }
}

size_t arena_len(const struct arena *a)
{
    const struct arena_block *b = atomic_load_explicit(&a->current, memory_order_acquire);
    size_t len = atomic_load_explicit(&a->large_len, memory_order_relaxed);
    size_t used;

    if (!b)
        return len;
    used = atomic_load_explicit(&b->used, memory_order_relaxed);
    return len + b->before_len + (used < b->len ? used : b->len);
}
