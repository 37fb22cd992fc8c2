/*
 * The superblock: what is written is read back, one damaged copy is survived, every flipped byte is
 * either survived or refused, and versions and feature bits of the future are judged by the rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/scratch.h"
#include "lsm/base/codec.h"
#include "lsm/base/err.h"
#include "lsm/version/superblock.h"

static char *dir;
static struct env *env;

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    return env_posix_open(dir, 0, &env);
}

static int teardown(void **state)
{
    (void)state;
    env_close(env);
    scratch_free(dir);
    return 0;
}

static void write_new(struct superblock *sb)
{
    assert_int_equal(superblock_init(sb), 0);
    assert_int_equal(superblock_write(env, sb), 0);
}

static void file_get(struct buf *b)
{
    assert_int_equal(env_read_small(env, "SUPERBLOCK", 1 << 20, b), 0);
}

static void file_put(const struct buf *b, size_t len)
{
    assert_int_equal(env_replace_small(env, "SUPERBLOCK", slice_of(b->data, len)), 0);
}

static void what_was_written_is_read_back(void **state)
{
    struct superblock sb, again;
    unsigned damaged = 9;

    (void)state;
    write_new(&sb);
    assert_int_equal(superblock_read(env, &again, &damaged), 0);
    assert_int_equal(damaged, 0);
    assert_int_equal(again.version, LSM_FORMAT_VERSION);
    assert_memory_equal(again.uuid, sb.uuid, sizeof(sb.uuid));
    assert_true(again.created_ns == sb.created_ns && sb.created_ns > 0);
}

static void two_stores_have_different_uuids(void **state)
{
    struct superblock a, b;

    (void)state;
    assert_int_equal(superblock_init(&a), 0);
    assert_int_equal(superblock_init(&b), 0);
    assert_memory_not_equal(a.uuid, b.uuid, sizeof(a.uuid));
}

static void a_directory_without_a_superblock_is_not_a_store(void **state)
{
    struct superblock sb;

    (void)state;
    env_remove(env, "SUPERBLOCK");
    assert_int_equal(superblock_read(env, &sb, NULL), -ERR_STORE_NOT_ONE);
}

static void every_flipped_byte_of_one_copy_is_survived(void **state)
{
    struct superblock sb, again;
    struct buf b = {0};

    (void)state;
    write_new(&sb);
    file_get(&b);
    assert_int_equal(b.len, 8192);
    for (size_t i = 0; i < b.len; i += i % 4096 >= 70 && i % 4096 < 4080 ? 97 : 1) {
        unsigned damaged = 0;

        b.data[i] ^= 0x10;
        file_put(&b, b.len);
        assert_int_equal(superblock_read(env, &again, &damaged), 0);
        assert_int_equal(damaged, 1);
        assert_memory_equal(again.uuid, sb.uuid, sizeof(sb.uuid));
        assert_true(again.incompat == 0 && again.version == LSM_FORMAT_VERSION);
        b.data[i] ^= 0x10;
    }
    buf_free(&b);
}

static void damage_to_both_copies_is_refused(void **state)
{
    struct superblock sb;
    struct buf b = {0};

    (void)state;
    write_new(&sb);
    file_get(&b);
    b.data[30] ^= 1;
    b.data[4096 + 50] ^= 1;
    file_put(&b, b.len);
    assert_int_equal(superblock_read(env, &sb, NULL), -ERR_SUPERBLOCK_CHECKSUM);
    b.data[0] ^= 1;
    b.data[4096] ^= 1;
    file_put(&b, b.len);
    assert_int_equal(superblock_read(env, &sb, NULL), -ERR_SUPERBLOCK_MAGIC);
    buf_free(&b);
}

static void a_short_file_counts_if_its_first_copy_is_whole(void **state)
{
    struct superblock sb;
    struct buf b = {0};
    unsigned damaged = 0;

    (void)state;
    write_new(&sb);
    file_get(&b);
    file_put(&b, 4096);
    assert_int_equal(superblock_read(env, &sb, &damaged), 0);
    assert_int_equal(damaged, 1);
    file_put(&b, 4095);
    assert_int_equal(superblock_read(env, &sb, &damaged), -ERR_SUPERBLOCK_CHECKSUM);
    file_put(&b, 0);
    assert_int_equal(superblock_read(env, &sb, &damaged), -ERR_SUPERBLOCK_MAGIC);
    buf_free(&b);
}

/* One byte is missing, and the reader sees a zero in its place: what one store in 256 has there. */
static void a_copy_cut_short_is_damaged_though_only_a_zero_is_missing(void **state)
{
    struct superblock sb;
    struct buf b = {0};
    unsigned damaged = 0;

    (void)state;
    write_new(&sb);
    file_get(&b);
    while (b.data[4095] != 0) {
        b.data[56]++; /* the time of making: eight bytes from 56 on */
        if (b.data[56] == 0)
            b.data[57]++;
        put_le64(b.data + 4088, XXH3_64bits(b.data, 4088));
    }
    memcpy(b.data + 4096, b.data, 4096);
    file_put(&b, 8192);
    assert_int_equal(superblock_read(env, &sb, &damaged), 0);
    assert_int_equal(damaged, 0);
    file_put(&b, 8191);
    assert_int_equal(superblock_read(env, &sb, &damaged), 0);
    assert_int_equal(damaged, 1);
    file_put(&b, 4095);
    assert_int_equal(superblock_read(env, &sb, &damaged), -ERR_SUPERBLOCK_CHECKSUM);
    buf_free(&b);
}

