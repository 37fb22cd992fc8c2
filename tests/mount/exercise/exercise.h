/*
 * Random calls on the contents of two files, and what every byte must be after them.
 *
 * A step follows from the seed, its number and the sizes of the files, so that a run can be
 * repeated. The model keeps the bytes in memory; between two runs they are in two plain files
 * elsewhere.
 */
#ifndef EXERCISE_H
#define EXERCISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILE_COUNT = 2,
    PAGE_LEN = 4096,
    SECTOR_LEN = 512,              /* direct transfers are multiples of it */
    FILE_LEN_MAX = (3 << 20) + 77, /* four blocks of the longest kind, the last one short */
    IO_LEN_MAX = 400000,
};

#define EXERCISE_CALLS(X)                                                                          \
    X(read, 14)                                                                                    \
    X(write, 16)                                                                                   \
    X(write_vector, 5)                                                                             \
    X(append, 5)                                                                                   \
    X(direct_read, 7)                                                                              \
    X(direct_write, 8)                                                                             \
    X(map_read, 9)                                                                                 \
    X(map_write, 12)                                                                               \
    X(truncate, 10)                                                                                \
    X(punch, 9)                                                                                    \
    X(zero, 8)                                                                                     \
    X(allocate, 4)                                                                                 \
    X(copy, 14)                                                                                    \
    X(splice, 4)                                                                                   \
    X(sync, 3)                                                                                     \
    X(forget_pages, 4)                                                                             \
    X(holes, 3)                                                                                    \
    X(reopen, 2)                                                                                   \
    X(compare, 1)

enum call {
#define X(name, weight) CALL_##name,
    EXERCISE_CALLS(X)
#undef X
    CALL_COUNT
};

/* What a file must hold: `size` bytes, and zeros behind them up to FILE_LEN_MAX. */
struct model {
    uint8_t *bytes;
    uint64_t size;
};

struct step {
    enum call call;
    unsigned file, source; /* `source` only where something is copied */
    uint64_t offset, len;  /* what is read or changed; within FILE_LEN_MAX */
    uint64_t source_offset;
    uint64_t seed; /* of the bytes that are written, and of the variety of the call */
};

/* An opened file: one inode, seen in four ways. */
struct opened {
    const char *path; /* borrowed */
    int fd, direct_fd, append_fd;
    uint8_t *map; /* FILE_LEN_MAX bytes, shared; those behind the end must not be touched */
    bool map_is_dirty;
};

struct exercise {
    uint64_t seed;
    struct model models[FILE_COUNT];
    struct opened files[FILE_COUNT];
    struct step *steps; /* all from `first` on, for the report */
    uint64_t first, now;
};

/* The step of this number. */
void step_make(const struct exercise *x, uint64_t number, struct step *ret);

/* "17: write 0 at 100 len 20", with a newline. */
void step_print(uint64_t number, const struct step *st);

/* Do the step x->now on the file and on the model. Ends the program when they differ. */
void step_run(struct exercise *x, const struct step *st);

/* What the kernel may see of the file is opened; the end of the program if it can't be. */
void opened_open(struct opened *f, const char *path);

/* What the maps hold is written first. */
void opened_close(struct opened *f);

/* Read all of the file in a way that `seed` chooses; its length and its bytes are the model's. */
void compare_all(struct exercise *x, unsigned file, uint64_t seed);

/* The `len` bytes read at `offset` are the model's; or the program ends. */
void compare(const struct exercise *x, unsigned file, uint64_t offset, const uint8_t *found,
             uint64_t len);

/* Say what is wrong, with seed and step, and end the program with status 1. */
_Noreturn void wrong(const struct exercise *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The model: a range that is set, becomes zeros, or is copied, and a new size. All stay within
 * FILE_LEN_MAX. */
void model_set(struct model *m, uint64_t offset, const uint8_t *bytes, uint64_t len);
void model_clear(struct model *m, uint64_t offset, uint64_t len); /* the size stays */
void model_resize(struct model *m, uint64_t size);

/* From a plain file, and back to it; the end of the program if it can't be. */
void model_load(struct model *m, const char *path);
void model_store(const struct model *m, const char *path);

#endif
