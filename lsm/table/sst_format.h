/*
 * The table's bytes: constants, block addresses, footer and properties. Format and the valid-if
 * rule: lsm/FORMAT.md, "Table".
 */
#ifndef LSM_TABLE_SST_FORMAT_H
#define LSM_TABLE_SST_FORMAT_H

#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"
#include "lsm/table/sst.h"

enum {
    SST_FORMAT_VERSION = 1,
    SST_INCOMPAT_BLOBS = 1, /* entries may be references; the properties say to which files */
    SST_INCOMPAT_KNOWN = SST_INCOMPAT_BLOBS, /* feature bits that this program understands */
    SST_PROPERTIES_VERSION = 1,

    /* After each block's payload. */
    BLOCK_TRAILER_TYPE = 0,
    BLOCK_TRAILER_CHECKSUM = 1,
    BLOCK_TRAILER_LEN = 9,

    BLOCK_TYPE_PLAIN = 0,
    BLOCK_TYPE_LZ4 = 1,
    LZ4_RATIO_MAX = 255, /* a byte of LZ4 never makes more than so many */

    /* A block before compression: one value of the greatest length, and room around it. */
    BLOCK_LEN_MAX = (1 << 30) + (32 << 20),
    BLOCK_CUT_LEN_MAX = 16 << 20, /* the greatest block_len and partition_len that are obeyed */

    IKEY_LEN_MAX = USER_KEY_LEN_MAX + IKEY_TRAILER_LEN,
    HANDLE_LEN_MAX = 2 * VARINT64_LEN_MAX,

    FOOTER_TOP = 0,
    FOOTER_RANGEDELS = 16,
    FOOTER_PROPERTIES = 32,
    FOOTER_FILE_LEN = 48,
    FOOTER_NUMBER = 56,
    FOOTER_VERSION = 64,
    FOOTER_INCOMPAT = 68,
    FOOTER_RESERVED = 72,
    FOOTER_CHECKSUM = 80,
    FOOTER_MAGIC = 88,
    FOOTER_LEN = 96
};

_Static_assert(BLOCK_TRAILER_CHECKSUM + 8 == BLOCK_TRAILER_LEN, "the checksum ends the trailer");
_Static_assert(FOOTER_RANGEDELS == FOOTER_TOP + 16, "a handle has two fields of eight bytes");
_Static_assert(FOOTER_PROPERTIES == FOOTER_RANGEDELS + 16, "handles follow each other");
_Static_assert(FOOTER_FILE_LEN == FOOTER_PROPERTIES + 16, "the length follows the handles");
_Static_assert(FOOTER_CHECKSUM + 8 == FOOTER_MAGIC, "the magic follows the checksum");
_Static_assert(FOOTER_MAGIC + 8 == FOOTER_LEN, "the magic ends the file");
_Static_assert(BLOCK_LEN_MAX > VALUE_LEN_MAX + BLOCK_CUT_LEN_MAX + 2 * IKEY_LEN_MAX,
               "the longest value fits behind a block that is nearly full");

/* Where a block lies. Length zero: there is none. */
struct block_handle {
    uint64_t offset;
    uint64_t len; /* of the payload, without the trailer */
};

/*
 * Where it ends; UINT64_MAX for one that no file holds. Blocks of one kind stand in the order of
 * their keys, and whoever walks over many sees that each begins behind the one before: so the work
 * is bounded by the file's length, whatever an index says.
 */
static inline uint64_t block_end(struct block_handle h)
{
    uint64_t end;

    if (__builtin_add_overflow(h.offset, h.len, &end) ||
        __builtin_add_overflow(end, BLOCK_TRAILER_LEN, &end))
        return UINT64_MAX;
    return end;
}

/* Write at p, which has room for HANDLE_LEN_MAX bytes; returns the first byte after it. */
static inline uint8_t *put_handle(uint8_t *p, struct block_handle h)
{
    return put_varint64(put_varint64(p, h.offset), h.len);
}

static inline bool take_handle(struct slice *in, struct block_handle *ret)
{
    return take_varint64(in, &ret->offset) && take_varint64(in, &ret->len);
}

/* Value of an index partition's entry: one handle and nothing after it. */
static inline bool index_value_decode(struct slice value, struct block_handle *ret)
{
    return take_handle(&value, ret) && value.len == 0;
}

/* Value of the top index's entry: index partition, then its filter (length zero: none). */
static inline bool top_value_decode(struct slice value, struct block_handle *ret_index,
                                    struct block_handle *ret_filter)
{
    return take_handle(&value, ret_index) && take_handle(&value, ret_filter) && value.len == 0;
}

struct sst_footer {
    struct block_handle top, rangedels, properties;
    uint64_t file_len;
    uint64_t number;
    uint32_t version;
    uint32_t incompat;
};

/* version is the program's own. */
void sst_footer_encode(const struct sst_footer *f, uint8_t p[FOOTER_LEN]);
/*
 * The footer of file `number`, which has file_len bytes. 0, or a positive code with *ret_reason,
 * which is static text.
 */
int sst_footer_decode(const uint8_t p[FOOTER_LEN], uint64_t number, uint64_t file_len,
                      struct sst_footer *ret, const char **ret_reason);

struct sst_properties {
    struct sst_stats stats; /* file_len is not stored here: the footer has it */
    struct sst_builder_options options;
    uint64_t data_block_count;
    uint64_t partition_count;
    struct slice rest; /* what follows: with SST_INCOMPAT_BLOBS the uses; borrowed */
};

int sst_properties_encode(const struct sst_properties *p, struct buf *ret);
/* What follows the known ones is left to `rest`. False when the bytes do not hold the known ones.
 */
bool sst_properties_decode(struct slice in, struct sst_properties *ret);

#endif
