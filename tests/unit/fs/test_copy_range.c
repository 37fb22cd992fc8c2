/*
 * Copying within the store: what arrives, what is shared, and what a crash leaves. A model of two
 * files in memory says what must be there.
 */
#include "lib/env_fault.h"
#include "lsm/db/db.h"
#include "unit/fs/file_fixture.h"

enum {
    BLOCK = 65536,
    MODEL_LEN_MAX = 12 * BLOCK
};

static uint64_t copy_ok(struct file_test *f, uint64_t src, uint64_t src_offset, uint64_t dst,
                        uint64_t dst_offset, uint64_t len)
{
    uint64_t copied = UINT64_MAX;

    assert_int_equal(
        fs_copy_range(f->fs, src, src_offset, dst, dst_offset, len, NULL, NULL, &copied), 0);
    assert_blocks_exact(f, dst);
    return copied;
}

static int copy_err(struct file_test *f, uint64_t src, uint64_t src_offset, uint64_t dst,
                    uint64_t dst_offset, uint64_t len)
{
    uint64_t copied = 0;

    return fs_copy_range(f->fs, src, src_offset, dst, dst_offset, len, NULL, NULL, &copied);
}

static void fill_random(uint8_t *data, size_t len, uint64_t seed)
{
    struct rng rng = {seed};

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_next(&rng);
}

static void write_random(struct file_test *f, uint64_t ino, uint64_t offset, size_t len,
                         uint64_t seed)
{
    uint8_t *data = malloc(len);

    assert_non_null(data);
    fill_random(data, len, seed);
    assert_int_equal(fs_write(f->fs, ino, offset, data, len), 0);
    free(data);
}

static void assert_random(struct file_test *f, uint64_t ino, uint64_t offset, size_t len,
                          uint64_t seed)
{
    uint8_t *want = malloc(len), *got = malloc(len);

    assert_true(want && got);
    fill_random(want, len, seed);
    assert_int_equal(file_read(f, ino, offset, got, len), len);
    assert_memory_equal(got, want, len);
    free(want);
    free(got);
}

static uint64_t blob_write_len(struct file_test *f)
{
    struct lsm_stats stats;

    assert_int_equal(lsm_stats(fs_db(f->fs), &stats), 0);
    return stats.blob_write_len;
}

static uint64_t block_count_of(struct file_test *f, uint64_t ino)
{
    struct inode in;

    assert_int_equal(inode_get(f->fs, ino, &in), 0);
    return in.block_count;
}

static void a_whole_file_is_shared_with_its_last_block(void **state)
{
    const size_t len = 10 * BLOCK + 20000;
    struct file_test f;
    uint64_t dst, written;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, 0, len, 1);
    written = blob_write_len(&f);
    assert_int_equal(copy_ok(&f, f.ino, 0, dst, 0, UINT64_MAX / 4), len);
    assert_int_equal(blob_write_len(&f), written);
    assert_int_equal(file_size(&f, dst), len);
    assert_int_equal(block_count_of(&f, dst), 11);
    assert_random(&f, dst, 0, len, 1);
    file_test_reopen(&f);
    assert_random(&f, dst, 0, len, 1);
    /* Each may change without the other. */
    write_random(&f, f.ino, 0, len, 2);
    assert_random(&f, dst, 0, len, 1);
    assert_int_equal(fs_write(f.fs, dst, 5, "x", 1), 0);
    assert_random(&f, f.ino, 0, len, 2);
    assert_int_equal(lsm_verify(fs_db(f.fs), NULL, NULL, NULL), 0);
    file_test_done(&f);
}

