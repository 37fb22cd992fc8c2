/*
 * Listing: every entry once, offsets that stay, groups of equal offsets whole.
 */
#include "unit/fs/fs_fixture.h"

enum {
    MANY = 100000
};

struct got {
    char name[FS_NAME_LEN_MAX + 1];
    uint64_t ino, offset;
    uint32_t type;
};

/* A reader with a buffer of so many entries at a time. */
struct reader {
    struct got *items;
    size_t count, cap;
    size_t room; /* entries that still fit in this call */
    bool with_attr;
    int fail_with; /* a negative error to answer */
};

static int take(void *arg, const struct fs_dirent *d)
{
    struct reader *r = arg;
    struct got *g;

    if (r->fail_with)
        return r->fail_with;
    if (!r->room)
        return 1;
    r->room--;
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->items = realloc(r->items, r->cap * sizeof(*r->items));
        assert_non_null(r->items);
    }
    g = &r->items[r->count++];
    assert_int_equal(strlen(d->name), d->name_len);
    memcpy(g->name, d->name, d->name_len + 1);
    g->ino = d->ino;
    g->offset = d->offset;
    g->type = d->type;
    assert_true(r->with_attr == (d->attr != NULL));
    if (d->attr) {
        assert_int_equal(d->attr->ino, d->ino);
        assert_int_equal(d->attr->mode & S_IFMT, d->type);
    }
    return 0;
}

/* One call; true when it gave something. */
static bool read_some(struct fs *fs, uint64_t dir, struct reader *r, size_t room)
{
    uint64_t offset = r->count ? r->items[r->count - 1].offset : 0;
    size_t before = r->count;
    unsigned undo = 99;

    r->room = room;
    assert_int_equal(fs_readdir(fs, dir, offset, r->with_attr, take, r, &undo), 0);
    assert_true(undo <= r->count - before);
    r->count -= undo;
    return r->count > before;
}

static void read_all(struct fs *fs, uint64_t dir, struct reader *r, size_t room)
{
    while (read_some(fs, dir, r, room))
        ;
    for (size_t i = 1; i < r->count; i++)
        assert_true(r->items[i].offset >= r->items[i - 1].offset);
}

static bool has(const struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->items[i].name, name))
            return true;
    return false;
}

static void an_empty_directory_has_two_entries(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir");

    for (int with_attr = 0; with_attr < 2; with_attr++) {
        struct reader r = {.with_attr = with_attr};

        read_all(f->fs, dir, &r, 1);
        assert_int_equal(r.count, 2);
        assert_string_equal(r.items[0].name, ".");
        assert_int_equal(r.items[0].ino, dir);
        assert_string_equal(r.items[1].name, "..");
        assert_int_equal(r.items[1].ino, 1);
        free(r.items);
    }
}

static void listing_refuses_what_is_no_directory(void **state)
{
    struct fixture *f = *state;
    uint64_t file = make_file(f->fs, 1, "file");
    struct reader r = {.room = 10, .fail_with = -EINTR};
    unsigned undo;

    assert_int_equal(fs_readdir(f->fs, file, 0, false, take, &r, &undo), -ENOTDIR);
    assert_int_equal(fs_readdir(f->fs, 4711, 0, false, take, &r, &undo), -ESTALE);
    assert_int_equal(fs_readdir(f->fs, 1, 0, false, take, &r, &undo), -EINTR);
    r.fail_with = 0;
    assert_int_equal(fs_readdir(f->fs, 1, INT64_MAX, false, take, &r, &undo), 0);
    assert_int_equal(fs_readdir(f->fs, 1, UINT64_MAX, true, take, &r, &undo), 0);
    assert_int_equal(r.count, 0);
}

static void entries_come_once_through_buffers_of_any_size(void **state)
{
    static const size_t rooms[] = {1, 2, 3, 31, 32, 33, 64, 1000};
    struct fixture *f = *state;
    char name[32];

    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "name %d", i);
        make(f->fs, 1, name, i % 2 ? S_IFREG : S_IFDIR);
    }
    for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms) * 2; i++) {
        struct reader r = {.with_attr = i % 2};

        read_all(f->fs, 1, &r, rooms[i / 2]);
        assert_int_equal(r.count, 202);
        for (int j = 0; j < 200; j++) {
            snprintf(name, sizeof(name), "name %d", j);
            assert_true(has(&r, name));
        }
        free(r.items);
    }
}

static void entries_that_stay_come_once_whatever_else_changes(void **state)
{
    struct fixture *f = *state;
    struct reader r = {.with_attr = true};
    unsigned seed = 3;
    size_t stays = 0;
    char name[32];

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "stays %d", i);
        make_file(f->fs, 1, name);
        snprintf(name, sizeof(name), "goes %d", i);
        make_file(f->fs, 1, name);
    }
    for (int i = 0; read_some(f->fs, 1, &r, 7); i++) {
        snprintf(name, sizeof(name), "goes %d", rand_r(&seed) % 300);
        (void)fs_unlink(f->fs, 1, name);
        snprintf(name, sizeof(name), "new %d", i);
        make_file(f->fs, 1, name);
    }
    for (size_t i = 0; i < r.count; i++)
        stays += !strncmp(r.items[i].name, "stays", 5);
    assert_int_equal(stays, 300);
    free(r.items);
}

