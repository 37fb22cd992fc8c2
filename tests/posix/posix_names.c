/*
 * Names and paths: any bytes but `/` and NUL, 1 to 255 of them, and no two names are confused.
 */
#include "posix/lib/posix.h"

#include <dirent.h>

/* The number that the file of this name holds. */
static int number_in(const char *name)
{
    char buf[16] = "";
    int fd = must(open(name, O_RDONLY | O_CLOEXEC));

    expect(must(read(fd, buf, sizeof(buf) - 1)) > 0);
    must(close(fd));
    return atoi(buf);
}

static void make_numbered(const char *name, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", number);
    make_file(name, text);
}

/* The listing has exactly these names, and each file holds its index. */
static void expect_names(const char *const *names, int count)
{
    const struct dirent *d;
    int found = 0;
    DIR *dir = opendir(".");

    expect(dir);
    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        for (int i = 0; i < count; i++)
            if (strcmp(d->d_name, names[i]) == 0)
                found++;
    }
    must(closedir(dir));
    expect_eq(count, found);
    for (int i = 0; i < count; i++)
        expect_eq(i, number_in(names[i]));
}

static void every_byte_but_two_may_be_in_a_name(void **state)
{
    char name[4];

    (void)state;
    make_dir("single");
    make_dir("middle");
    for (int c = 1; c < 256; c++) {
        if (c == '/')
            continue;
        if (c != '.') {
            snprintf(name, sizeof(name), "%c", c);
            must(chdir("single"));
            make_numbered(name, c);
            must(chdir(".."));
        }
        snprintf(name, sizeof(name), "a%cb", c);
        must(chdir("middle"));
        make_numbered(name, c);
        must(chdir(".."));
    }
    for (int c = 1; c < 256; c++) {
        if (c == '/')
            continue;
        if (c != '.') {
            snprintf(name, sizeof(name), "%c", c);
            must(chdir("single"));
            expect_eq(c, number_in(name));
            must(chdir(".."));
        }
        snprintf(name, sizeof(name), "a%cb", c);
        must(chdir("middle"));
        expect_eq(c, number_in(name));
        must(chdir(".."));
    }
}

static void names_that_look_alike_are_different(void **state)
{
    static const char *const names[] = {
        "a",
        "A",
        "a ",
        " a",
        "a\n",
        "...",
        ". ",
        ".a",
        "..a",
        "\xc3\xa9",     /* e with acute, composed */
        "e\xcc\x81",    /* the same, decomposed */
        "\xe9",         /* the same in Latin-1, no UTF-8 */
        "\xef\xac\x80", /* a ligature of ff */
        "ff",
        "\xe2\x84\xaa", /* the sign of kelvin */
        "K",
        "k",
        "\xc4\xb0", /* I with a dot */
        "\xc4\xb1", /* i without */
        "I",
        "i",
        "stra\xc3\x9f\x65", /* with sharp s */
        "strasse",
        "\xed\xa0\x80", /* half of a pair, invalid in UTF-8 */
        "\xc0\xaf",     /* an overlong slash */
        "\xf0\x9f\xa6\x8a",
        "\xff\xfe",
        "*",
        "?",
        "\\",
        "\\\\",
        "-",
        "--",
        "CON",
        "a:b",
        "con.txt.",
    };
    enum {
        COUNT = sizeof(names) / sizeof(names[0])
    };

    (void)state;
    for (int i = 0; i < COUNT; i++)
        make_numbered(names[i], i);
    expect_names(names, COUNT);
    for (int i = 0; i < COUNT; i++) {
        must_fail(EEXIST, mkdir(names[i], 0755));
        must(unlink(names[i]));
        for (int j = i + 1; j < COUNT; j++)
            expect(!is_absent(names[j]));
    }
}

static void a_name_has_at_most_255_bytes(void **state)
{
    char name[256];

    (void)state;
    for (size_t len = 250; len <= 255; len++) {
        make_file(long_name(len), "");
        expect(!is_absent(long_name(len)));
    }
    for (size_t len = 256; len <= 1000; len += 124) {
        struct stat st;

        must_fail(ENAMETOOLONG, open(long_name(len), O_WRONLY | O_CREAT, 0644));
        must_fail(ENAMETOOLONG, stat(long_name(len), &st));
    }
    /* Bytes count, not characters. */
    for (size_t i = 0; i < 255; i += 3)
        memcpy(name + i, "\xe6\x97\xa5", 3);
    name[255] = 0;
    make_file(name, "japanese");
    expect_contents(name, "japanese");
    name[254] = 'x';
    must_fail(ENOENT, open(name, O_RDONLY));
}

static void long_names_that_differ_in_one_byte_are_different(void **state)
{
    char name[256];

    (void)state;
    for (int i = 0; i < 255; i++) {
        snprintf(name, sizeof(name), "%s", long_name(255));
        name[i] = 'x';
        make_numbered(name, i);
    }
    for (int i = 0; i < 255; i++) {
        snprintf(name, sizeof(name), "%s", long_name(255));
        name[i] = 'x';
        expect_eq(i, number_in(name));
    }
}

