/*
 * Footer and properties as bytes. Format: lsm/FORMAT.md, "Table".
 *
 * The footer is written last, so a table that was cut short has none at its end. Magic, checksum
 * and version keep their places (counted from the end of the file) in every later version, so that
 * a newer table can be told from a damaged one. The checksum is seeded with the file's number: a
 * table under another table's name is refused.
 */
#include "lsm/table/sst_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/err.h"

static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'S', 'S', 'T', '1'};

void sst_file_name(uint64_t number, char buf[32])
{
    snprintf(buf, 32, "%08" PRIu64 ".sst", number);
}

static void put_fixed_handle(uint8_t *p, struct block_handle h)
{
    put_le64(p, h.offset);
    put_le64(p + 8, h.len);
}

static struct block_handle get_fixed_handle(const uint8_t *p)
{
    return (struct block_handle){get_le64(p), get_le64(p + 8)};
}

void sst_footer_encode(const struct sst_footer *f, uint8_t p[FOOTER_LEN])
{
    put_fixed_handle(p + FOOTER_TOP, f->top);
    put_fixed_handle(p + FOOTER_RANGEDELS, f->rangedels);
    put_fixed_handle(p + FOOTER_PROPERTIES, f->properties);
    put_le64(p + FOOTER_FILE_LEN, f->file_len);
    put_le64(p + FOOTER_NUMBER, f->number);
    put_le32(p + FOOTER_VERSION, SST_FORMAT_VERSION);
    put_le32(p + FOOTER_INCOMPAT, f->incompat);
    put_le64(p + FOOTER_RESERVED, 0);
    put_le64(p + FOOTER_CHECKSUM, XXH3_64bits_withSeed(p, FOOTER_CHECKSUM, f->number));
    memcpy(p + FOOTER_MAGIC, magic, sizeof(magic));
}

static int reject(int code, const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return code;
}

int sst_footer_decode(const uint8_t p[FOOTER_LEN], uint64_t number, uint64_t file_len,
                      struct sst_footer *ret, const char **ret_reason)
{
    if (memcmp(p + FOOTER_MAGIC, magic, sizeof(magic)) != 0)
        return reject(ERR_SST_FOOTER, "it does not end with a table's magic number", ret_reason);
    if (!checksum_matches(get_le64(p + FOOTER_CHECKSUM),
                          XXH3_64bits_withSeed(p, FOOTER_CHECKSUM, number)))
        return reject(ERR_SST_FOOTER, "the footer's checksum is wrong", ret_reason);
    ret->version = get_le32(p + FOOTER_VERSION);
    ret->incompat = get_le32(p + FOOTER_INCOMPAT);
    if (ret->version == 0)
        return reject(ERR_SST_FOOTER, "the footer has no version", ret_reason);
    if (ret->version > SST_FORMAT_VERSION)
        return reject(ERR_SST_VERSION, "it has a newer format than this program", ret_reason);
    if (ret->incompat & ~(uint32_t)SST_INCOMPAT_KNOWN)
        return reject(ERR_SST_VERSION, "it uses a feature unknown to this program", ret_reason);
    ret->top = get_fixed_handle(p + FOOTER_TOP);
    ret->rangedels = get_fixed_handle(p + FOOTER_RANGEDELS);
    ret->properties = get_fixed_handle(p + FOOTER_PROPERTIES);
    ret->file_len = get_le64(p + FOOTER_FILE_LEN);
    ret->number = get_le64(p + FOOTER_NUMBER);
    if (ret->number != number)
        return reject(ERR_SST_FOOTER, "the footer is another file's", ret_reason);
    if (ret->file_len != file_len)
        return reject(ERR_SST_FOOTER, "the footer says another file length", ret_reason);
    return 0;
}

int sst_properties_encode(const struct sst_properties *p, struct buf *ret)
{
    const struct sst_stats *s = &p->stats;
    const struct sst_builder_options *o = &p->options;
    const uint64_t fields[] = {
        s->entry_count,
        s->delete_count,
        s->patch_count,
        s->rangedel_count,
        s->raw_len,
        s->seqno_min,
        s->seqno_max,
        p->data_block_count,
        p->partition_count,
        o->block_len,
        o->partition_len,
        o->restart_interval,
        o->filter_bits_per_key,
        o->compress ? 1u : 0u,
    };
    int err;

    ret->len = 0;
    err = buf_put_le32(ret, SST_PROPERTIES_VERSION);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !err; i++)
        err = buf_put_varint64(ret, fields[i]);
    return err ? err : buf_append(ret, p->rest.data, p->rest.len);
}

bool sst_properties_decode(struct slice in, struct sst_properties *ret)
{
    struct sst_stats *s = &ret->stats;
    uint64_t block_len = 0, partition_len = 0, interval = 0, bits = 0, compress = 0;
    uint64_t *const fields[] = {
        &s->entry_count,
        &s->delete_count,
        &s->patch_count,
        &s->rangedel_count,
        &s->raw_len,
        &s->seqno_min,
        &s->seqno_max,
        &ret->data_block_count,
        &ret->partition_count,
        &block_len,
        &partition_len,
        &interval,
        &bits,
        &compress,
    };
    struct slice version;

    if (!take_bytes(&in, 4, &version) || get_le32(version.data) != SST_PROPERTIES_VERSION)
        return false;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!take_varint64(&in, fields[i]))
            return false;
    }
    if (interval > UINT32_MAX || bits > UINT32_MAX || compress > 1)
        return false;
    ret->options.block_len = (size_t)block_len;
    ret->options.partition_len = (size_t)partition_len;
    ret->options.restart_interval = (unsigned)interval;
    ret->options.filter_bits_per_key = (unsigned)bits;
    ret->options.compress = compress != 0;
    ret->rest = in;
    return true;
}
