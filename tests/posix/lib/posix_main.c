/*
 * Running a group: a directory for each test, expectations, and deviations.
 *
 * The environment variable POSIX_DEVIATIONS names the file with the table of what differs from
 * ext4. It is set when the mount is tested, and not when the host's file system is.
 *
 * A test that fails leaves its function by a jump, so all that must be undone is undone by
 * posix_teardown: user, umask, working directory. In a child there is nowhere to jump to.
 */
#include "posix/lib/posix.h"

#include <sys/utsname.h>

#include "posix/lib/posix_impl.h"

static int base_fd = -1; /* the directory to test */
bool posix_is_child;

int posix_setup(void **state)
{
    const char *name = *state;

    umask(0);
    if (fchdir(base_fd) != 0 || mkdir(name, 0755) != 0 || chdir(name) != 0) {
        print_error("%s: %s\n", name, strerror(errno));
        return -1;
    }
    return 0;
}

int posix_teardown(void **state)
{
    (void)state;
    become_self();
    umask(0);
    return fchdir(base_fd);
}

int posix_main(const char *group, const struct CMUnitTest *tests, size_t count, int argc,
               char **argv)
{
    if (argc == 2 && strcmp(argv[1], POSIX_WAIT) == 0) {
        char byte;

        return read(0, &byte, 1) == 0 ? 0 : 1;
    }
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: posix_%s DIR [PATTERN]\n", group);
        return 2;
    }
    base_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd < 0) {
        perror(argv[1]);
        return 2;
    }
    if (argc == 3)
        cmocka_set_test_filter(argv[2]);
    users_init();
    return _cmocka_run_group_tests(group, tests, count, NULL, NULL) == 0 ? 0 : 1;
}

void posix_skip(const char *why)
{
    print_message("skipped: %s\n", why);
    skip();
}

void need_root(void)
{
    if (!is_root())
        posix_skip("needs root");
}

void need_kernel(int major, int minor)
{
    struct utsname name;
    int has_major = 0, has_minor = 0;

    uname(&name);
    if (sscanf(name.release, "%d.%d", &has_major, &has_minor) != 2 || has_major < major ||
        (has_major == major && has_minor < minor))
        posix_skip("needs a newer kernel");
}

/* Whether the first cell of the row has these words. */
static bool row_is_about(const char *line, const char *what)
{
    const char *end = strncmp(line, "| ", 2) == 0 ? strstr(line + 2, " | ") : NULL;
    const char *found = strstr(line, what);

    return end && found && found + strlen(what) <= end;
}

bool deviates(const char *what)
{
    const char *path = getenv("POSIX_DEVIATIONS");
    char line[4096];
    bool in_section = false, found = false;
    FILE *f;

    if (!path)
        return false;
    f = fopen(path, "re");
    if (!f) {
        print_error("%s: %s\n", path, strerror(errno));
        posix_fail(__FILE__, __LINE__);
    }
    while (!found && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "## ", 3) == 0)
            in_section = strcmp(line, "## What differs from ext4\n") == 0;
        found = in_section && row_is_about(line, what);
    }
    fclose(f);
    if (!found) {
        print_error("'%s' is not among what differs from ext4 in %s\n", what, path);
        posix_fail(__FILE__, __LINE__);
    }
    return true;
}

void posix_fail(const char *file, int line)
{
    if (posix_is_child) {
        fprintf(stderr, "%s:%d: failed in a child\n", file, line);
        _exit(1);
    }
    _fail(file, line);
    abort();
}

static const char *errno_name(int err)
{
    const char *name = strerrorname_np(err);

    return name ? name : "?";
}

int posix_must(long result, const char *call, const char *file, int line)
{
    int err = errno;

    if (result == -1) {
        print_error("%s: %s (%s)\n", call, errno_name(err), strerror(err));
        posix_fail(file, line);
    }
    return (int)result;
}

void posix_must_fail(int err, long result, const char *call, const char *file, int line)
{
    int found = errno;

    if (result == -1 && found == err)
        return;
    if (result == -1)
        print_error("%s: expected %s, found %s\n", call, errno_name(err), errno_name(found));
    else
        print_error("%s: expected %s, but it succeeded: %ld\n", call, errno_name(err), result);
    posix_fail(file, line);
}

void posix_expect(bool ok, const char *condition, const char *file, int line)
{
    if (ok)
        return;
    print_error("not true: %s\n", condition);
    posix_fail(file, line);
}

void posix_expect_eq(long long expected, long long found, const char *what, const char *file,
                     int line)
{
    if (expected == found)
        return;
    print_error("%s: expected %lld (0%llo), found %lld (0%llo)\n", what, expected,
                (unsigned long long)expected, found, (unsigned long long)found);
    posix_fail(file, line);
}

void posix_expect_text(const char *expected, const char *found, const char *what, const char *file,
                       int line)
{
    if (strcmp(expected, found) == 0)
        return;
    print_error("%s: expected \"%s\", found \"%s\"\n", what, expected, found);
    posix_fail(file, line);
}