/* PREFIX/././.../f of exactly this many bytes, the NUL not counted. */
static void path_of(char *path, size_t len, const char *last)
{
    size_t at = 0, rest = len - strlen(last);

    while (at + 2 <= rest) {
        memcpy(path + at, "./", 2);
        at += 2;
    }
    while (at < rest)
        path[at++] = '/';
    memcpy(path + at, last, strlen(last) + 1);
}

static void a_path_has_at_most_4095_bytes(void **state)
{
    char path[5000], target[5000];
    struct stat st;

    (void)state;
    for (size_t len = 4093; len <= 4095; len++) {
        path_of(path, len, "f");
        must(close(must(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644))));
        must(stat(path, &st));
        path_of(target, len, "g");
        must(rename(path, target));
        must(unlink(target));
    }
    make_file("f", "");
    path_of(path, 4096, "f");
    must_fail(ENAMETOOLONG, open(path, O_RDONLY));
    must_fail(ENAMETOOLONG, stat(path, &st));
    must_fail(ENAMETOOLONG, rename(path, "x"));
    must_fail(ENAMETOOLONG, link("f", path));
    must_fail(ENAMETOOLONG, unlink(path));
}

static void trees_may_be_deeper_than_paths_are_long(void **state)
{
    enum {
        DEPTH = 60
    };
    char cwd[64 * 1024];
    int top = must(open(".", O_RDONLY | O_DIRECTORY));

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        make_dir(long_name(200));
        must(chdir(long_name(200)));
    }
    make_file("leaf", "leaf");
    expect_contents("leaf", "leaf");
    expect(!getcwd(cwd, 4096));
    for (int i = 0; i < DEPTH; i++)
        must(chdir(".."));
    expect_eq(ino_of("."), ino_of("../trees_may_be_deeper_than_paths_are_long"));
    /* A directory deep in the tree moves up with all below it. */
    for (int i = 0; i < DEPTH / 2; i++)
        must(chdir(long_name(200)));
    must(renameat(AT_FDCWD, long_name(200), top, "up"));
    must(fchdir(top));
    must(close(top));
    must(chdir("up"));
    for (int i = DEPTH / 2 + 1; i < DEPTH; i++)
        must(chdir(long_name(200)));
    expect_contents("leaf", "leaf");
}

static void slashes_and_dots_in_paths(void **state)
{
    struct stat st;

    (void)state;
    make_dir("d");
    make_dir("d/e");
    make_file("d/f", "f");
    expect_contents("d//f", "f");
    expect_contents("./d/./f", "f");
    expect_contents("d/e/../f", "f");
    expect_contents("d///e//..//./f", "f");
    must_fail(ENOENT, stat("d/missing/../f", &st));
    must_fail(ENOTDIR, stat("d/f/../f", &st));
    must_fail(ENOTDIR, stat("d/f/.", &st));
    must_fail(ENOTDIR, stat("d/f/", &st));
    must(stat("d/", &st));
    must(stat("d/.", &st));
    must_fail(ENOENT, stat("", &st));
}

static void an_absent_name_is_there_as_soon_as_it_is_made(void **state)
{
    struct stat st;

    (void)state;
    make_dir("d");
    EACH_KIND(k)
    {
        must_fail(ENOENT, lstat("x", &st));
        must_fail(ENOENT, lstat("d/x", &st));
        make("x", k->type);
        must(lstat("x", &st));
        must(rename("x", "d/x"));
        must_fail(ENOENT, lstat("x", &st));
        must(lstat("d/x", &st));
        remove_any("d/x");
        must_fail(ENOENT, lstat("d/x", &st));
    }
}

static void an_absent_name_is_absent_from_one_directory_only(void **state)
{
    struct stat st;

    (void)state;
    make_dir("a");
    make_dir("b");
    make_file("b/x", "");
    must_fail(ENOENT, stat("a/x", &st));
    must(rmdir("a"));
    must(rename("b", "a"));
    must(stat("a/x", &st));
    must_fail(ENOENT, stat("b/x", &st));
    make_dir("b");
    must_fail(ENOENT, stat("b/x", &st));
    must(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
    must(stat("b/x", &st));
    must_fail(ENOENT, stat("a/x", &st));
    must_fail(ENOENT, stat("y", &st));
    must(rename("b/x", "y"));
    must(stat("y", &st));
    must(link("y", "b/x"));
    must(stat("b/x", &st));
    must(symlink("y", "l"));
    must(stat("l", &st));
    must(unlink("y"));
    must_fail(ENOENT, stat("l", &st));
    must(rename("b/x", "y"));
    must(stat("l", &st));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_byte_but_two_may_be_in_a_name),
    POSIX_TEST(names_that_look_alike_are_different),
    POSIX_TEST(a_name_has_at_most_255_bytes),
    POSIX_TEST(long_names_that_differ_in_one_byte_are_different),
    POSIX_TEST(a_path_has_at_most_4095_bytes),
    POSIX_TEST(trees_may_be_deeper_than_paths_are_long),
    POSIX_TEST(slashes_and_dots_in_paths),
    POSIX_TEST(an_absent_name_is_absent_from_one_directory_only),
    POSIX_TEST(an_absent_name_is_there_as_soon_as_it_is_made),
};

POSIX_MAIN("names", tests)
