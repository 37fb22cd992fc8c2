/*
 * Borrowed and owned bytes.
 *
 * A slice borrows: whoever hands one over states how long the bytes live. A buf owns heap memory
 * and grows. Order of keys is the order of memcmp, a shorter key before a longer one it begins.
 */
#ifndef LSM_BASE_SLICE_H
#define LSM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;          /* bytes */
};

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}

static inline struct slice slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

enum {
    SLICE_WORDS_LEN = 32 /* so many first bytes are compared by words: keys are mostly short */
};

/* The first eight bytes, so that the order of numbers is that of bytes. */
static inline uint64_t slice_word(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len, i = 0;
    int c;

    for (; i + 8 <= n && i < SLICE_WORDS_LEN; i += 8) {
        uint64_t x = slice_word(a.data + i), y = slice_word(b.data + i);

        if (x != y)
            return x < y ? -1 : 1;
    }
    c = i < n ? memcmp(a.data + i, b.data + i, n - i) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && slice_cmp(a, b) == 0;
}

/* Owned, growing bytes. All zeros is an empty buf. */
struct buf {
    uint8_t *data;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
};

/* Make room for `more` bytes after len. -ENOMEM leaves the buf as it was. */
int buf_reserve(struct buf *b, size_t more);
/* Append; -ENOMEM leaves the buf as it was. */
int buf_append(struct buf *b, const void *data, size_t len);
/* Replace the contents; -ENOMEM leaves the buf as it was. */
int buf_assign(struct buf *b, const void *data, size_t len);
/* printf at the end, without a terminating NUL in len (but one is stored after it). */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Append bytes for a human reader: printable ASCII as it is, the rest as \xNN. */
int buf_append_escaped(struct buf *b, struct slice s);
/* Free the memory; the buf is empty and may be used again. */
void buf_free(struct buf *b);

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

#endif
