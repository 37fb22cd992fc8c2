/*
 * Sorting more items than fit into memory: items of one length are collected, sorted, and can then
 * be asked for by their place in the order. What is beyond the budget goes into a temporary file
 * that has no name, in $TMPDIR or /tmp.
 *
 * Errors are negative: -ENOMEM, or what the disk says of the temporary file, such as -ENOSPC, with
 * a text that names its directory (err_detail). After an error only sort_spill_free may be called.
 * One thread at a time.
 */
#ifndef FS_SORT_SPILL_H
#define FS_SORT_SPILL_H

#include <stddef.h>
#include <stdint.h>

struct sort_spill;

struct sort_spill_options {
    size_t item_len;   /* bytes */
    size_t memory_len; /* bytes of memory in all; at least SORT_SPILL_MEMORY_MIN is taken */
    /* NULL: items are added in their order, and stay in it. */
    int (*compare)(const void *a, const void *b);
};

enum {
    SORT_SPILL_MEMORY_MIN = 256 << 10
};

int sort_spill_new(const struct sort_spill_options *options, struct sort_spill **ret);
void sort_spill_free(struct sort_spill *s); /* NULL is allowed */
/* Copies the item. Not after sort_spill_finish. */
int sort_spill_add(struct sort_spill *s, const void *item);
/* Everything has been added: sort it. Items that compare equal are in no order. */
int sort_spill_finish(struct sort_spill *s);
uint64_t sort_spill_count(const struct sort_spill *s);
/*
 * The item at this place, below the count, after sort_spill_finish. *ret is valid until the next
 * call. Places one after the other, in either direction, cost little.
 */
int sort_spill_get(struct sort_spill *s, uint64_t place, const void **ret);

#endif
