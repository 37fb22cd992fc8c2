/*
 * Extended attributes: setting, getting, listing and removing, the flags, the namespaces, the
 * limits. ACLs, which are attributes too, have a group of their own.
 */
#include "posix/lib/posix.h"

#include <limits.h>
#include <sys/xattr.h>

static void expect_attr(const char *path, const char *name, const char *value)
{
    char buf[8192];
    long len = must(lgetxattr(path, name, buf, sizeof(buf) - 1));

    buf[len] = 0;
    expect_text(value, buf);
}

static int set(const char *path, const char *name, const char *value, int flags)
{
    return lsetxattr(path, name, value, strlen(value), flags);
}

/* Whether the list of names has this one exactly once. */
static bool lists(const char *path, const char *name)
{
    char buf[65536];
    long len = must(llistxattr(path, buf, sizeof(buf)));
    int found = 0;

    for (long at = 0; at < len; at += (long)strlen(buf + at) + 1)
        found += strcmp(buf + at, name) == 0;
    expect(found <= 1);
    return found == 1;
}

static void a_value_is_set_changed_and_removed(void **state)
{
    char buf[8];

    (void)state;
    make_file("f", "");
    must(set("f", "user.a", "one", 0));
    expect_attr("f", "user.a", "one");
    must(set("f", "user.a", "a longer one", 0));
    expect_attr("f", "user.a", "a longer one");
    must(set("f", "user.a", "", 0));
    expect_attr("f", "user.a", "");
    expect(lists("f", "user.a"));
    must(removexattr("f", "user.a"));
    must_fail(ENODATA, getxattr("f", "user.a", buf, sizeof(buf)));
    must_fail(ENODATA, removexattr("f", "user.a"));
    expect(!lists("f", "user.a"));
}

static void the_flags_ask_for_a_new_or_an_old_one(void **state)
{
    (void)state;
    make_file("f", "");
    must_fail(ENODATA, set("f", "user.a", "1", XATTR_REPLACE));
    must(set("f", "user.a", "1", XATTR_CREATE));
    must_fail(EEXIST, set("f", "user.a", "2", XATTR_CREATE));
    expect_attr("f", "user.a", "1");
    must(set("f", "user.a", "2", XATTR_REPLACE));
    expect_attr("f", "user.a", "2");
    must_fail(EINVAL, set("f", "user.a", "3", 4));
}

static void any_bytes_make_a_value(void **state)
{
    unsigned char value[256], found[256];

    (void)state;
    make_file("f", "");
    for (int i = 0; i < 256; i++)
        value[i] = (unsigned char)i;
    must(setxattr("f", "user.a", value, sizeof(value), 0));
    expect_eq(256, getxattr("f", "user.a", found, sizeof(found)));
    expect(memcmp(value, found, sizeof(value)) == 0);
}

static void a_length_of_0_asks_for_the_length(void **state)
{
    char buf[64];

    (void)state;
    make_file("f", "");
    must(set("f", "user.a", "12345", 0));
    expect_eq(5, getxattr("f", "user.a", NULL, 0));
    must_fail(ERANGE, getxattr("f", "user.a", buf, 4));
    must_fail(ERANGE, getxattr("f", "user.a", buf, 1));
    expect_eq(5, getxattr("f", "user.a", buf, 5));
    must(set("f", "user.bcd", "", 0));
    expect(must(listxattr("f", NULL, 0)) >= 16);
    must_fail(ERANGE, listxattr("f", buf, 3));
}

static void the_list_has_every_name_once(void **state)
{
    char name[32];

    (void)state;
    make_file("f", "");
    expect(!lists("f", "user.0"));
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "user.%d", i);
        must(set("f", name, name, 0));
    }
    for (int i = 0; i < 40; i += 2) {
        snprintf(name, sizeof(name), "user.%d", i);
        must(removexattr("f", name));
    }
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "user.%d", i);
        expect_eq(i % 2, lists("f", name));
        if (i % 2)
            expect_attr("f", name, name);
    }
}