static void a_newer_version_is_refused(void **state)
{
    struct superblock sb;

    (void)state;
    write_new(&sb);
    sb.version = LSM_FORMAT_VERSION + 1;
    assert_int_equal(superblock_write(env, &sb), 0);
    assert_int_equal(superblock_read(env, &sb, NULL), -ERR_SUPERBLOCK_VERSION);
    sb.version = 0;
    assert_int_equal(superblock_write(env, &sb), 0);
    assert_int_equal(superblock_read(env, &sb, NULL), -ERR_SUPERBLOCK_VERSION);
}

static void unknown_feature_bits_follow_their_rules(void **state)
{
    struct superblock sb, again;

    (void)state;
    write_new(&sb);
    sb.compat = UINT64_C(1) << 63;
    assert_int_equal(superblock_write(env, &sb), 0);
    assert_int_equal(superblock_read(env, &again, NULL), 0);
    assert_true(again.compat == sb.compat);
    sb.ro_compat = UINT64_C(1) << 40;
    assert_int_equal(superblock_write(env, &sb), 0);
    assert_int_equal(superblock_read(env, &again, NULL), -ERR_SUPERBLOCK_FEATURE);
    env->read_only = true;
    assert_int_equal(superblock_read(env, &again, NULL), 0);
    env->read_only = false;
    sb.incompat = FEATURES_INCOMPAT_KNOWN + 1;
    assert_int_equal(superblock_write(env, &sb), 0);
    env->read_only = true;
    assert_int_equal(superblock_read(env, &again, NULL), -ERR_SUPERBLOCK_FEATURE);
    env->read_only = false;
}

static int count_damaged(void *arg, const char *line)
{
    *(unsigned *)arg += strstr(line, "damaged") != NULL;
    return 0;
}

static void the_text_names_a_damaged_copy(void **state)
{
    struct superblock sb;
    struct buf b = {0};
    unsigned damaged = 0;

    (void)state;
    write_new(&sb);
    assert_int_equal(superblock_to_text(env, count_damaged, &damaged), 0);
    assert_int_equal(damaged, 0);
    file_get(&b);
    b.data[20] ^= 1;
    file_put(&b, b.len);
    assert_int_equal(superblock_to_text(env, count_damaged, &damaged), 0);
    assert_int_equal(damaged, 1);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(two_stores_have_different_uuids),
        cmocka_unit_test(a_directory_without_a_superblock_is_not_a_store),
        cmocka_unit_test(every_flipped_byte_of_one_copy_is_survived),
        cmocka_unit_test(damage_to_both_copies_is_refused),
        cmocka_unit_test(a_short_file_counts_if_its_first_copy_is_whole),
        cmocka_unit_test(a_copy_cut_short_is_damaged_though_only_a_zero_is_missing),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(unknown_feature_bits_follow_their_rules),
        cmocka_unit_test(the_text_names_a_damaged_copy),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