static void holes_stay_holes_and_cover_what_was_there(void **state)
{
    uint8_t byte;
    struct file_test f;
    uint64_t dst;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, 5 * BLOCK, BLOCK, 1);
    assert_int_equal(file_truncate(&f, f.ino, 40 * BLOCK), 0);
    write_random(&f, dst, 0, 8 * BLOCK, 2);
    assert_int_equal(copy_ok(&f, f.ino, 0, dst, 0, 40 * BLOCK), 40 * BLOCK);
    assert_int_equal(block_count_of(&f, dst), 1);
    assert_int_equal(file_size(&f, dst), 40 * BLOCK);
    assert_random(&f, dst, 5 * BLOCK, BLOCK, 1);
    assert_int_equal(file_read(&f, dst, 7 * BLOCK, &byte, 1), 1);
    assert_int_equal(byte, 0);
    file_test_done(&f);
}

static void times_change_and_nothing_else_of_the_target(void **state)
{
    struct file_test f;
    struct fs_attr before, after, src;
    uint64_t dst;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0755);
    write_random(&f, f.ino, 0, 3 * BLOCK, 1);
    before = attr_of(f.fs, dst);
    src = attr_of(f.fs, f.ino);
    assert_int_equal(copy_ok(&f, f.ino, 3 * BLOCK, dst, 0, 100), 0);
    after = attr_of(f.fs, dst);
    assert_memory_equal(&after.mtime, &before.mtime, sizeof(after.mtime));
    for (int aligned = 0; aligned < 2; aligned++) {
        before = attr_of(f.fs, dst);
        assert_int_equal(copy_ok(&f, f.ino, 0, dst, aligned ? 0 : 1, 2 * BLOCK), 2 * BLOCK);
        after = attr_of(f.fs, dst);
        assert_memory_equal(&after.mtime, &after.ctime, sizeof(after.mtime));
        assert_memory_not_equal(&after.mtime, &before.mtime, sizeof(after.mtime));
        assert_int_equal(after.size, 2 * BLOCK + 1);
        assert_int_equal(after.mode, before.mode);
    }
    after = attr_of(f.fs, f.ino);
    assert_memory_equal(&after.mtime, &src.mtime, sizeof(after.mtime));
    file_test_done(&f);
}

static void what_cannot_be_copied_is_refused(void **state)
{
    struct file_test f;
    uint64_t dir, fifo;

    (void)state;
    file_test_new(&f, BLOCK);
    dir = file_test_mknod(&f, "dir", S_IFDIR | 0755);
    fifo = file_test_mknod(&f, "fifo", S_IFIFO | 0644);
    write_random(&f, f.ino, 0, 3 * BLOCK, 1);
    assert_int_equal(copy_err(&f, dir, 0, f.ino, 0, 1), -EISDIR);
    assert_int_equal(copy_err(&f, f.ino, 0, dir, 0, 1), -EISDIR);
    assert_int_equal(copy_err(&f, f.ino, 0, fifo, 0, 1), -EINVAL);
    assert_int_equal(copy_err(&f, f.ino, 0, 12345678, 0, 1), -ESTALE);
    assert_int_equal(copy_err(&f, f.ino, 0, f.ino, BLOCK, BLOCK + 1), -EINVAL);
    assert_int_equal(copy_err(&f, f.ino, BLOCK, f.ino, 0, BLOCK + 1), -EINVAL);
    assert_int_equal(copy_err(&f, f.ino, 0, f.ino, 0, 1), -EINVAL);
    assert_int_equal(copy_err(&f, f.ino, UINT64_MAX, f.ino, 0, 1), -EINVAL);
    assert_int_equal(copy_err(&f, f.ino, 0, f.ino, FS_FILE_LEN_MAX - 10, 11), -EFBIG);
    assert_int_equal(copy_ok(&f, f.ino, 3 * BLOCK, f.ino, 0, BLOCK), 0);
    assert_int_equal(copy_ok(&f, f.ino, FS_FILE_LEN_MAX, f.ino, 0, UINT64_MAX), 0);
    /* The end of the file is what makes ranges not overlap. */
    assert_int_equal(copy_ok(&f, f.ino, 2 * BLOCK, f.ino, 3 * BLOCK, 5 * BLOCK), BLOCK);
    assert_int_equal(file_size(&f, f.ino), 4 * BLOCK);
    file_test_done(&f);
}