static void names_have_1_to_255_bytes_and_are_told_apart(void **state)
{
    char name[512] = "user.";

    (void)state;
    make_file("f", "");
    memset(name + 5, 'n', 250);
    name[255] = 0;
    must(set("f", name, "long", 0));
    expect_attr("f", name, "long");
    name[254] = 'x';
    must_fail(ENODATA, getxattr("f", name, NULL, 0));
    name[255] = 'n';
    name[256] = 0;
    must_fail(ERANGE, set("f", name, "longer", 0));
    must_fail(ERANGE, getxattr("f", name, NULL, 0));
    must_fail(ERANGE, removexattr("f", name));
    must_fail(ERANGE, set("f", "", "1", 0));
    must_fail(EINVAL, set("f", "user.", "1", 0));
    must(set("f", "user.A", "A", 0));
    must(set("f", "user.a", "a", 0));
    must(set("f", "user.\xff \n", "odd", 0));
    expect_attr("f", "user.A", "A");
    expect_attr("f", "user.a", "a");
    expect_attr("f", "user.\xff \n", "odd");
}

static void unknown_namespaces_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must_fail(EOPNOTSUPP, set("f", "nonsense.a", "1", 0));
    must_fail(EOPNOTSUPP, set("f", "user", "1", 0));
    must_fail(EOPNOTSUPP, set("f", "a", "1", 0));
    must_fail(EOPNOTSUPP, getxattr("f", "nonsense.a", NULL, 0));
    must_fail(EOPNOTSUPP, removexattr("f", "nonsense.a"));
    must_fail(EOPNOTSUPP, set("f", "system.nonsense", "1", 0));
    must_fail(EOPNOTSUPP, set("f", "USER.a", "1", 0));
}

static void user_attributes_are_for_files_and_directories(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("x", k->type);
        if (k->type == S_IFREG || k->type == S_IFDIR) {
            must(set("x", "user.a", "1", 0));
            expect_attr("x", "user.a", "1");
        } else {
            must_fail(EPERM, set("x", "user.a", "1", 0));
            must_fail(ENODATA, lgetxattr("x", "user.a", NULL, 0));
            must_fail(EPERM, lremovexattr("x", "user.a"));
        }
        remove_any("x");
    }
}

static void trusted_attributes_are_for_root(void **state)
{
    (void)state;
    need_root();
    EACH_KIND(k)
    {
        make("x", k->type);
        must(set("x", "trusted.a", "secret", 0));
        expect_attr("x", "trusted.a", "secret");
        expect(lists("x", "trusted.a"));
        must(lchown("x", UID_OWNER, GID_OWNER));
        become(UID_OWNER, GID_OWNER);
        must_fail(ENODATA, lgetxattr("x", "trusted.a", NULL, 0));
        must_fail(EPERM, set("x", "trusted.a", "2", 0));
        must_fail(EPERM, lremovexattr("x", "trusted.a"));
        expect(!lists("x", "trusted.a"));
        become_self();
        must(lremovexattr("x", "trusted.a"));
        remove_any("x");
    }
}

static void symlinks_are_followed_unless_told_otherwise(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    must(symlink("f", "l"));
    must(setxattr("l", "user.a", "1", 1, 0));
    expect_attr("f", "user.a", "1");
    must_fail(EPERM, lsetxattr("l", "user.a", "1", 1, 0));
    expect_eq(1, getxattr("l", "user.a", NULL, 0));
    must(removexattr("l", "user.a"));
    fd = must(open("f", O_RDONLY));
    must(fsetxattr(fd, "user.b", "2", 1, 0));
    expect_attr("f", "user.b", "2");
    must(unlink("f"));
    expect_eq(1, fgetxattr(fd, "user.b", NULL, 0));
    must(fsetxattr(fd, "user.c", "3", 1, 0));
    must(fremovexattr(fd, "user.b"));
    expect_eq(strlen("user.c") + 1, flistxattr(fd, NULL, 0));
    must(close(fd));
}

static void setting_and_removing_change_the_ctime(void **state)
{
    struct statx was;

    (void)state;
    make_file("f", "");
    was = mark("f");
    must(set("f", "user.a", "1", 0));
    expect_changed(&was, "f", CTIME);
    was = mark("f");
    must(removexattr("f", "user.a"));
    expect_changed(&was, "f", CTIME);
    was = mark("f");
    must_fail(ENODATA, removexattr("f", "user.a"));
    must_fail(ENODATA, getxattr("f", "user.a", NULL, 0));
    expect_changed(&was, "f", 0);
}

