/*
 * Blob files: what is appended is read again, what is damaged is noticed, and a file goes with its
 * last holder unless something on disk still needs it.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/codec.h"
#include "lsm/base/err.h"
#include "lsm/blob/blob_writer.h"
#include "lsm/env/env.h"

enum {
    FILE_NUMBER = 7,
    VALUE_LEN = 3000
};

struct fixture {
    char *dir;
    struct env *env;
    struct block_cache *cache;
    struct blob_store *store;
    struct blob_writer *writer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->dir = scratch_new();
    assert_int_equal(env_posix_open(f->dir, ENV_CREATE, &f->env), 0);
    assert_int_equal(block_cache_new(1 << 20, &f->cache), 0);
    assert_int_equal(blob_store_new(f->env, f->cache, 64 << 10, &f->store), 0);
    assert_int_equal(blob_writer_new(f->store, FILE_NUMBER, &f->writer), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(blob_writer_free(f->writer), 0);
    blob_store_free(f->store);
    block_cache_free(f->cache);
    env_close(f->env);
    scratch_free(f->dir);
    free(f);
    return 0;
}

/* Text compresses, noise does not. */
static void fill(uint8_t *value, size_t len, bool noise)
{
    struct rng rng = {len};

    for (size_t i = 0; i < len; i++)
        value[i] = noise ? (uint8_t)rng_next(&rng) : (uint8_t)("some text "[i % 10]);
}

static struct blob_ref append(struct fixture *f, const char *key, struct slice value)
{
    struct buf scratch = {0};
    struct blob_record r;
    struct blob_ref ref;
    long long at;

    assert_int_equal(blob_compress(slice_str(key), value, true, NULL, &scratch, &r, &at), 0);
    assert_int_equal(blob_writer_append(f->writer, &r, 1, &ref), 0);
    buf_free(&scratch);
    return ref;
}

static int read_one(struct fixture *f, const struct blob_ref *ref, struct slice want)
{
    struct cache_block *b;
    struct slice value;
    int err = blob_read(f->store, ref, BLOB_FILL, &b, &value);

    if (err)
        return err;
    assert_true(slice_eq(value, want));
    cache_block_unref(b);
    return 0;
}

static void values_are_read_as_they_were_appended(void **state)
{
    struct fixture *f = *state;
    static uint8_t noise[200 << 10], text[VALUE_LEN];
    struct block_cache_stats stats;
    struct blob_ref refs[4];
    struct slice values[4];

    fill(noise, sizeof(noise), true);
    fill(text, sizeof(text), false);
    values[0] = slice_of(text, sizeof(text));
    values[1] = slice_of(noise, 1001);
    values[2] = slice_of(noise, 1);
    values[3] = slice_of(noise, sizeof(noise)); /* too long for the cache */
    for (unsigned i = 0; i < 4; i++)
        refs[i] = append(f, "a key", values[i]);
    assert_true(refs[0].len < sizeof(text) / 4);
    assert_int_equal(refs[1].len, BLOB_RECORD_HEADER_LEN + 5 + 1001);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(read_one(f, &refs[i], values[i]), 0);
    }
    block_cache_stats(f->cache, &stats);
    assert_int_equal(stats.block_count, 3);
    assert_int_equal(stats.hits, 3);
}

static void several_records_go_down_in_one_append(void **state)
{
    struct fixture *f = *state;
    struct blob_record records[3];
    struct blob_ref refs[3];
    const char *keys[3] = {"one", "two", "three"};
    struct buf scratch = {0};
    long long at;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(blob_compress(slice_str(keys[i]), slice_str(keys[i]), false, NULL,
                                       &scratch, &records[i], &at),
                         0);
    assert_int_equal(blob_writer_append(f->writer, records, 3, refs), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(refs[i].offset % BLOB_ALIGN, 0);
        assert_int_equal(read_one(f, &refs[i], slice_str(keys[i])), 0);
    }
    assert_int_equal(blob_writer_len(f->writer), refs[2].offset + blob_padded(refs[2].len));
}

