/*
 * Listing directories: readdir, telldir, seekdir, rewinddir, while entries come and go.
 */
#include "posix/lib/posix.h"

#include <dirent.h>

static void make_many(const char *prefix, int from, int to)
{
    char name[64];

    for (int i = from; i < to; i++) {
        snprintf(name, sizeof(name), "%s%d", prefix, i);
        must(close(must(open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644))));
    }
}

static DIR *open_dir(const char *path)
{
    DIR *dir = opendir(path);

    expect(dir);
    return dir;
}

/* The next entry, NULL at the end. */
static struct dirent *next(DIR *dir)
{
    struct dirent *d;

    errno = 0;
    d = readdir(dir);
    expect_eq(0, errno);
    return d;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/*
 * Count in seen[i] how often the rest of the listing has PREFIXi; others than the dots and those
 * fail. The dots go to *dots if it is wanted.
 */
static void count_rest(DIR *dir, const char *prefix, unsigned char *seen, int count, int *dots)
{
    const struct dirent *d;

    while ((d = next(dir))) {
        int i;

        if (is_dots(d->d_name)) {
            if (dots)
                ++*dots;
            continue;
        }
        expect(strncmp(d->d_name, prefix, strlen(prefix)) == 0);
        i = atoi(d->d_name + strlen(prefix));
        expect(i >= 0 && i < count);
        seen[i]++;
    }
}

static void expect_seen(const unsigned char *seen, int from, int to, int times)
{
    for (int i = from; i < to; i++)
        expect_eq(times, seen[i]);
}

static void each_entry_is_listed_once_with_its_type_and_number(void **state)
{
    const struct dirent *d;
    int found = 0;
    DIR *dir;

    (void)state;
    make_dir("d");
    EACH_KIND(k)
    {
        char name[64];

        snprintf(name, sizeof(name), "d/%s", k->name);
        make(name, k->type);
        found++;
    }
    dir = open_dir("d");
    while ((d = next(dir))) {
        struct stat st;

        must(fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW));
        expect_eq(st.st_ino, d->d_ino);
        expect_eq(IFTODT(st.st_mode), d->d_type);
        if (!is_dots(d->d_name))
            found--;
    }
    expect_eq(0, found);
    must(closedir(dir));
}

static void an_empty_directory_has_its_dots(void **state)
{
    unsigned char seen[1];
    int dots = 0;
    DIR *dir;

    (void)state;
    make_dir("d");
    dir = open_dir("d");
    count_rest(dir, "", seen, 0, &dots);
    expect_eq(2, dots);
    expect(!next(dir));
    must(closedir(dir));
}

static void all_lengths_of_names_are_listed(void **state)
{
    unsigned char seen[256] = {0};
    const struct dirent *d;
    DIR *dir;

    (void)state;
    make_dir("d");
    must(chdir("d"));
    for (size_t len = 1; len <= 255; len++)
        make_file(long_name(len), "");
    dir = open_dir(".");
    while ((d = next(dir)))
        if (!is_dots(d->d_name))
            seen[strlen(d->d_name)]++;
    expect_seen(seen, 1, 256, 1);
    must(closedir(dir));
}

static void rewinding_shows_what_is_new_and_not_what_is_gone(void **state)
{
    unsigned char seen[30] = {0};
    DIR *dir;

    (void)state;
    make_dir("d");
    make_many("d/f", 0, 20);
    dir = open_dir("d");
    count_rest(dir, "f", seen, 20, NULL);
    expect_seen(seen, 0, 20, 1);
    make_many("d/f", 20, 30);
    must(unlink("d/f0"));
    rewinddir(dir);
    memset(seen, 0, sizeof(seen));
    count_rest(dir, "f", seen, 30, NULL);
    expect_eq(0, seen[0]);
    expect_seen(seen, 1, 30, 1);
    must(closedir(dir));
}

static void every_position_leads_back_to_the_same_entries(void **state)
{
    enum {
        COUNT = 300
    };
    static char names[COUNT + 2][64];
    long positions[COUNT + 2];
    const struct dirent *d;
    int n = 0;
    DIR *dir;

    (void)state;
    make_dir("d");
    make_many("d/f", 0, COUNT);
    dir = open_dir("d");
    for (;;) {
        long position = telldir(dir);

        d = next(dir);
        if (!d)
            break;
        expect(n < COUNT + 2);
        positions[n] = position;
        snprintf(names[n++], sizeof(names[0]), "%.63s", d->d_name);
    }
    expect_eq(COUNT + 2, n);
    for (int i = n - 1; i >= 0; i -= 7) {
        seekdir(dir, positions[i]);
        for (int j = i; j < i + 3 && j < n; j++) {
            d = next(dir);
            expect(d);
            expect_text(names[j], d->d_name);
        }
    }
    must(closedir(dir));
    /* Positions hold for another opening, too. */
    dir = open_dir("d");
    seekdir(dir, positions[n / 2]);
    d = next(dir);
    expect(d);
    expect_text(names[n / 2], d->d_name);
    must(closedir(dir));
}

