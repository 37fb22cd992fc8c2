/*
 * An input is a byte, which says what the rest is: the contents of a block with entries, of a
 * filter, of a block of range tombstones, the properties of a table, its footer, or a list of blob
 * files. For the first a key to seek comes before it, behind a byte with its length.
 */
#include "fuzz/fuzz.h"
#include "lsm/table/bloom.h"
#include "lsm/table/sst_impl.h"

static void walk_entries(struct slice in)
{
    struct slice target = fuzz_bytes(&in, fuzz_byte(&in));
    struct block_iter it;
    struct buf key = {0};
    unsigned forward = 0, back = 0;

    CHECK(!ikey_make(&key, target, SEQNO_MAX, 0xff));
    block_iter_init(&it);
    if (!block_iter_set(&it, in)) {
        for (block_iter_seek_first(&it); it.valid; block_iter_next(&it), forward++) {
            fuzz_read_all(it.key);
            fuzz_read_all(it.value);
        }
        if (!it.err)
            for (block_iter_seek_last(&it); it.valid; block_iter_prev(&it), back++)
                ;
    }
    if (!block_iter_set(&it, in)) {
        block_iter_seek(&it, buf_slice(&key));
        for (back = 0; it.valid && back < 3; back++)
            block_iter_prev(&it);
    }
    if (!block_iter_set(&it, in))
        block_iter_check(&it);
    block_iter_done(&it);
    buf_free(&key);
}

static void decode_rangedels(struct slice in)
{
    struct env_reader file = {.name = (char *)"00000009.sst"};
    struct env *env = env_memory_new();
    struct block_source src = {.reader = &file, .number = 9, .blocks_end = in.len};
    struct rangedel_list *list = NULL;
    uint64_t count;

    file.env = env;
    if (!sst_rangedels_decode(&src, (struct block_handle){0, in.len}, in, &list, &count) && list) {
        CHECK(list->fragment_count);
        for (size_t i = 0; i < list->fragment_count; i++) {
            const struct rangedel_fragment *f = &list->fragments[i];

            CHECK(f->seqno_count && slice_cmp(f->start, f->end) < 0);
            CHECK(rangedel_list_covering(list, f->start, SEQNO_MAX) == f->seqnos[0]);
        }
    }
    rangedel_list_free(list);
    env_memory_free(env);
}

static void decode_properties(struct slice in)
{
    struct sst_properties p, again;
    struct buf bytes = {0};

    if (!sst_properties_decode(in, &p))
        return;
    CHECK(!sst_properties_encode(&p, &bytes));
    CHECK(sst_properties_decode(buf_slice(&bytes), &again));
    CHECK(again.stats.entry_count == p.stats.entry_count);
    buf_free(&bytes);
}

static void decode_footer(struct slice in)
{
    uint8_t p[FOOTER_LEN] = {0};
    struct sst_footer f;
    const char *reason;

    if (in.len)
        memcpy(p, in.data, in.len < FOOTER_LEN ? in.len : FOOTER_LEN);
    if (sst_footer_decode(p, 9, get_le64(p + FOOTER_FILE_LEN), &f, &reason))
        fuzz_read_all(slice_str(reason));
}

static void decode_uses(struct slice in)
{
    struct blob_uses uses = {0}, again = {0};
    struct buf bytes = {0};
    struct slice rest;

    if (blob_uses_decode(&in, &uses) == 1) {
        CHECK(!blob_uses_encode(&uses, &bytes));
        rest = buf_slice(&bytes);
        CHECK(blob_uses_decode(&rest, &again) == 1 && !rest.len);
        CHECK(blob_uses_equal(&uses, &again));
    }
    blob_uses_done(&uses);
    blob_uses_done(&again);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(slice_of(data, len));
    struct slice in = slice_of(copy, len);

    switch (fuzz_byte(&in) % 6) {
    case 0:
        walk_entries(in);
        break;
    case 1:
        bloom_check(in);
        for (uint64_t hash = 1; hash; hash <<= 1)
            bloom_may_contain(in, hash * UINT64_C(0x9e3779b97f4a7c15));
        break;
    case 2:
        decode_rangedels(in);
        break;
    case 3:
        decode_properties(in);
        break;
    case 4:
        decode_footer(in);
        break;
    default:
        decode_uses(in);
        break;
    }
    free(copy);
    return 0;
}