static int file_fd(struct fixture *f)
{
    char name[32];
    int fd;

    blob_file_name(FILE_NUMBER, name);
    fd = open(scratch_path(f->dir, name), O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void every_flipped_bit_of_a_record_is_noticed(void **state)
{
    struct fixture *f = *state;
    uint8_t value[300];
    struct blob_ref ref;
    int fd;

    fill(value, sizeof(value), true);
    ref = append(f, "key", slice_of(value, sizeof(value)));
    fd = file_fd(f);
    for (uint64_t i = 0; i < ref.len; i++) {
        struct buf buf = {0};
        struct blob_record r;
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, (off_t)(ref.offset + i)), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(ref.offset + i)), 1);
        assert_true(err_is_damage(blob_read_record(f->store, &ref, &buf, &r)));
        assert_non_null(strstr(err_detail(), "00000007.blob: record at offset 32"));
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(ref.offset + i)), 1);
        buf_free(&buf);
    }
    close(fd);
    assert_int_equal(read_one(f, &ref, slice_of(value, sizeof(value))), 0);
}

static void a_reference_to_another_record_is_refused(void **state)
{
    struct fixture *f = *state;
    struct blob_ref a = append(f, "key", slice_str("the first")), b, wrong;

    b = append(f, "key", slice_str("no second"));
    wrong = a;
    wrong.checksum = b.checksum;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_REF);
    wrong = b;
    wrong.offset = a.offset;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_REF);
    wrong = a;
    wrong.raw_len--;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_REF);
    wrong = a;
    wrong.offset += 8;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_CHECKSUM);
    wrong = b;
    wrong.offset += 4096;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_REF);
    /* In the cache as on the disk. */
    assert_int_equal(read_one(f, &a, slice_str("the first")), 0);
    wrong = a;
    wrong.checksum = b.checksum;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_BLOB_REF);
    wrong = b;
    wrong.file++;
    assert_int_equal(read_one(f, &wrong, slice_str("")), -ERR_FILE_MISSING);
}

static void a_file_of_a_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    struct blob_ref ref = append(f, "key", slice_str("value"));
    uint8_t header[BLOB_HEADER_LEN];
    int fd = file_fd(f);

    assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
    assert_int_equal(blob_header_check(header, FILE_NUMBER), BLOB_HEADER_WHOLE);
    assert_int_equal(blob_header_check(header, FILE_NUMBER + 1), BLOB_HEADER_DAMAGED);
    header[8] = 2;
    assert_int_equal(blob_header_check(header, FILE_NUMBER), BLOB_HEADER_DAMAGED);
    put_le64(header + 24, blob_hash(slice_of(header, 24)));
    assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
    close(fd);
    assert_int_equal(read_one(f, &ref, slice_str("value")), -ERR_BLOB_VERSION);
}

static bool exists(struct fixture *f, uint64_t number)
{
    char name[32];

    blob_file_name(number, name);
    return access(scratch_path(f->dir, name), F_OK) == 0;
}

static void a_file_goes_with_its_last_holder(void **state)
{
    struct fixture *f = *state;
    struct blob_writer *w;
    struct blob_meta *m;

    assert_int_equal(blob_writer_new(f->store, 8, &w), 0);
    assert_int_equal(blob_store_get(f->store, 8, &m), 0);
    assert_ptr_equal(blob_writer_meta(w), m);
    assert_true(atomic_load(&m->writing));
    assert_int_equal(blob_writer_free(w), 0);
    assert_false(atomic_load(&m->writing));
    assert_true(exists(f, 8));
    blob_meta_unref(m, false);
    assert_false(exists(f, 8));
    assert_null(blob_store_find(f->store, 8));
}

