/* An input is a byte, so many bytes of a reference to the blob file 00000007.blob, and that file.
 */
#include "fuzz/fuzz.h"
#include "lsm/blob/blob_store.h"
#include "lsm/blob/blob_format.h"
#include "lsm/blob/blob_writer.h"

static void read_value(struct blob_store *s, const struct blob_ref *ref)
{
    struct slice key = slice_str("a"), value;
    struct blob_record record;
    struct cache_block *block;
    struct buf buf = {0};

    if (!blob_read(s, ref, BLOB_FILL, &block, &value)) {
        CHECK(value.len == ref->raw_len);
        fuzz_read_all(value);
        cache_block_unref(block);
    }
    if (!blob_read_record(s, ref, &buf, &record)) {
        fuzz_read_all(record.key);
        fuzz_read_all(record.stored);
    }
    blob_check(s, ref, &key, &buf);
    blob_check(s, ref, NULL, &buf);
    buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = slice_of(data, len), ref_bytes = fuzz_bytes(&in, fuzz_byte(&in));
    uint8_t again[BLOB_REF_LEN_MAX];
    struct env *env = env_memory_new();
    struct block_cache *cache;
    struct blob_store *s;
    struct blob_meta *file;
    struct blob_ref ref, same;

    env_memory_put(env, "00000007.blob", in);
    CHECK(!block_cache_new(1 << 20, &cache));
    CHECK(!blob_store_new(env, cache, 1 << 16, &s));
    blob_store_set_value_len_max(s, 1 << 20);
    CHECK(!blob_store_get(s, 7, &file));
    blob_check_header(s, 7);
    if (blob_ref_decode(ref_bytes, &ref)) {
        CHECK(blob_ref_decode(slice_of(again, blob_ref_encode(&ref, again)), &same));
        CHECK(same.offset == ref.offset && same.len == ref.len && same.raw_len == ref.raw_len);
        if (ref.file == 7)
            read_value(s, &ref);
    }
    blob_to_text(env, 7, true, fuzz_put_line, NULL);
    blob_meta_unref(file, true);
    blob_store_free(s);
    block_cache_free(cache);
    env_memory_free(env);
    return 0;
}