static bool stop_at_once(void *arg)
{
    ++*(unsigned *)arg;
    return true;
}

static void it_can_be_stopped_between_pieces(void **state)
{
    const uint64_t len = 40 << 20;
    struct file_test f;
    uint64_t dst, copied = 0;
    unsigned asked = 0;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, len - BLOCK, BLOCK, 1);
    assert_int_equal(fs_copy_range(f.fs, f.ino, 0, dst, 0, len, stop_at_once, &asked, &copied), 0);
    assert_int_equal(copied, 16 << 20);
    assert_int_equal(asked, 1);
    assert_int_equal(file_size(&f, dst), copied);
    assert_int_equal(copy_ok(&f, f.ino, copied, dst, copied, len), len - copied);
    assert_random(&f, dst, len - BLOCK, BLOCK, 1);
    file_test_done(&f);
}

static void nothing_is_copied_read_only(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    write_random(&f, f.ino, 0, 100, 1);
    assert_int_equal(fs_close(f.fs), 0);
    assert_int_equal(fixture_open(f.base, true), 0);
    f.fs = f.base->fs;
    assert_int_equal(copy_err(&f, f.ino, 0, f.ino, 100, 100), -EROFS);
    file_test_done(&f);
}

/* --- Against a model --- */

struct model {
    uint8_t *data[2];
    size_t len[2];
};

static void model_write(struct model *m, int file, size_t offset, const uint8_t *data, size_t len)
{
    if (offset > m->len[file])
        memset(m->data[file] + m->len[file], 0, offset - m->len[file]);
    memmove(m->data[file] + offset, data, len);
    if (offset + len > m->len[file])
        m->len[file] = offset + len;
}

/* Offsets often at the beginning or the end of a block. */
static size_t random_offset(struct rng *rng, size_t max)
{
    size_t at = (size_t)rng_below(rng, max + 1);

    if (rng_below(rng, 3))
        at -= at % BLOCK;
    return at;
}

static void check_model(struct file_test *f, const struct model *m, const uint64_t ino[2])
{
    uint8_t *got = malloc(MODEL_LEN_MAX);

    assert_non_null(got);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_size(f, ino[i]), m->len[i]);
        assert_int_equal(file_read(f, ino[i], 0, got, MODEL_LEN_MAX), m->len[i]);
        assert_memory_equal(got, m->data[i], m->len[i]);
        assert_blocks_exact(f, ino[i]);
    }
    free(got);
}

static void step_copy(struct file_test *f, struct model *m, const uint64_t ino[2], struct rng *rng)
{
    int from = (int)rng_below(rng, 2), to = (int)rng_below(rng, 2);
    size_t src = random_offset(rng, m->len[from]), dst = random_offset(rng, MODEL_LEN_MAX / 2);
    size_t len = random_offset(rng, MODEL_LEN_MAX / 2), is;

    is = src >= m->len[from] ? 0 : len < m->len[from] - src ? len : m->len[from] - src;
    if (from == to && is && src < dst + is && dst < src + is) {
        assert_int_equal(copy_err(f, ino[from], src, ino[to], dst, len), -EINVAL);
        return;
    }
    assert_int_equal(copy_ok(f, ino[from], src, ino[to], dst, len), is);
    if (is)
        model_write(m, to, dst, m->data[from] + src, is);
}

