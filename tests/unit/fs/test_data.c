/*
 * Contents of files against a model: an array of bytes, moved through writes, appends, truncations,
 * holes and zeroed ranges, compared by reading, with the count of blocks checked against the keys.
 */
#include "unit/fs/file_fixture.h"

#include <linux/falloc.h>

/* The model holds the bytes of [base, base + MODEL_LEN); before base the file is a hole. */
enum {
    MODEL_LEN = 1 << 20
};

struct model {
    uint64_t base, size; /* of the file */
    uint8_t *data;       /* zeros behind size */
};

static void model_resize(struct model *m, uint64_t size)
{
    uint64_t keep = size > m->base ? size - m->base : 0;

    memset(m->data + keep, 0, MODEL_LEN - keep);
    m->size = size;
}

static void model_zero(struct model *m, uint64_t offset, uint64_t len)
{
    uint64_t end = offset + len < m->size ? offset + len : m->size;

    if (end > offset)
        memset(m->data + (offset - m->base), 0, end - offset);
}

static void compare(struct file_test *f, const struct model *m, uint64_t offset, size_t len)
{
    uint8_t *buf = malloc(len + 1);
    size_t want = offset >= m->size ? 0 : m->size - offset < len ? m->size - offset : len;

    assert_non_null(buf);
    assert_int_equal(file_read(f, f->ino, offset, buf, len), want);
    assert_memory_equal(buf, m->data + (offset - m->base), want);
    free(buf);
}

/* An offset in the model's window, often at the edge of a block. */
static uint64_t pick_offset(struct rng *r, const struct model *m, uint32_t block_len)
{
    uint64_t at = rng_below(r, MODEL_LEN);

    if (rng_below(r, 3) == 0)
        at -= at % block_len;
    return m->base + at;
}

static size_t pick_len(struct rng *r, const struct model *m, uint64_t offset, uint32_t block_len)
{
    static const unsigned shifts[] = {4, 10, 13, 17, 20};
    uint64_t room = m->base + MODEL_LEN - offset;
    uint64_t len = 1 + rng_below(r, (uint64_t)1 << shifts[rng_below(r, 5)]);

    if (rng_below(r, 3) == 0)
        len = (len / block_len + 1) * block_len;
    return (size_t)(len < room ? len : room);
}

static void step_write(struct file_test *f, struct model *m, struct rng *r, uint64_t offset,
                       size_t len, bool append)
{
    uint8_t *data = malloc(len);
    uint64_t where;

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(rng_next(r) >> 20);
    if (append) {
        offset = m->size;
        assert_int_equal(fs_append(f->fs, f->ino, data, len, &where), 0);
        assert_int_equal(where, offset);
    } else {
        assert_int_equal(fs_write(f->fs, f->ino, offset, data, len), 0);
    }
    memcpy(m->data + (offset - m->base), data, len);
    if (offset + len > m->size)
        m->size = offset + len;
    free(data);
}

static void step_fallocate(struct file_test *f, struct model *m, int mode, uint64_t offset,
                           size_t len)
{
    assert_int_equal(fs_fallocate(f->fs, f->ino, mode, offset, len), 0);
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        model_zero(m, offset, len);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > m->size)
        m->size = offset + len;
}

static void step_any(struct file_test *f, struct model *m, struct rng *r, uint32_t block_len)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    uint64_t offset = pick_offset(r, m, block_len);
    size_t len = pick_len(r, m, offset, block_len);

    switch (rng_below(r, 16)) {
    case 0:
        /* To nothing now and then, or somewhere in the window. */
        if (rng_below(r, 3) == 0)
            offset = rng_below(r, 2) ? 0 : m->base;
        assert_int_equal(file_truncate(f, f->ino, offset), 0);
        model_resize(m, offset);
        break;
    case 1:
    case 2:
        step_fallocate(f, m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
        break;
    case 3:
    case 4:
        step_fallocate(f, m, modes[rng_below(r, 4)], offset, len);
        break;
    case 5:
    case 6:
        if (m->size >= m->base && m->size + len <= m->base + MODEL_LEN)
            step_write(f, m, r, 0, len, true);
        break;
    case 7:
        if (rng_below(r, 8) == 0)
            file_test_reopen(f);
        break;
    case 8:
        if (rng_below(r, 8) == 0)
            assert_int_equal(lsm_flush(fs_db(f->fs)), 0);
        break;
    case 9:
    case 10:
    case 11:
        step_write(f, m, r, offset, len, false);
        break;
    default:
        compare(f, m, offset, len);
    }
}

