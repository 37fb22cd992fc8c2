/*
 * What the builder writes: the bytes of the format, where values come to lie, and what is refused;
 * how a table is shown as text; and that a failed write leaves no file.
 */
#include "table_directory.h"

static int count_lines(void *arg, const char *line)
{
    if (strncmp(line, "  block at ", 11) == 0)
        ++*(int *)arg;
    return 0;
}

static void a_large_value_is_alone_in_its_block(void **state)
{
    struct model m = {0};
    struct sst_stats stats;
    struct buf value = {0};
    struct sst *t;
    int blocks = 0;

    (void)state;
    assert_int_equal(buf_reserve(&value, 65536), 0);
    memset(value.data, 'v', 65536);
    value.len = 65536;
    model_add(&m, slice_str("a"), 1, KIND_PUT, slice_str("small"));
    model_add(&m, slice_str("b"), 2, KIND_PUT, buf_slice(&value));
    model_add(&m, slice_str("c"), 3, KIND_PUT, slice_str("small"));
    model_add(&m, slice_str("d"), 4, KIND_PUT, slice_str("small"));
    model_write(&m, env, 101, &usual, &stats);
    assert_int_equal(sst_open(env, NULL, 101, &t), 0);
    assert_int_equal(sst_to_text(t, false, count_lines, &blocks), 0);
    assert_int_equal(blocks, 3);
    sst_unref(t);
    model_free(&m);
    buf_free(&value);
}

static void keys_out_of_order_are_refused(void **state)
{
    struct buf a = {0}, b = {0}, range = {0};
    struct sst_builder *builder;
    struct sst_stats stats;
    struct env_reader *reader;
    char name[32];

    (void)state;
    assert_int_equal(ikey_make(&a, slice_str("a"), 5, KIND_PUT), 0);
    assert_int_equal(ikey_make(&b, slice_str("a"), 6, KIND_PUT), 0);
    assert_int_equal(ikey_make(&range, slice_str("b"), 6, KIND_DELETE_RANGE), 0);
    sst_file_name(106, name);
    assert_string_equal(name, "00000106.sst");

    assert_int_equal(sst_builder_new(env, 106, &usual, &builder), 0);
    assert_int_equal(sst_builder_add(builder, buf_slice(&a), slice_str("")), 0);
    assert_int_equal(sst_builder_add(builder, buf_slice(&b), slice_str("")), -ERR_SST_ORDER);
    assert_int_equal(sst_builder_finish(builder, &stats), -ERR_SST_ORDER);
    sst_builder_free(builder);
    assert_int_equal(env_reader_open(env, name, &reader), -ENOENT);

    assert_int_equal(sst_builder_new(env, 106, &usual, &builder), 0);
    assert_int_equal(sst_builder_add(builder, buf_slice(&a), slice_str("")), 0);
    assert_int_equal(sst_builder_add(builder, buf_slice(&a), slice_str("")), -ERR_SST_ORDER);
    sst_builder_free(builder);

    assert_int_equal(sst_builder_new(env, 106, &usual, &builder), 0);
    assert_int_equal(sst_builder_add(builder, buf_slice(&range), slice_str("c")),
                     -ERR_KIND_UNKNOWN);
    sst_builder_free(builder);
    assert_int_equal(env_reader_open(env, name, &reader), -ENOENT);
    assert_int_equal(sst_open(env, NULL, 106, &(struct sst *){NULL}), -ENOENT);
    sst_builder_free(NULL);
    buf_free(&a);
    buf_free(&b);
    buf_free(&range);
}

static int keep_line(void *arg, const char *line)
{
    assert_int_equal(buf_printf(arg, "%s\n", line), 0);
    return 0;
}

static void the_text_shows_entries_and_places(void **state)
{
    static const char *const want[] = {
        "table 109: ",
        "properties: 3 entries, 1 deletions, 1 patches, 1 range tombstones",
        "range tombstone \"b\" to \"c\\x00\" @4",
        "partition at ",
        "  block at 0, ",
        "    \"a\\xff\" @7 put, 40 bytes: \"01234567890123456789012345678901\"...\n",
        "    \"d\" @6 delete\n",
        "    \"d\" @5 patch, 3 bytes: \"\\x00hi\"\n"};
    struct model m = {0};
    struct sst_stats stats;
    struct buf text = {0};
    struct sst *t;

    (void)state;
    model_add(&m, slice_str("a\xff"), 7, KIND_PUT,
              slice_str("0123456789012345678901234567890123456789"));
    model_add(&m, slice_str("d"), 6, KIND_DELETE, slice_str(""));
    model_add(&m, slice_str("d"), 5, KIND_PATCH, slice_of("\0hi", 3));
    m.dels[m.del_count++] = (struct rangedel){slice_str("b"), slice_of("c\0", 2), 4};
    model_write(&m, env, 109, &usual, &stats);
    assert_int_equal(sst_open(env, NULL, 109, &t), 0);
    assert_int_equal(sst_to_text(t, false, keep_line, &text), 0);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (!strstr((const char *)text.data, want[i]))
            fail_msg("no \"%s\" in:\n%s", want[i], (const char *)text.data);
    }
    text.len = 0;
    assert_int_equal(sst_to_text(t, true, keep_line, &text), 0);
    assert_non_null(strstr((const char *)text.data, "789\"\n"));
    sst_unref(t);
    buf_free(&text);
    model_free(&m);
}