static void step_other(struct file_test *f, struct model *m, const uint64_t ino[2], struct rng *rng)
{
    static uint8_t data[2 * BLOCK];
    int file = (int)rng_below(rng, 2);
    size_t offset = random_offset(rng, MODEL_LEN_MAX / 2);
    size_t len = 1 + random_offset(rng, sizeof(data) - 1);

    if (rng_below(rng, 4) == 0) {
        assert_int_equal(file_truncate(f, ino[file], offset), 0);
        if (offset > m->len[file])
            memset(m->data[file] + m->len[file], 0, offset - m->len[file]);
        m->len[file] = offset;
        return;
    }
    fill_random(data, len, rng_next(rng));
    assert_int_equal(fs_write(f->fs, ino[file], offset, data, len), 0);
    model_write(m, file, offset, data, len);
}

static void copies_agree_with_the_model(void **state)
{
    struct model m = {{malloc(MODEL_LEN_MAX), malloc(MODEL_LEN_MAX)}, {0, 0}};
    struct rng rng = {rng_seed(21)};
    struct file_test f;
    uint64_t ino[2];

    (void)state;
    assert_true(m.data[0] && m.data[1]);
    file_test_new(&f, BLOCK);
    ino[0] = f.ino;
    ino[1] = file_test_mknod(&f, "other", S_IFREG | 0644);
    for (unsigned step = 0; step < 400; step++) {
        if (rng_below(&rng, 2))
            step_copy(&f, &m, ino, &rng);
        else
            step_other(&f, &m, ino, &rng);
        if (step % 20 == 0)
            check_model(&f, &m, ino);
        if (step == 200)
            file_test_reopen(&f);
    }
    check_model(&f, &m, ino);
    assert_int_equal(lsm_verify(fs_db(f.fs), NULL, NULL, NULL), 0);
    file_test_done(&f);
    free(m.data[0]);
    free(m.data[1]);
}

/* --- Crashes --- */

enum {
    CRASH_LEN = 20 << 20 /* two pieces, mostly of holes */
};

static void open_on_fault(struct file_test *f, struct env_fault *fault)
{
    struct lsm_options o;
    struct lsm_db *db;

    lsm_options_default(&o);
    if (db_open(env_fault_env(fault), &o, &db))
        fail_msg("open: %s", lsm_detail());
    assert_int_equal(fs_open_on(db, NULL, &f->base->fs), 0);
    f->fs = f->base->fs;
}

/* Whole pieces: nothing, the first, or both. */
static void check_crashed(struct file_test *f, uint64_t dst, uint64_t least)
{
    uint64_t size = file_size(f, dst);

    assert_true(size == 0 || size == 16 << 20 || size == CRASH_LEN);
    assert_true(size >= least);
    assert_blocks_exact(f, dst);
    if (size)
        assert_random(f, dst, BLOCK, BLOCK, 1);
    if (size == CRASH_LEN)
        assert_random(f, dst, CRASH_LEN - 1000, 1000, 2);
}

static void crash_at(uint64_t nth, bool power, bool *ret_happened)
{
    struct file_test f;
    struct env_fault *fault;
    struct env *base;
    uint64_t dst, copied = 0;

    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, BLOCK, BLOCK, 1);
    write_random(&f, f.ino, CRASH_LEN - 1000, 1000, 2);
    assert_int_equal(fs_close(f.fs), 0);
    assert_int_equal(env_posix_open(f.base->path, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &fault), 0);
    open_on_fault(&f, fault);
    env_fault_fail(fault, ENV_FAULT_CHANGES, nth, EIO, true);
    fs_copy_range(f.fs, f.ino, 0, dst, 0, CRASH_LEN, NULL, NULL, &copied);
    if (power && fs_sync(f.fs))
        copied = 0;
    *ret_happened = env_fault_happened(fault);
    if (power)
        env_fault_cut_power(fault);
    fs_close(f.fs);
    if (power)
        assert_int_equal(env_fault_crash(fault, nth % 2 ? ENV_FAULT_KEEP_BYTES : 0, nth), 0);
    env_fault_fail(fault, 0, 0, 0, false);
    open_on_fault(&f, fault);
    check_crashed(&f, dst, copied);
    assert_int_equal(lsm_verify(fs_db(f.fs), NULL, NULL, NULL), 0);
    everything_agrees(f.fs);
    assert_int_equal(fs_close(f.fs), 0);
    env_fault_close(fault);
    fixture_free(f.base);
}