static void run_model(uint32_t block_len, uint64_t base, uint64_t seed, int steps)
{
    struct model m = {.base = base, .data = calloc(1, MODEL_LEN)};
    struct rng r = {seed};
    struct file_test f;

    assert_non_null(m.data);
    file_test_new(&f, block_len);
    for (int i = 0; i < steps; i++) {
        step_any(&f, &m, &r, block_len);
        if (file_size(&f, f.ino) != m.size)
            fail_msg("seed %llu, step %d: the size is wrong", (unsigned long long)seed, i);
        assert_blocks_exact(&f, f.ino);
        if (i % 16 == 0)
            compare(&f, &m, m.base, MODEL_LEN);
    }
    file_test_reopen(&f);
    compare(&f, &m, m.base, MODEL_LEN);
    assert_blocks_exact(&f, f.ino);
    file_test_done(&f);
    free(m.data);
}

static void random_operations_agree_with_the_model_in_small_blocks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_model(4096, 0, seed * 7919, 400);
}

static void random_operations_agree_with_the_model_in_usual_blocks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_model(65536, 0, seed * 104729, 400);
}

static void random_operations_agree_with_the_model_behind_8_tib_of_hole(void **state)
{
    (void)state;
    run_model(4096, (uint64_t)8 << 40, 31337, 300);
    run_model(65536, ((uint64_t)8 << 40) + 12345, 27182, 300);
    run_model(FS_BLOCK_LEN_MAX, 777, 16180, 200);
}

static void a_write_of_nothing_does_nothing(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, 4096);
    assert_int_equal(fs_write(f.fs, f.ino, 1000, "", 0), 0);
    assert_int_equal(file_size(&f, f.ino), 0);
    file_test_done(&f);
}

static void what_has_no_contents_is_refused(void **state)
{
    struct file_test f;
    struct fs_read r;
    uint64_t pipe_ino;

    (void)state;
    file_test_new(&f, 4096);
    pipe_ino = file_test_mknod(&f, "pipe", S_IFIFO | 0600);
    assert_int_equal(fs_read(f.fs, FS_ROOT_INO, 0, 10, &r), -EISDIR);
    assert_int_equal(fs_write(f.fs, FS_ROOT_INO, 0, "x", 1), -EISDIR);
    assert_int_equal(fs_read(f.fs, pipe_ino, 0, 10, &r), -EINVAL);
    assert_int_equal(fs_write(f.fs, pipe_ino, 0, "x", 1), -EINVAL);
    assert_int_equal(fs_read(f.fs, (uint64_t)1 << 50, 0, 10, &r), -ESTALE);
    assert_int_equal(fs_write(f.fs, (uint64_t)1 << 50, 0, "x", 1), -ESTALE);
    file_test_done(&f);
}