/* The example of lsm/FORMAT.md: version 1 must be written and read like this for ever. */
static void the_bytes_are_those_of_the_format(void **state)
{
    static const uint8_t want[] = {
        0x00, 0x0b, 0x02, 0x61, 0x6e, 0x74, 0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x68,
        0x69, 0x03, 0x0b, 0x00, 0x6c, 0x65, 0x72, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x27, 0xaf, 0xb2, 0x48, 0x17,
        0x72, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x80, 0x02,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x08, 0x00, 0x02,
        0x00, 0x48, 0x00, 0x04, 0x00, 0x00, 0x01, 0x06, 0x00, 0x26, 0xb3, 0xec, 0x7d, 0x7b, 0x75,
        0x13, 0x67, 0x00, 0x0e, 0x02, 0x61, 0x6e, 0x74, 0x6c, 0x65, 0x72, 0x00, 0x06, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x26, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
        0xbd, 0x09, 0xa7, 0xdb, 0xf5, 0xad, 0x5f, 0x6f, 0x00, 0x09, 0x01, 0x62, 0x03, 0x07, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x63, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
        0x06, 0x91, 0xd7, 0xac, 0xd0, 0x6d, 0x11, 0xa4, 0x01, 0x00, 0x00, 0x00, 0x02, 0x01, 0x00,
        0x01, 0x25, 0x05, 0x07, 0x01, 0x01, 0x80, 0x20, 0x80, 0x40, 0x10, 0x0a, 0x00, 0x00, 0xb9,
        0x89, 0x7f, 0x06, 0xd7, 0xee, 0xfa, 0x23, 0x00, 0x0e, 0x04, 0x61, 0x6e, 0x74, 0x6c, 0x65,
        0x72, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7a, 0x1b, 0x2f, 0x42, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xc6, 0xeb, 0xa4, 0x9c, 0xb8, 0xe8, 0x10, 0x8a,
        0xd9, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x9e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xbc, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x5f, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0xa2, 0x3d, 0x13, 0x89, 0xac, 0x6c, 0x08, 0x2e, 0x46, 0x4c,
        0x55, 0x58, 0x53, 0x53, 0x54, 0x31};
    struct sst_builder_options o = {4096, 8192, 16, 10, false};
    struct model m = {0};
    struct sst_stats stats;
    struct buf is = {0};

    (void)state;
    model_add(&m, slice_str("ant"), 5, KIND_PUT, slice_str("hi"));
    model_add(&m, slice_str("antler"), 6, KIND_DELETE, slice_str(""));
    m.dels[m.del_count++] = (struct rangedel){slice_str("b"), slice_str("c"), 7};
    model_write(&m, env, 12, &o, &stats);
    assert_int_equal(env_read_small(env, "00000012.sst", 4096, &is), 0);
    assert_int_equal(is.len, sizeof(want));
    assert_memory_equal(is.data, want, sizeof(want));
    buf_free(&is);
    model_free(&m);
}

static int full_disk(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    (void)parts;
    (void)part_count;
    return err_raise(ENOSPC, "%s: the disk is full", w->name);
}

static int bad_sync(struct env_writer *w)
{
    return err_raise(EIO, "%s: sync failed", w->name);
}

static void check_failed_write(const struct model *m, const struct env_ops *ops, int want)
{
    const struct env_ops *old = env->ops;
    struct sst_builder *b;
    struct sst_stats stats;
    struct env_reader *reader;
    int err = 0;

    env->ops = ops;
    assert_int_equal(sst_builder_new(env, 120, &usual, &b), 0);
    for (size_t i = 0; i < m->count && !err; i++)
        err = sst_builder_add(b, buf_slice(&m->pairs[i].key), buf_slice(&m->pairs[i].value));
    if (err)
        assert_int_equal(err, want);
    assert_int_equal(sst_builder_finish(b, &stats), want);
    assert_int_equal(sst_builder_finish(b, &stats), want);
    (void)sst_builder_len(b);
    sst_builder_free(b);
    env->ops = old;
    assert_int_equal(env_reader_open(env, "00000120.sst", &reader), -ENOENT);
}

static void a_failed_write_leaves_no_file(void **state)
{
    struct env_ops ops = *env->ops;
    struct rng r = {rng_seed(13)};
    struct model m = {0};

    (void)state;
    ops.writer_append = full_disk;
    check_failed_write(&m, &ops, -ENOSPC);
    random_model(&m, &r, 3000, 600);
    check_failed_write(&m, &ops, -ENOSPC);
    ops = *env->ops;
    ops.writer_sync = bad_sync;
    check_failed_write(&m, &ops, -EIO);
    model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_value_is_alone_in_its_block),
        cmocka_unit_test(keys_out_of_order_are_refused),
        cmocka_unit_test(the_text_shows_entries_and_places),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(a_failed_write_leaves_no_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
