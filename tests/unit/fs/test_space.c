/*
 * The space that is told, and what a sync promises.
 */
#include "unit/fs/fs_fixture.h"

/* With blocks of the usual length, which are written once, not to the log first. */
static int setup(void **state)
{
    struct fixture *f = fixture_dir();

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    *state = f;
    return 0;
}

static void reopen_with(struct fixture *f, struct fs_options o)
{
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fs_open(f->path, &o, &f->fs), 0);
}

static void write_noise(struct fs *fs, uint64_t ino, size_t mib)
{
    static uint64_t noise[(1 << 20) / 8];
    static uint64_t x = 88172645463325252u;

    for (size_t n = 0; n < mib; n++) {
        for (size_t i = 0; i < sizeof(noise) / sizeof(*noise); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            noise[i] = x;
        }
        assert_int_equal(fs_write(fs, ino, n << 20, noise, sizeof(noise)), 0);
    }
}

static void what_is_written_is_no_longer_available(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file"), taken, freed;
    struct statvfs before, after;

    reopen_with(f, (struct fs_options){.size_max = 256 << 20});
    assert_int_equal(fs_statvfs(f->fs, &before), 0);
    assert_int_equal(before.f_blocks * before.f_frsize, 256 << 20);
    assert_true(before.f_bavail < before.f_bfree && before.f_bfree <= before.f_blocks);
    write_noise(f->fs, ino, 32);
    assert_int_equal(fs_statvfs(f->fs, &after), 0);
    taken = (before.f_bavail - after.f_bavail) * after.f_frsize;
    freed = (before.f_bfree - after.f_bfree) * after.f_frsize;
    assert_in_range(taken, 30 << 20, 40 << 20);
    assert_in_range(freed, 30 << 20, 40 << 20);
    assert_int_equal(before.f_fsid, after.f_fsid);
    assert_true(after.f_ffree > 0 && after.f_ffree <= after.f_files);
}

static void a_full_store_still_removes(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct statvfs st;
    int err = 0;

    reopen_with(f, (struct fs_options){.size_max = 16 << 20});
    for (unsigned i = 0; !err && i < 64; i++) {
        static uint64_t noise[(1 << 20) / 8];
        static uint64_t x = 1234567;

        for (size_t k = 0; k < sizeof(noise) / sizeof(*noise); k++)
            noise[k] = x = x * 6364136223846793005u + 1442695040888963407u;
        err = fs_write(f->fs, ino, (uint64_t)i << 20, noise, sizeof(noise));
    }
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(fs_statvfs(f->fs, &st), 0);
    assert_true(st.f_bavail * st.f_frsize < 4 << 20);
    assert_int_equal(fs_fallocate(f->fs, ino, 0, 64 << 20, 8 << 20), -ENOSPC);
    assert_int_equal(fs_unlink(f->fs, 1, "file"), 0);
    assert_int_equal(fs_purge(f->fs, ino), 0);
}

static void after_a_sync_nothing_waits_for_one(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct lsm_stats before, after;

    write_noise(f->fs, ino, 1);
    assert_int_equal(lsm_stats(fs_db(f->fs), &before), 0);
    assert_true(before.synced_seqno < before.seqno);
    assert_int_equal(fs_sync(f->fs), 0);
    assert_int_equal(lsm_stats(fs_db(f->fs), &after), 0);
    assert_int_equal(after.synced_seqno, after.seqno);
    assert_true(after.wal_sync_count > before.wal_sync_count);
}

static void compression_can_be_left_out(void **state)
{
    static char text[1 << 20];
    struct fixture *f = *state;
    struct lsm_stats stats;

    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t ino = make_file(f->fs, 1, i ? "packed" : "plain"), before;

        reopen_with(f, (struct fs_options){.no_compress = !i});
        assert_int_equal(lsm_flush(fs_db(f->fs)), 0);
        assert_int_equal(lsm_stats(fs_db(f->fs), &stats), 0);
        before = stats.blob_len + stats.table_len[0] + stats.table_len[6];
        assert_int_equal(fs_write(f->fs, ino, 0, text, sizeof(text)), 0);
        assert_int_equal(lsm_flush(fs_db(f->fs)), 0);
        assert_int_equal(lsm_stats(fs_db(f->fs), &stats), 0);
        assert_int_equal(
            stats.blob_len + stats.table_len[0] + stats.table_len[6] - before >= sizeof(text), !i);
    }
}

#define SPACE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPACE_TEST(what_is_written_is_no_longer_available),
        SPACE_TEST(a_full_store_still_removes),
        SPACE_TEST(after_a_sync_nothing_waits_for_one),
        SPACE_TEST(compression_can_be_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