static void attributes_go_with_the_inode(void **state)
{
    (void)state;
    make_file("f", "");
    must(set("f", "user.a", "1", 0));
    must(link("f", "g"));
    must(rename("f", "h"));
    expect_attr("g", "user.a", "1");
    expect_attr("h", "user.a", "1");
    make_file("f", "");
    must_fail(ENODATA, getxattr("f", "user.a", NULL, 0));
    make_dir("d");
    must(set("d", "user.a", "1", 0));
    make_file("d/f", "");
    must_fail(ENODATA, getxattr("d/f", "user.a", NULL, 0));
}

static void large_values(void **state)
{
    static char value[65536 + 1], found[65536];
    size_t ext4_fits = 3000;

    (void)state;
    memset(value, 'v', sizeof(value));
    make_file("f", "");
    must(setxattr("f", "user.a", value, ext4_fits, 0));
    expect_eq(ext4_fits, getxattr("f", "user.a", found, sizeof(found)));
    if (deviates("extended attributes")) {
        must(setxattr("f", "user.a", value, XATTR_SIZE_MAX, 0));
        expect_eq(XATTR_SIZE_MAX, getxattr("f", "user.a", found, sizeof(found)));
        expect(memcmp(value, found, XATTR_SIZE_MAX) == 0);
    }
    must_fail(E2BIG, setxattr("f", "user.b", value, XATTR_SIZE_MAX + 1, 0));
}

static void owners_without_write_permission_set_nothing(void **state)
{
    (void)state;
    make_file("f", "");
    must(set("f", "user.a", "1", 0));
    if (is_root()) {
        must(chown("f", UID_OWNER, GID_OWNER));
        must(chmod("f", 0444));
        become(UID_OWNER, GID_OWNER);
    } else {
        must(chmod("f", 0444));
    }
    must_fail(EACCES, set("f", "user.a", "2", 0));
    must_fail(EACCES, removexattr("f", "user.a"));
    expect_attr("f", "user.a", "1");
    must(chmod("f", 0200));
    must_fail(EACCES, getxattr("f", "user.a", NULL, 0));
    must(set("f", "user.a", "2", 0));
    /* Listing needs no rights. */
    expect(lists("f", "user.a"));
}

static void in_a_sticky_directory_only_its_owner_sets_its_attributes(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    must(chown("d", UID_OWNER, GID_OWNER));
    must(chmod("d", 01777));
    become(UID_OTHER, GID_OTHER);
    must_fail(EPERM, set("d", "user.a", "1", 0));
    become(UID_OWNER, GID_OWNER);
    must(set("d", "user.a", "1", 0));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, set("missing", "user.a", "1", 0));
    must_fail(ENOENT, getxattr("missing", "user.a", NULL, 0));
    must_fail(ENOENT, listxattr("missing", NULL, 0));
    must_fail(ENOTDIR, set("f/x", "user.a", "1", 0));
    must_fail(ELOOP, getxattr("loop", "user.a", NULL, 0));
    must_fail(ENAMETOOLONG, getxattr(long_name(256), "user.a", NULL, 0));
    must_fail(EBADF, fgetxattr(-1, "user.a", NULL, 0));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_value_is_set_changed_and_removed),
    POSIX_TEST(the_flags_ask_for_a_new_or_an_old_one),
    POSIX_TEST(any_bytes_make_a_value),
    POSIX_TEST(a_length_of_0_asks_for_the_length),
    POSIX_TEST(the_list_has_every_name_once),
    POSIX_TEST(names_have_1_to_255_bytes_and_are_told_apart),
    POSIX_TEST(unknown_namespaces_are_refused),
    POSIX_TEST(user_attributes_are_for_files_and_directories),
    POSIX_TEST(trusted_attributes_are_for_root),
    POSIX_TEST(symlinks_are_followed_unless_told_otherwise),
    POSIX_TEST(setting_and_removing_change_the_ctime),
    POSIX_TEST(attributes_go_with_the_inode),
    POSIX_TEST(large_values),
    POSIX_TEST(owners_without_write_permission_set_nothing),
    POSIX_TEST(in_a_sticky_directory_only_its_owner_sets_its_attributes),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
};

POSIX_MAIN("xattr", tests)