static void offsets_survive_a_reopening(void **state)
{
    struct fixture *f = *state;
    struct reader r = {0}, again = {0};

    make_file(f->fs, 1, "one");
    make_file(f->fs, 1, "two");
    make_file(f->fs, 1, "three");
    read_all(f->fs, 1, &r, 10);
    fixture_reopen(f);
    assert_int_equal(fs_unlink(f->fs, 1, r.items[3].name), 0);
    /* Behind the removed entry too. */
    again.room = 10;
    unsigned undo;
    assert_int_equal(fs_readdir(f->fs, 1, r.items[3].offset, false, take, &again, &undo), 0);
    assert_int_equal(again.count, 1);
    assert_string_equal(again.items[0].name, r.items[4].name);
    free(r.items);
    free(again.items);
}

static void a_hundred_thousand_entries_are_listed(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir");
    struct reader r = {.with_attr = true};
    char name[32];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "file %d", i);
        make_file(f->fs, dir, name);
    }
    read_all(f->fs, dir, &r, 40);
    assert_int_equal(r.count, MANY + 2);
    for (size_t i = 3; i < r.count; i++)
        assert_true(r.items[i].offset > r.items[i - 1].offset);
    assert_true(attr_of(f->fs, dir).size >= MANY);
    free(r.items);
    assert_int_equal(everything_agrees(f->fs), MANY + 2);
}

/* Entries with offsets as if their names' hashes were equal. */
static void put_raw(struct fs *fs, const char *name, uint64_t hash, uint64_t ino)
{
    uint8_t value[DIRENT_VALUE_LEN];
    struct key k;

    key_dirent(&k, 1, hash, name, strlen(name));
    put_le64(value, ino);
    value[8] = S_IFREG >> 12;
    assert_int_equal(lsm_put(fs_db(fs), k.data, k.len, value, sizeof(value), 0), 0);
}

static void entries_of_equal_offsets_are_never_split(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "zz"), ino = make_file(f->fs, dir, "file");
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    static const uint64_t hashes[] = {100, 200, 200, 200, 300, 300};

    assert_int_equal(fs_rename(f->fs, 1, "zz", 1, "z", 0), 0);
    for (int i = 0; i < 6; i++)
        put_raw(f->fs, names[i], hashes[i], ino);
    for (size_t room = 3; room < 12; room++) {
        for (int with_attr = 0; with_attr < 2; with_attr++) {
            struct reader r = {.with_attr = with_attr};

            read_all(f->fs, 1, &r, room);
            assert_int_equal(r.count, 9); /* with the dots and z */
            free(r.items);
        }
    }
    /* ".", "..", a, b, c fit; d does not: b and c must be taken back. */
    struct reader r = {.room = 5};
    unsigned undo;
    assert_int_equal(fs_readdir(f->fs, 1, 0, false, take, &r, &undo), 0);
    assert_int_equal(r.count, 5);
    assert_int_equal(undo, 2);
    /* Behind the whole group nothing of it comes again. */
    r.count = 0;
    r.room = 2;
    assert_int_equal(fs_readdir(f->fs, 1, 200, false, take, &r, &undo), 0);
    assert_int_equal(undo, 0);
    assert_string_equal(r.items[0].name, "e");
    free(r.items);
}

static void an_entry_without_inode_is_left_out_with_attributes(void **state)
{
    struct fixture *f = *state;
    struct reader r = {.with_attr = true}, plain = {0};

    make_file(f->fs, 1, "there");
    put_raw(f->fs, "gone", 500, 4711);
    read_all(f->fs, 1, &r, 10);
    assert_int_equal(r.count, 3);
    read_all(f->fs, 1, &plain, 10);
    assert_int_equal(plain.count, 4);
    free(r.items);
    free(plain.items);
}

static void damaged_entries_end_the_listing_with_their_name(void **state)
{
    struct fixture *f = *state;
    struct reader r = {.room = 10};
    struct key k;
    unsigned undo;

    key_dirent(&k, 1, 500, "odd", 3);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "x", 1, 0), 0);
    assert_int_equal(fs_readdir(f->fs, 1, 0, false, take, &r, &undo), -ERR_DIRENT_RECORD);
    assert_non_null(strstr(f->log_last, "\"odd\""));
    assert_int_equal(lsm_delete(fs_db(f->fs), k.data, k.len, 0), 0);
    key_dirent(&k, 1, 500, "a/b", 3);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "x", 1, 0), 0);
    assert_int_equal(fs_readdir(f->fs, 1, 0, false, take, &r, &undo), -ERR_DIRENT_RECORD);
    assert_int_equal(f->log_errors, 2);
    free(r.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(an_empty_directory_has_two_entries),
        FS_TEST(listing_refuses_what_is_no_directory),
        FS_TEST(entries_come_once_through_buffers_of_any_size),
        FS_TEST(entries_that_stay_come_once_whatever_else_changes),
        FS_TEST(offsets_survive_a_reopening),
        FS_TEST(a_hundred_thousand_entries_are_listed),
        FS_TEST(entries_of_equal_offsets_are_never_split),
        FS_TEST(an_entry_without_inode_is_left_out_with_attributes),
        FS_TEST(damaged_entries_end_the_listing_with_their_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
