/*
 * Frames: what is made is understood, however the bytes come; rubbish is refused, and harms
 * nothing.
 */
#include "fs/tree_frame.h"
#include "lib/rng.h"
#include "lsm/base/codec.h"
#include "unit/fs/fs_fixture.h"

static void on_refused(void *arg, const char *path, int err, const char *text)
{
    (void)path;
    (void)err;
    assert_non_null(text);
    ++*(unsigned *)arg;
}

static const struct tree_entry file_entry = {.path = "d/f",
                                             .mode = S_IFREG | 0640,
                                             .uid = 4000000000u,
                                             .gid = 1,
                                             .atime = {INT64_MIN, 0},
                                             .mtime = {INT64_MAX, 999999999}};

static void make_frames(struct buf *b)
{
    static const struct timespec a = {-1, 5}, m = {7, 8};
    struct tree_entry link = {.path = "l", .link = "d/f", .hard_link = true};
    struct tree_entry soft = {.path = "s", .link = "x", .mode = S_IFLNK | 0777};

    assert_int_equal(tree_frame_entry(b, &file_entry), 0);
    assert_int_equal(tree_frame_xattr(b, "user.a", "\0b", 2), 0);
    assert_int_equal(tree_frame_data(b, 0, "hello", 5), 0);
    assert_int_equal(tree_frame_data(b, 100000, "there", 5), 0);
    assert_int_equal(tree_frame_end(b, 200000), 0);
    assert_int_equal(tree_frame_entry(b, &link), 0);
    assert_int_equal(tree_frame_end(b, 0), 0);
    assert_int_equal(tree_frame_entry(b, &soft), 0);
    assert_int_equal(tree_frame_drop(b), 0);
    assert_int_equal(tree_frame_times(b, "d", &a, &m), 0);
}

static struct tree_put *put_new(struct fs *fs, unsigned *refused)
{
    struct tree_put_options o = {.dir = FS_ROOT_INO, .refused = on_refused, .arg = refused};
    struct tree_put *t;

    assert_int_equal(tree_put_new(fs, &o, &t), 0);
    return t;
}

/* All frames that are whole; what is left. */
static int apply(struct tree_put *t, struct slice *in)
{
    struct slice payload;
    uint8_t type;
    int err = 0, r = 0;

    while (!err && (r = tree_frame_take(in, &type, &payload)) > 0)
        err = tree_frame_apply(t, type, payload);
    return err ? err : r;
}

static void frames_do_what_they_say(void **state)
{
    struct fixture *f = *state;
    unsigned refused = 0;
    struct tree_put *t = put_new(f->fs, &refused);
    struct buf b = {NULL, 0, 0};
    struct slice in;
    struct fs_attr a;

    make_frames(&b);
    in = buf_slice(&b);
    assert_int_equal(apply(t, &in), 0);
    assert_int_equal(in.len, 0);
    assert_int_equal(tree_put_commit(t), 0);
    assert_int_equal(fs_resolve(f->fs, "d/f", &a), 0);
    assert_int_equal(a.mode, file_entry.mode);
    assert_int_equal(a.uid, file_entry.uid);
    assert_int_equal(a.size, 200000);
    assert_int_equal(a.nlink, 2);
    assert_true(time_is(&a.atime, INT64_MIN, 0) && time_is(&a.mtime, INT64_MAX, 999999999));
    assert_int_equal(fs_resolve(f->fs, "s", &a), -ENOENT);
    assert_int_equal(fs_resolve(f->fs, "d", &a), 0);
    assert_true(time_is(&a.atime, -1, 5) && time_is(&a.mtime, 7, 8));
    assert_int_equal(refused, 0);
    tree_put_free(t);
    buf_free(&b);
    everything_agrees(f->fs);
}

static void a_frame_that_is_not_whole_is_left_alone(void **state)
{
    struct buf b = {NULL, 0, 0};

    (void)state;
    make_frames(&b);
    for (size_t len = 0; len < b.len; len++) {
        struct slice in = slice_of(b.data, len), payload;
        uint8_t type;
        size_t left;
        int r;

        do {
            left = in.len;
            r = tree_frame_take(&in, &type, &payload);
        } while (r == 1);
        assert_int_equal(r, 0);
        assert_int_equal(in.len, left);
    }
    put_le32(b.data, TREE_FRAME_LEN_MAX + 1);
    assert_int_equal(
        tree_frame_take(&(struct slice){b.data, b.len}, &(uint8_t){0}, &(struct slice){NULL, 0}),
        -EBADMSG);
    buf_free(&b);
}

static void what_is_too_long_is_no_frame(void **state)
{
    struct buf b = {NULL, 0, 0};
    size_t len = TREE_FRAME_LEN_MAX + 1;
    char *long_text = malloc(len + 1);
    struct tree_entry e = {.path = long_text};

    (void)state;
    assert_non_null(long_text);
    memset(long_text, 'x', len);
    long_text[len] = 0;
    assert_int_equal(tree_frame_entry(&b, &e), -ENAMETOOLONG);
    assert_int_equal(tree_frame_xattr(&b, "user.a", long_text, len), -E2BIG);
    assert_int_equal(b.len, 0);
    free(long_text);
    buf_free(&b);
}

/* Every byte of good frames changed, and bytes of no sense at all. */
static void rubbish_is_refused_and_harms_nothing(void **state)
{
    struct fixture *f = *state;
    struct rng rng = {rng_seed(1)};
    struct buf b = {NULL, 0, 0};
    unsigned refused = 0;

    make_frames(&b);
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t *bytes = malloc(b.len);
        struct tree_put *t = put_new(f->fs, &refused);
        struct slice in = slice_of(bytes, b.len);
        unsigned changes = 1 + (unsigned)rng_below(&rng, 3);
        int r;

        assert_non_null(bytes);
        memcpy(bytes, b.data, b.len);
        for (unsigned i = 0; i < changes; i++)
            bytes[rng_below(&rng, b.len)] = (uint8_t)rng_next(&rng);
        r = apply(t, &in);
        assert_true(r == 0 || r == -EBADMSG);
        assert_int_equal(tree_put_commit(t), 0);
        tree_put_free(t);
        free(bytes);
    }
    assert_int_equal(tree_frame_apply(NULL, 99, slice_of(NULL, 0)), -EBADMSG);
    buf_free(&b);
    everything_agrees(f->fs);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(frames_do_what_they_say),
        cmocka_unit_test(a_frame_that_is_not_whole_is_left_alone),
        cmocka_unit_test(what_is_too_long_is_no_frame),
        FS_TEST(rubbish_is_refused_and_harms_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