static void a_file_ends_at_its_largest_length(void **state)
{
    struct file_test f;
    struct fs_read r;
    char byte = 0;

    (void)state;
    file_test_new(&f, 65536);
    assert_int_equal(fs_write(f.fs, f.ino, FS_FILE_LEN_MAX, "x", 1), -EFBIG);
    assert_int_equal(fs_write(f.fs, f.ino, UINT64_MAX, "xy", 2), -EFBIG);
    assert_int_equal(fs_write(f.fs, f.ino, FS_FILE_LEN_MAX - 1, "x", 1), 0);
    assert_int_equal(file_size(&f, f.ino), FS_FILE_LEN_MAX);
    assert_int_equal(file_read(&f, f.ino, FS_FILE_LEN_MAX - 1, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(fs_read(f.fs, f.ino, FS_FILE_LEN_MAX - 4, SIZE_MAX, &r), 0);
    assert_int_equal(r.len, 4);
    fs_read_done(&r);
    assert_blocks_exact(&f, f.ino);
    assert_int_equal(file_truncate(&f, f.ino, FS_FILE_LEN_MAX + 1), -EFBIG);
    assert_int_equal(file_truncate(&f, f.ino, 1), 0);
    assert_blocks_exact(&f, f.ino);
    file_test_done(&f);
}

static void a_file_that_shrank_and_grew_shows_zeros(void **state)
{
    uint8_t buf[10000], zero[10000] = {0};
    struct file_test f;

    (void)state;
    file_test_new(&f, 4096);
    memset(buf, 'a', sizeof(buf));
    assert_int_equal(fs_write(f.fs, f.ino, 0, buf, sizeof(buf)), 0);
    assert_int_equal(file_truncate(&f, f.ino, 5000), 0);
    assert_int_equal(file_truncate(&f, f.ino, 10000), 0);
    assert_int_equal(file_read(&f, f.ino, 5000, buf, 5000), 5000);
    assert_memory_equal(buf, zero, 5000);
    assert_blocks_exact(&f, f.ino);
    file_test_done(&f);
}

static void a_write_longer_than_the_limit_is_refused(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, 4096);
    assert_int_equal(fs_write(f.fs, f.ino, 0, file_zeros, (size_t)WRITE_LEN_MAX + 1), -EINVAL);
    file_test_done(&f);
}

static void a_large_write_is_read_back_with_one_read(void **state)
{
    size_t len = WRITE_LEN_MAX;
    uint8_t *data = malloc(len), *back = malloc(len);
    struct rng r = {99};
    struct file_test f;

    (void)state;
    assert_non_null(data);
    assert_non_null(back);
    for (size_t i = 0; i + 8 <= len; i += 8)
        put_le64(data + i, rng_next(&r));
    file_test_new(&f, 65536);
    assert_int_equal(fs_write(f.fs, f.ino, 100, data, len), 0);
    assert_int_equal(file_read(&f, f.ino, 100, back, len), len);
    assert_memory_equal(back, data, len);
    assert_blocks_exact(&f, f.ino);
    assert_int_equal(file_truncate(&f, f.ino, 70000), 0);
    assert_blocks_exact(&f, f.ino);
    file_test_done(&f);
    free(back);
    free(data);
}

static void a_block_that_is_too_long_is_reported_as_damage(void **state)
{
    uint8_t data[5000] = {1};
    struct file_test f;
    struct fs_read r;
    struct key k;

    (void)state;
    file_test_new(&f, 4096);
    assert_int_equal(fs_write(f.fs, f.ino, 0, data, 4096), 0);
    key_block(&k, f.ino, 0);
    assert_int_equal(lsm_put(fs_db(f.fs), k.data, k.len, data, sizeof(data), 0), 0);
    assert_int_equal(fs_read(f.fs, f.ino, 0, 10, &r), -ERR_BLOCK_LEN);
    assert_true(lsm_is_damage(-ERR_BLOCK_LEN));
    file_test_done(&f);
}

static void a_purged_orphan_leaves_no_block(void **state)
{
    struct file_test f;
    uint64_t left;

    (void)state;
    file_test_new(&f, 4096);
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(fs_write(f.fs, f.ino, i * 8192, "data", 4), 0);
    assert_int_equal(fs_unlink(f.fs, FS_ROOT_INO, "file"), 0);
    assert_true(fs_is_orphan(f.fs, f.ino));
    assert_int_equal(fs_purge(f.fs, f.ino), 0);
    assert_int_equal(blocks_count(f.fs, f.ino, 0, UINT64_MAX, &left), 0);
    assert_int_equal(left, 0);
    file_test_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model_in_small_blocks),
        cmocka_unit_test(random_operations_agree_with_the_model_in_usual_blocks),
        cmocka_unit_test(random_operations_agree_with_the_model_behind_8_tib_of_hole),
        cmocka_unit_test(a_write_of_nothing_does_nothing),
        cmocka_unit_test(what_has_no_contents_is_refused),
        cmocka_unit_test(a_file_ends_at_its_largest_length),
        cmocka_unit_test(a_file_that_shrank_and_grew_shows_zeros),
        cmocka_unit_test(a_write_longer_than_the_limit_is_refused),
        cmocka_unit_test(a_large_write_is_read_back_with_one_read),
        cmocka_unit_test(a_block_that_is_too_long_is_reported_as_damage),
        cmocka_unit_test(a_purged_orphan_leaves_no_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