static void positions_hold_while_entries_go(void **state)
{
    enum {
        COUNT = 2000
    };
    static unsigned char seen[COUNT];
    const struct dirent *d;
    char name[64];
    long position;
    DIR *dir;

    (void)state;
    memset(seen, 0, sizeof(seen));
    make_dir("d");
    make_many("d/f", 0, COUNT);
    dir = open_dir("d");
    for (int i = 0; i < COUNT / 2; i++) {
        d = next(dir);
        expect(d);
        if (!is_dots(d->d_name))
            seen[atoi(d->d_name + 1)]++;
    }
    position = telldir(dir);
    for (int i = 0; i < COUNT; i++)
        if (seen[i]) {
            snprintf(name, sizeof(name), "d/f%d", i);
            must(unlink(name));
        }
    seekdir(dir, position);
    count_rest(dir, "f", seen, COUNT, NULL);
    expect_seen(seen, 0, COUNT, 1);
    must(closedir(dir));
}

static void what_stays_is_listed_once_while_others_come_and_go(void **state)
{
    enum {
        COUNT = 3000
    };
    static unsigned char seen[2 * COUNT];
    const struct dirent *d;
    char name[64];
    int made = COUNT, n = 0;
    DIR *dir;

    (void)state;
    memset(seen, 0, sizeof(seen));
    make_dir("d");
    make_many("d/f", 0, COUNT);
    dir = open_dir("d");
    while ((d = next(dir))) {
        if (!is_dots(d->d_name))
            seen[atoi(d->d_name + 1)]++;
        /* The odd ones go, one by one, and others come. */
        if (n < COUNT) {
            snprintf(name, sizeof(name), "d/f%d", n + 1);
            must(unlink(name));
            n += 2;
        }
        if (made < 2 * COUNT && n % 4 == 0) {
            make_many("d/f", made, made + 1);
            made++;
        }
    }
    for (int i = 0; i < COUNT; i += 2)
        expect_eq(1, seen[i]);
    for (int i = 1; i < COUNT; i += 2)
        expect(seen[i] <= 1);
    for (int i = COUNT; i < 2 * COUNT; i++)
        expect(seen[i] <= 1);
    must(closedir(dir));
}

static void removing_while_listing_empties_the_directory(void **state)
{
    const struct dirent *d;
    DIR *dir;

    (void)state;
    make_dir("d");
    make_many("d/f", 0, 1500);
    dir = open_dir("d");
    while ((d = next(dir)))
        if (!is_dots(d->d_name))
            must(unlinkat(dirfd(dir), d->d_name, 0));
    must(closedir(dir));
    must(rmdir("d"));
}

static void two_openings_do_not_disturb_each_other(void **state)
{
    unsigned char seen_a[100] = {0}, seen_b[100] = {0};
    const struct dirent *d;
    DIR *a, *b;

    (void)state;
    make_dir("d");
    make_many("d/f", 0, 100);
    a = open_dir("d");
    b = open_dir("d");
    for (int i = 0; i < 40; i++) {
        d = next(a);
        if (!is_dots(d->d_name))
            seen_a[atoi(d->d_name + 1)]++;
    }
    count_rest(b, "f", seen_b, 100, NULL);
    count_rest(a, "f", seen_a, 100, NULL);
    expect_seen(seen_a, 0, 100, 1);
    expect_seen(seen_b, 0, 100, 1);
    must(closedir(a));
    must(closedir(b));
}

static void a_hundred_thousand_entries(void **state)
{
    enum {
        COUNT = 100000
    };
    unsigned char *seen;
    int dots = 0;
    DIR *dir;

    (void)state;
    need_root();
    seen = calloc(1, COUNT);
    expect(seen);
    make_dir("d");
    make_many("d/f", 0, COUNT);
    dir = open_dir("d");
    for (int round = 1; round <= 2; round++) {
        rewinddir(dir);
        count_rest(dir, "f", seen, COUNT, &dots);
        expect_seen(seen, 0, COUNT, round);
        expect_eq(2 * round, dots);
    }
    must(closedir(dir));
    expect_eq(2, nlink_of("d"));
    free(seen);
}

