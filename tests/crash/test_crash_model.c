/*
 * The disks that a loss of power is said to leave: for short records, exactly those that
 * power_loss.h promises. What the other tests here find out rests on it.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "crash/power_loss.h"

enum {
    FOUND_MAX = 256
};

/* Different disks, as text: "name=contents ..." with contents as runs of a letter. */
struct found {
    char *disks[FOUND_MAX];
    size_t count;
};

static struct env_record *r;
static struct env *env;

static int set_up(void **state)
{
    struct disk_image *empty = disk_image_new();

    (void)state;
    r = env_record_new(empty, ENV_RECORD_RESERVES);
    env = env_record_env(r);
    disk_image_free(empty);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    env_record_free(r);
    return 0;
}

static void append_runs(char *text, const struct disk_bytes *b)
{
    for (uint64_t at = 0, next; at < b->len; at = next) {
        uint8_t byte = at < b->data_len ? b->data[at] : 0;

        for (next = at; next < b->len && (next < b->data_len ? b->data[next] : 0) == byte;)
            next++;
        sprintf(text + strlen(text), "%llu%c", (unsigned long long)(next - at), byte ? byte : '0');
    }
}

static int note_disk(void *arg, const struct disk_image *d, uint64_t number)
{
    const struct disk_dir *dir = &d->dirs[DISK_DIR_STORE];
    struct found *f = arg;
    char text[4096] = "";

    (void)number;
    for (size_t i = 0; i < dir->count; i++) {
        sprintf(text + strlen(text), "%s%s=", i ? " " : "", dir->names[i].name);
        append_runs(text, d->files[dir->names[i].file]);
    }
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->disks[i], text) == 0)
            return 0;
    assert_true(f->count < FOUND_MAX);
    f->disks[f->count++] = strdup(text);
    return 0;
}

/* The disks `back` operations before the end of the record are exactly these; NULL ends the list.
 */
static void assert_disks_before(size_t back, unsigned piece_len, const char *const *want)
{
    const struct loss_plan plan = {.piece_len = piece_len, .exhaustive_max = 1 << 16};
    const struct record *record = env_record_get(r);
    struct power_loss *p = power_loss_new(record);
    struct loss_count count = {0};
    struct found f = {.count = 0};
    size_t n = 0;

    while (power_loss_point(p) + back < record->count)
        power_loss_step(p);
    assert_int_equal(power_loss_each(p, &plan, note_disk, &f, &count), 0);
    assert_int_equal(count.all_points, 1);
    for (; want[n]; n++) {
        bool is = false;

        for (size_t i = 0; i < f.count; i++)
            is |= strcmp(f.disks[i], want[n]) == 0;
        if (!is)
            fail_msg("not made: %s", want[n]);
    }
    if (f.count != n)
        fail_msg("%zu disks instead of %zu; one is %s", f.count, n, f.disks[f.count - 1]);
    for (size_t i = 0; i < f.count; i++)
        free(f.disks[i]);
    power_loss_free(p);
}

static void assert_disks(unsigned piece_len, const char *const *want)
{
    assert_disks_before(0, piece_len, want);
}

static void append(struct env_writer *w, char byte, size_t len)
{
    uint8_t bytes[8192] = {0};
    struct slice part = slice_of(bytes, len);

    memset(bytes, byte, len);
    assert_int_equal(env_writer_append(w, &part, 1), 0);
}

static struct env_writer *create(const char *name)
{
    struct env_writer *w;

    assert_int_equal(env_writer_create(env, name, &w), 0);
    return w;
}

static void a_new_file_can_be_missing_or_empty_or_there(void **state)
{
    static const char *const want[] = {"", "f=", "f=3a", "f=30", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 3);
    assert_disks(512, want);
    env_writer_close(w);
}

