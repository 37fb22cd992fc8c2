/*
 * Reading around: which pieces of a file are to be brought into the system's page cache whole when
 * a small read comes to them. Of a store that is small beside the machine's memory all that is used
 * will be there soon, and a disk gives a whole piece in little more time than a block.
 *
 * Each piece is asked for once in the life of the reader, so it costs at most what reading the file
 * from end to end does.
 */
#ifndef LSM_ENV_READ_AROUND_H
#define LSM_ENV_READ_AROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One budget for the files of a store; constant but for the count. */
struct around_budget {
    uint64_t len_max;           /* bytes of files; when there are more, nothing is read around */
    _Atomic uint64_t files_len; /* of files that are open */
};

/* A file; its bits are shared by threads. */
struct read_around {
    struct around_budget *budget;
    uint64_t file_len;       /* bytes; constant */
    _Atomic uint64_t *asked; /* a bit for each piece; NULL for none */
};

/* A quarter of the machine's memory. */
void around_budget_init(struct around_budget *b);
/* A file of that length was opened; without memory it does without. */
void read_around_init(struct read_around *a, struct around_budget *b, uint64_t file_len);
void read_around_done(struct read_around *a);
/* Whether the piece around what will be read is wanted, and which one it is. Once for each piece.
 */
bool read_around_wants(struct read_around *a, uint64_t offset, size_t len, uint64_t *ret_offset,
                       uint64_t *ret_len);

#endif