static void a_crash_leaves_whole_pieces(void **state)
{
    (void)state;
    for (int power = 0; power < 2; power++) {
        bool happened = true;

        for (uint64_t nth = 1; happened; nth++)
            crash_at(nth, power, &happened);
    }
}

static void a_full_disk_ends_a_copy_cleanly(void **state)
{
    struct file_test f;
    struct env_fault *fault;
    struct env *base;
    uint64_t dst, copied = 0;
    int err = 0;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, 0, 8 << 20, 1);
    assert_int_equal(fs_close(f.fs), 0);
    assert_int_equal(env_posix_open(f.base->path, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &fault), 0);
    open_on_fault(&f, fault);
    /* Not aligned, so that it takes room. */
    env_fault_limit(fault, env_fault_used(fault) + (4 << 20));
    err = fs_copy_range(f.fs, f.ino, 1, dst, 0, 8 << 20, NULL, NULL, &copied);
    assert_true(err == -ENOSPC || (err == 0 && copied < (8 << 20) - 1));
    assert_int_equal(file_size(&f, dst), err ? 0 : copied);
    assert_blocks_exact(&f, dst);
    env_fault_limit(fault, 0);
    assert_int_equal(copy_ok(&f, f.ino, 0, dst, 0, 8 << 20), 8 << 20);
    assert_random(&f, dst, 0, 8 << 20, 1);
    everything_agrees(f.fs);
    assert_int_equal(fs_close(f.fs), 0);
    env_fault_close(fault);
    fixture_free(f.base);
}

static void change_contents(struct file_test *f, unsigned how, uint64_t src, uint64_t dst)
{
    switch (how) {
    case 0:
        write_random(f, dst, 0, 10, 2);
        break;
    case 1:
        copy_ok(f, src, 0, dst, 0, 2 * BLOCK);
        break;
    case 2:
        assert_int_equal(file_truncate(f, dst, 5), 0);
        break;
    default:
        assert_int_equal(fs_fallocate(f->fs, dst, 0, 0, 10), 0);
    }
}

static void a_change_of_contents_takes_set_id_bits_when_asked(void **state)
{
    struct fs_attr a, mode = {.mode = 06755};
    struct file_test f;
    uint64_t dst;

    (void)state;
    file_test_new(&f, BLOCK);
    dst = file_test_mknod(&f, "copy", S_IFREG | 0644);
    write_random(&f, f.ino, 0, 3 * BLOCK, 1);
    for (unsigned i = 0; i < 8; i++) {
        f.fs->options.clear_set_id = i >= 4;
        assert_int_equal(fs_setattr(f.fs, dst, &mode, FS_SET_MODE, &a), 0);
        assert_int_equal(a.mode, S_IFREG | 06755);
        change_contents(&f, i % 4, f.ino, dst);
        assert_int_equal(fs_getattr(f.fs, dst, &a), 0);
        assert_int_equal(a.mode, S_IFREG | (i >= 4 ? 0755 : 06755));
    }
    file_test_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_shared_with_its_last_block),
        cmocka_unit_test(holes_stay_holes_and_cover_what_was_there),
        cmocka_unit_test(times_change_and_nothing_else_of_the_target),
        cmocka_unit_test(what_cannot_be_copied_is_refused),
        cmocka_unit_test(it_can_be_stopped_between_pieces),
        cmocka_unit_test(nothing_is_copied_read_only),
        cmocka_unit_test(a_change_of_contents_takes_set_id_bits_when_asked),
        cmocka_unit_test(copies_agree_with_the_model),
        cmocka_unit_test(a_crash_leaves_whole_pieces),
        cmocka_unit_test(a_full_disk_ends_a_copy_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