static void what_was_synced_is_there_and_its_name_when_the_directory_was(void **state)
{
    static const char *const file[] = {"", "f=3a", NULL}, *const both[] = {"f=3a", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 3);
    assert_int_equal(env_writer_sync(w), 0);
    assert_disks(512, file);
    assert_int_equal(env_sync_dir(env), 0);
    assert_disks(512, both);
    env_writer_close(w);
}

static void an_append_is_torn_at_the_ends_of_pieces_only(void **state)
{
    static const char *const coarse[] = {"f=600a", "f=600a500b", "f=600a5000", NULL};
    static const char *const fine[] = {"f=600a",        "f=600a500b",    "f=600a5000",
                                       "f=600a424b760", "f=600a424076b", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 600);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    append(w, 'b', 500);
    assert_disks(4096, coarse);
    assert_disks(512, fine);
    env_writer_close(w);
}

static void a_piece_that_is_written_twice_holds_what_it_was_at_some_time(void **state)
{
    static const char *const want[] = {"f=1a",   "f=1a1b",   "f=1a1b1c", "f=1a10",
                                       "f=1a20", "f=1a1b10", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 1);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    append(w, 'b', 1);
    append(w, 'c', 1);
    assert_disks(512, want);
    env_writer_close(w);
}

static void a_removed_file_comes_back_until_the_directory_is_synced(void **state)
{
    static const char *const before[] = {"f=", "", NULL}, *const after[] = {"", NULL};
    struct env_writer *w = create("f");

    (void)state;
    assert_int_equal(env_sync_dir(env), 0);
    env_writer_close(w);
    assert_int_equal(env_remove(env, "f"), 0);
    assert_disks(512, before);
    assert_int_equal(env_sync_dir(env), 0);
    assert_disks(512, after);
}

/* A sync that another thread's work falls into. */
static void a_sync_covers_what_was_written_before_it_began(void **state)
{
    static const char *const want[] = {"f=1a", "f=1a1b", "f=1a10", NULL};
    struct env_writer *w = create("f");
    struct record record;

    (void)state;
    append(w, 'a', 1);
    assert_int_equal(env_sync_dir(env), 0);
    append(w, 'b', 1);
    assert_int_equal(env_writer_sync(w), 0);
    env_writer_close(w);
    record = *env_record_get(r);
    assert_int_equal(record.ops[record.count - 1].covers, record.count - 1);
    record.ops[record.count - 1].covers = record.count - 2;
    assert_disks(512, want);
}

static void names_are_lost_each_by_itself(void **state)
{
    static const char *const want[] = {"", "f=", "g=", "f= g=", NULL};

    (void)state;
    env_writer_close(create("f"));
    env_writer_close(create("g"));
    assert_disks(512, want);
}

static void a_cut_file_keeps_its_length_or_not(void **state)
{
    static const char *const want[] = {"f=9a", "f=4a", "f=4a50", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 9);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    assert_int_equal(env_writer_truncate(w, 4), 0);
    assert_disks(512, want);
    env_writer_close(w);
}

static void reserved_space_is_there_as_zeros_or_not(void **state)
{
    static const char *const want[] = {"f=1a", "f=1a90", NULL};
    struct env_writer *w = create("f");

    (void)state;
    append(w, 'a', 1);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    assert_int_equal(env_writer_reserve(w, 10), 0);
    assert_disks(512, want);
    env_writer_close(w);
}

static void a_replaced_file_is_old_or_new_and_then_new(void **state)
{
    static const char *const want[] = {"s=3b", NULL};

    (void)state;
    assert_int_equal(env_replace_small(env, "s", slice_str("aa")), 0);
    assert_int_equal(env_replace_small(env, "s", slice_str("bbb")), 0);
    assert_disks(512, want);
}

/* The last point of a replacement, before the directory is synced: the names by themselves. */
static void half_a_rename_can_be_there(void **state)
{
    static const char *const want[] = {"s=2a", "s=2a s.tmp=3b", "s=3b", "s=3b s.tmp=3b", NULL};

    (void)state;
    assert_int_equal(env_replace_small(env, "s", slice_str("aa")), 0);
    assert_int_equal(env_replace_small(env, "s", slice_str("bbb")), 0);
    assert_disks_before(1, 512, want);
}