static void only_directories_are_listed(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("d", "l"));
    expect(!opendir("f") && errno == ENOTDIR);
    expect(!opendir("missing") && errno == ENOENT);
    expect(!opendir("") && errno == ENOENT);
    expect(!opendir("f/") && errno == ENOTDIR);
    must(closedir(open_dir("l")));
    must(closedir(open_dir("d/")));
    must(closedir(open_dir("d/..")));
}

static void a_listing_begun_before_a_rename_goes_on(void **state)
{
    unsigned char seen[50] = {0};
    DIR *dir;

    (void)state;
    make_dir("d");
    make_dir("p");
    make_many("d/f", 0, 50);
    dir = open_dir("d");
    expect(next(dir));
    rewinddir(dir);
    must(rename("d", "p/e"));
    count_rest(dir, "f", seen, 50, NULL);
    expect_seen(seen, 0, 50, 1);
    must(closedir(dir));
}

static void dot_dot_is_listed_as_the_new_parent_after_a_move(void **state)
{
    const struct dirent *d;
    DIR *dir;

    (void)state;
    make_dir("p");
    make_dir("d");
    must(rename("d", "p/d"));
    dir = open_dir("p/d");
    while ((d = next(dir)))
        expect_eq(strcmp(d->d_name, ".") == 0 ? ino_of("p/d") : ino_of("p"), d->d_ino);
    must(closedir(dir));
}

/* What lstat says of each name that the directory lists, and how many there are. */
static int check_listing(const char *path)
{
    const struct dirent *d;
    DIR *dir = open_dir(path);
    int count = 0;

    while ((d = next(dir))) {
        struct stat st;

        must(fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW));
        expect_eq(st.st_ino, d->d_ino);
        expect_eq(IFTODT(st.st_mode), d->d_type);
        count += !is_dots(d->d_name);
    }
    must(closedir(dir));
    return count;
}

/* Read it twice, so that a kept listing, if there is one, is complete. */
static void expect_listing(int count)
{
    expect_eq(count, check_listing("d"));
    expect_eq(count, check_listing("d"));
}

static void a_listing_that_was_kept_is_forgotten_at_every_change(void **state)
{
    (void)state;
    make_dir("d");
    make_many("d/f", 0, 50);
    make_file("outside", "");
    expect_listing(50);
    must(rename("outside", "d/f1"));
    expect_listing(50);
    must(rename("d/f1", "d/f2"));
    expect_listing(49);
    make_dir("other");
    must(renameat2(AT_FDCWD, "other", AT_FDCWD, "d/f3", RENAME_EXCHANGE));
    expect_listing(49);
    must(rename("d/f3", "d/dir"));
    expect_listing(49);
    must(link("d/f4", "d/link"));
    expect_listing(50);
    must(symlink("x", "d/symlink"));
    expect_listing(51);
    must(rename("d/symlink", "elsewhere"));
    expect_listing(50);
    must(rmdir("d/dir"));
    expect_listing(49);
    must(unlink("d/f5"));
    make_dir("d/f5");
    expect_listing(49);
    must(mkfifo("d/p", 0600));
    expect_listing(50);
    make_dir("e");
    must(renameat2(AT_FDCWD, "d", AT_FDCWD, "e", RENAME_EXCHANGE));
    expect_listing(0);
    expect_eq(50, check_listing("e"));
    must(rename("e", "d"));
    expect_listing(50);
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(each_entry_is_listed_once_with_its_type_and_number),
    POSIX_TEST(an_empty_directory_has_its_dots),
    POSIX_TEST(all_lengths_of_names_are_listed),
    POSIX_TEST(rewinding_shows_what_is_new_and_not_what_is_gone),
    POSIX_TEST(every_position_leads_back_to_the_same_entries),
    POSIX_TEST(positions_hold_while_entries_go),
    POSIX_TEST(what_stays_is_listed_once_while_others_come_and_go),
    POSIX_TEST(removing_while_listing_empties_the_directory),
    POSIX_TEST(two_openings_do_not_disturb_each_other),
    POSIX_TEST(a_hundred_thousand_entries),
    POSIX_TEST(only_directories_are_listed),
    POSIX_TEST(a_listing_begun_before_a_rename_goes_on),
    POSIX_TEST(a_listing_that_was_kept_is_forgotten_at_every_change),
    POSIX_TEST(dot_dot_is_listed_as_the_new_parent_after_a_move),
};

POSIX_MAIN("readdir", tests)