static void a_file_that_something_on_disk_needs_stays(void **state)
{
    struct fixture *f = *state;
    struct blob_meta *m;
    uint64_t *numbers, len;
    size_t count;

    assert_int_equal(blob_store_get(f->store, FILE_NUMBER, &m), 0);
    blob_meta_unref(m, true);
    assert_int_equal(blob_writer_free(f->writer), 0);
    assert_true(exists(f, FILE_NUMBER));
    /* Held again, and what kept it is settled: now it goes. */
    assert_int_equal(blob_store_get(f->store, FILE_NUMBER, &m), 0);
    assert_int_equal(blob_meta_len(m, &len), 0);
    assert_int_equal(len, BLOB_HEADER_LEN);
    blob_meta_ref(m);
    blob_meta_unref(m, true);
    blob_store_settle(f->store);
    assert_int_equal(blob_store_list(f->store, &numbers, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(numbers[0], FILE_NUMBER);
    free(numbers);
    blob_meta_unref(m, false);
    assert_false(exists(f, FILE_NUMBER));
    assert_int_equal(blob_writer_new(f->store, FILE_NUMBER, &f->writer), 0);
}

static int collect_lines(void *arg, const char *line)
{
    return buf_printf(arg, "%s\n", line);
}

static void the_text_names_records_and_damage(void **state)
{
    struct fixture *f = *state;
    struct blob_ref first = append(f, "first", slice_str("hello")), second, third;
    struct buf text = {0};
    char want[512];
    int fd;

    second = append(f, "second", slice_str("lost"));
    third = append(f, "third", slice_str("there"));
    fd = file_fd(f);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)second.offset + 12), 1);
    assert_int_equal(pwrite(fd, "J", 1, (off_t)(third.offset + third.len) - 5), 1);
    close(fd);
    assert_int_equal(blob_to_text(f->env, FILE_NUMBER, true, collect_lines, &text), 0);
    snprintf(want, sizeof(want),
             "blob file 7: %llu bytes, header good\n"
             "offset 32: \"first\", 5 bytes stored as 5, plain: \"hello\"\n"
             "offset %llu: torn or damaged: no record up to %llu\n"
             "offset %llu: \"third\", 5 bytes stored as 5, plain, damaged: checksum mismatch\n",
             (unsigned long long)blob_writer_len(f->writer), (unsigned long long)second.offset,
             (unsigned long long)third.offset, (unsigned long long)third.offset);
    assert_string_equal((const char *)text.data, want);
    buf_free(&text);
    assert_int_equal(read_one(f, &first, slice_str("hello")), 0);
}

static void a_reference_survives_its_bytes_and_nonsense_does_not(void **state)
{
    struct blob_ref ref = {300, 4096, 70000, 1 << 20, UINT64_C(0x1122334455667788)}, is;
    uint8_t bytes[BLOB_REF_LEN_MAX + 1] = {0};
    size_t len = blob_ref_encode(&ref, bytes);

    (void)state;
    assert_true(blob_ref_decode(slice_of(bytes, len), &is));
    assert_memory_equal(&is, &ref, sizeof(is));
    for (size_t i = 0; i < len; i++)
        assert_false(blob_ref_decode(slice_of(bytes, i), &is));
    assert_false(blob_ref_decode(slice_of(bytes, len + 1), &is));
    ref.offset++;
    assert_false(blob_ref_decode(slice_of(bytes, blob_ref_encode(&ref, bytes)), &is));
    ref.offset = 0;
    assert_false(blob_ref_decode(slice_of(bytes, blob_ref_encode(&ref, bytes)), &is));
    ref.offset = 32;
    ref.len = BLOB_RECORD_HEADER_LEN;
    assert_false(blob_ref_decode(slice_of(bytes, blob_ref_encode(&ref, bytes)), &is));
}

/* The example of lsm/FORMAT.md, "Blob file". */
static void the_bytes_are_those_of_the_format(void **state)
{
    static const uint8_t want[] = {
        0x46, 0x4c, 0x55, 0x58, 0x42, 0x4c, 0x42, 0x31, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9e, 0x19, 0x5a, 0x7c, 0x85, 0xd5,
        0x5d, 0x4a, 0xb8, 0xf9, 0x6c, 0xd1, 0x74, 0xbb, 0x24, 0x05, 0xa3, 0xd5, 0x68, 0x4f, 0x02,
        0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x61, 0x68, 0x69, 0x00, 0x00, 0x00, 0x00, 0x00};
    static const uint8_t want_ref[] = {0x07, 0x20, 0x23, 0x02, 0xb8, 0xf9,
                                       0x6c, 0xd1, 0x74, 0xbb, 0x24, 0x05};
    struct fixture *f = *state;
    uint8_t file[sizeof(want) + 1], bytes[BLOB_REF_LEN_MAX];
    struct blob_ref ref = append(f, "a", slice_str("hi"));
    int fd = file_fd(f);

    assert_int_equal(pread(fd, file, sizeof(file), 0), sizeof(want));
    close(fd);
    assert_memory_equal(file, want, sizeof(want));
    assert_int_equal(blob_ref_encode(&ref, bytes), sizeof(want_ref));
    assert_memory_equal(bytes, want_ref, sizeof(want_ref));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_read_as_they_were_appended, setup, teardown),
        cmocka_unit_test_setup_teardown(several_records_go_down_in_one_append, setup, teardown),
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_a_record_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reference_to_another_record_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_a_newer_format_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_goes_with_its_last_holder, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_something_on_disk_needs_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_text_names_records_and_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bytes_are_those_of_the_format, setup, teardown),
        cmocka_unit_test(a_reference_survives_its_bytes_and_nonsense_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