static int note_garbage(void *arg, const struct disk_image *d, uint64_t number)
{
    const struct disk_bytes *b = d->files[d->dirs[DISK_DIR_STORE].names[0].file];
    unsigned *found = arg;

    (void)number;
    /* What was synced is never other than it was. */
    assert_true(b->data_len >= 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(b->data[i], 'a');
    for (size_t i = 100; i < b->data_len; i++)
        *found |= b->data[i] != 'b' && b->data[i] != 0;
    return 0;
}

static void garbled_pieces_leave_synced_bytes_alone(void **state)
{
    const struct loss_plan plan = {
        .piece_len = 512, .garble = true, .exhaustive_max = 1 << 16, .seed = 3};
    struct env_writer *w = create("f");
    struct loss_count count = {0};
    struct power_loss *p;
    unsigned garbled = 0;

    (void)state;
    append(w, 'a', 100);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    append(w, 'b', 1000);
    env_writer_close(w);
    p = power_loss_new(env_record_get(r));
    while (power_loss_point(p) < env_record_get(r)->count)
        power_loss_step(p);
    assert_int_equal(power_loss_each(p, &plan, note_garbage, &garbled, &count), 0);
    assert_int_equal(count.disks, 2 * 3 * 3 * 3);
    assert_int_equal(garbled, 1);
    power_loss_free(p);
}

/* The environment itself, as the engine uses it. */
static void what_is_written_is_read(void **state)
{
    struct env_writer *w = create("f");
    struct env_record *copy;
    struct disk_image *d;
    struct buf b = {0};

    (void)state;
    append(w, 'a', 3);
    assert_int_equal(env_writer_reserve(w, 100), 0);
    append(w, 'b', 2);
    assert_int_equal(env_writer_truncate(w, 4), 0);
    append(w, 'c', 1);
    assert_int_equal(env_writer_close(w), 0);
    d = env_record_image(r);
    copy = env_record_new(d, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(env_read_small(i ? env_record_env(copy) : env, "f", 100, &b), 0);
        assert_int_equal(b.len, 5);
        assert_memory_equal(b.data, "aaabc", 5);
    }
    assert_int_equal(env_read_small(env, "g", 100, &b), -ENOENT);
    buf_free(&b);
    env_record_free(copy);
    disk_image_free(d);
}

static void a_killed_process_changes_nothing_more(void **state)
{
    struct env_writer *w = create("f");
    size_t point;

    (void)state;
    env_record_kill(r);
    point = env_record_point(r);
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_int_equal(env_remove(env, "f"), -EIO);
    assert_int_equal(env_replace_small(env, "s", slice_str("x")), -EIO);
    env_writer_close(w);
    assert_int_equal(env_record_point(r), point);
    env_record_revive(r);
    assert_int_equal(env_remove(env, "f"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_can_be_missing_or_empty_or_there),
        TEST(what_was_synced_is_there_and_its_name_when_the_directory_was),
        TEST(an_append_is_torn_at_the_ends_of_pieces_only),
        TEST(a_piece_that_is_written_twice_holds_what_it_was_at_some_time),
        TEST(a_removed_file_comes_back_until_the_directory_is_synced),
        TEST(a_sync_covers_what_was_written_before_it_began),
        TEST(names_are_lost_each_by_itself),
        TEST(a_cut_file_keeps_its_length_or_not),
        TEST(reserved_space_is_there_as_zeros_or_not),
        TEST(a_replaced_file_is_old_or_new_and_then_new),
        TEST(half_a_rename_can_be_there),
        TEST(garbled_pieces_leave_synced_bytes_alone),
        TEST(what_is_written_is_read),
        TEST(a_killed_process_changes_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
