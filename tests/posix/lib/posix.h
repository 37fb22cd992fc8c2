/*
 * What the conformance tests share. A group is one program, tests/posix/posix_GROUP.c, which is run
 * with a directory to test: on the mount and on the host's file system, with the same expectations.
 *
 * Each test owns a new, empty directory, which is its working directory, so paths are relative. It
 * begins as the user that runs the program, with umask 0; whoever it becomes, and wherever it goes,
 * the next test begins like that again. What it leaves in its directory stays there: the runner
 * compares it with what is there after a remount, and removes it.
 *
 * Where the mount may differ from the host a test asks deviates(), which insists that fs/README.md
 * says so; the test then states what happens instead.
 *
 * Single-threaded. Nothing here returns an error: what fails ends the test, in a child the child.
 */
#ifndef TESTS_POSIX_LIB_POSIX_H
#define TESTS_POSIX_LIB_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cmocka_all.h"

/* --- Groups --- */

/* One line of a group's table of tests. */
#define POSIX_TEST(f)                                                                              \
    {                                                                                              \
        .name = #f, .test_func = (f), .setup_func = posix_setup, .teardown_func = posix_teardown,  \
        .initial_state = (void *)#f                                                                \
    }

/* The whole of main: `posix_GROUP DIR [PATTERN]`; PATTERN picks tests. */
#define POSIX_MAIN(group, tests)                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return posix_main(group, tests, sizeof(tests) / sizeof((tests)[0]), argc, argv);           \
    }

int posix_main(const char *group, const struct CMUnitTest *tests, size_t count, int argc,
               char **argv);
int posix_setup(void **state);
int posix_teardown(void **state);

/* Skip the test, saying why. */
void posix_skip(const char *why);
void need_root(void);
/* What a mount has only since this kernel. */
void need_kernel(int major, int minor);
bool is_root(void);

/*
 * Whether the file system under test differs from ext4 in `what`, which the first cell of a row in
 * fs/README.md, "What differs from ext4", must name: the test fails when none does. Always false on
 * the host.
 */
bool deviates(const char *what);

/* --- Expectations; the caller's line is named when one is not met --- */

/* The call succeeds, that is, does not return -1; its value. */
#define must(call) posix_must((long)(call), #call, __FILE__, __LINE__)
/* The call returns -1 with this errno. */
#define must_fail(err, call)                                                                       \
    posix_must_fail((err), (errno = 0, (long)(call)), #call, __FILE__, __LINE__)
#define expect(condition) posix_expect((condition), #condition, __FILE__, __LINE__)
/* Two integers; told in decimal and octal when they differ. */
#define expect_eq(expected, found)                                                                 \
    posix_expect_eq((long long)(expected), (long long)(found), #found, __FILE__, __LINE__)
#define expect_text(expected, found)                                                               \
    posix_expect_text((expected), (found), #found, __FILE__, __LINE__)

int posix_must(long result, const char *call, const char *file, int line);
void posix_must_fail(int err, long result, const char *call, const char *file, int line);
void posix_expect(bool ok, const char *condition, const char *file, int line);
void posix_expect_eq(long long expected, long long found, const char *what, const char *file,
                     int line);
void posix_expect_text(const char *expected, const char *found, const char *what, const char *file,
                       int line);
/* End the test, or the child, as failed. */
void posix_fail(const char *file, int line) __attribute__((noreturn));

/* --- Users --- */

/* Those whom the tests act as; they need no entry in passwd. */
enum {
    UID_OWNER = 65534,
    UID_OTHER = 65533,
    UID_THIRD = 65532,
    GID_OWNER = 65534,
    GID_OTHER = 65533,
    GID_THIRD = 65532,
};

/*
 * Act as another user, real and effective, with the supplementary groups; only as root. Rights are
 * those of an ordinary user with any uid but 0.
 */
void become_with(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);
void become(uid_t uid, gid_t gid); /* without supplementary groups */
void become_self(void);            /* whoever runs the program */

/*
 * Run the function in a child and wait for it: for what ends with the process, as limits and the
 * root directory. An expectation that fails in it fails the test.
 */
void in_child(void (*run)(void *arg), void *arg);

/* --- Files --- */

/* The types of files; the last one has no name. */
struct kind {
    mode_t type;
    const char *name;
};
extern const struct kind kinds[];

bool can_make(mode_t type); /* devices: only root */
/* Loop over those that the caller may make. */
#define EACH_KIND(k)                                                                               \
    for (const struct kind *k = kinds; k->name; k++)                                               \
        if (can_make(k->type))

/* Make a file of this type: mode 0644, a directory's 0755; a symlink leads to "nowhere". */
void make(const char *path, mode_t type);
void make_file(const char *path, const char *text); /* mode 0644 */
void make_dir(const char *path);                    /* mode 0755 */
void expect_contents(const char *path, const char *text);
void remove_any(const char *path); /* a file or an empty directory */
/* A name of this many bytes in static storage, until the next call. */
const char *long_name(size_t len);

/* --- Attributes; a symlink is not followed --- */

/*
 * All attributes. They are asked for twice: what the kernel knows must be what the file system
 * itself says.
 */
struct statx st_of(const char *path);
mode_t mode_of(const char *path); /* with the type */
mode_t perm_of(const char *path); /* 07777 */
unsigned nlink_of(const char *path);
uint64_t ino_of(const char *path);
bool is_absent(const char *path);

enum {
    MTIME = 1,
    CTIME = 2,
};

/* Attributes, and wait until the clock has gone on, so that any later change shows. */
struct statx mark(const char *path);
/* Of mtime and ctime exactly `which` are later than in the mark. */
#define expect_changed(before, path, which)                                                        \
    posix_expect_changed((before), (path), (which), __FILE__, __LINE__)
void posix_expect_changed(const struct statx *before, const char *path, unsigned which,
                          const char *file, int line);
struct timespec time_of(const struct statx_timestamp *t);

#endif
