/*
 * Who may rename: writing and searching both directories, sticky directories, and a directory that
 * gets another parent.
 */
#include "posix/lib/posix.h"

/* A directory with this mode of this user, with a file and a directory of theirs or another's. */
static void make_shared(const char *path, mode_t mode, uid_t dir_owner, uid_t owner)
{
    char name[64];

    make_dir(path);
    snprintf(name, sizeof(name), "%s/f", path);
    make_file(name, path);
    must(chown(name, owner, GID_OWNER));
    snprintf(name, sizeof(name), "%s/d", path);
    make_dir(name);
    must(chown(name, owner, GID_OWNER));
    must(chown(path, dir_owner, GID_OWNER));
    must(chmod(path, mode));
}

static void both_directories_must_be_writable(void **state)
{
    (void)state;
    need_root();
    make_shared("open", 0777, 0, UID_OWNER);
    make_shared("closed", 0755, 0, UID_OWNER);
    make_shared("dark", 0766, 0, UID_OWNER);
    become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, rename("closed/f", "open/x"));
    must_fail(EACCES, rename("open/f", "closed/x"));
    must_fail(EACCES, rename("open/f", "closed/f"));
    must_fail(EACCES, rename("closed/f", "closed/x"));
    must_fail(EACCES, rename("open/f", "dark/x"));
    must_fail(EACCES, rename("dark/f", "open/x"));
    must_fail(EACCES, rename("dark/missing", "open/x"));
    must_fail(EACCES, renameat2(AT_FDCWD, "open/f", AT_FDCWD, "closed/f", RENAME_EXCHANGE));
    must_fail(EACCES, renameat2(AT_FDCWD, "closed/f", AT_FDCWD, "open/f", RENAME_EXCHANGE));
    must_fail(ENOENT, rename("closed/missing", "open/x"));
    must(rename("open/f", "open/x"));
}

static void the_file_itself_needs_no_rights(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    must(chmod("d/f", 0));
    make_file("d/g", "");
    must(chmod("d/g", 0));
    must(chown("d", UID_OWNER, GID_OWNER));
    become(UID_OWNER, GID_OWNER);
    must(rename("d/f", "d/g"));
    expect(is_absent("d/f"));
}

static void in_a_sticky_directory_only_owners_rename(void **state)
{
    (void)state;
    need_root();
    make_shared("sticky", 01777, UID_THIRD, UID_OWNER);
    make_shared("open", 0777, UID_THIRD, UID_OTHER);
    become(UID_OTHER, GID_OTHER);
    must_fail(EPERM, rename("sticky/f", "sticky/x"));
    must_fail(EPERM, rename("sticky/d", "sticky/x"));
    must_fail(EPERM, rename("sticky/f", "open/x"));
    become(UID_OWNER, GID_OWNER);
    must(rename("sticky/f", "sticky/x"));
    must(rename("sticky/d", "open/moved"));
    become(UID_THIRD, GID_THIRD);
    must(rename("sticky/x", "open/x"));
    become_self();
    make_file("sticky/root", "");
    must(rename("sticky/root", "sticky/r"));
}

static void in_a_sticky_directory_only_owners_are_replaced(void **state)
{
    (void)state;
    need_root();
    make_shared("sticky", 01777, UID_THIRD, UID_OWNER);
    make_shared("open", 0777, UID_THIRD, UID_OTHER);
    become(UID_OTHER, GID_OTHER);
    make_file("sticky/mine", "");
    must_fail(EPERM, rename("open/f", "sticky/f"));
    must_fail(EPERM, rename("sticky/mine", "sticky/f"));
    must_fail(EPERM, rename("open/d", "sticky/d"));
    must(rename("open/f", "sticky/mine"));
    must(rename("open/d", "sticky/dir"));
    become(UID_THIRD, GID_THIRD);
    make_file("open/third", "third");
    must(rename("open/third", "sticky/f"));
    expect_contents("sticky/f", "third");
}

static void exchange_counts_both_as_removed(void **state)
{
    (void)state;
    need_root();
    make_shared("sticky", 01777, UID_THIRD, UID_OWNER);
    become(UID_OTHER, GID_OTHER);
    make_file("sticky/mine", "");
    make_file("sticky/mine2", "2");
    must_fail(EPERM, renameat2(AT_FDCWD, "sticky/mine", AT_FDCWD, "sticky/f", RENAME_EXCHANGE));
    must_fail(EPERM, renameat2(AT_FDCWD, "sticky/f", AT_FDCWD, "sticky/mine", RENAME_EXCHANGE));
    must(renameat2(AT_FDCWD, "sticky/mine", AT_FDCWD, "sticky/mine2", RENAME_EXCHANGE));
    expect_contents("sticky/mine", "2");
}

static void a_directory_that_gets_another_parent_must_be_writable(void **state)
{
    (void)state;
    need_root();
    make_shared("from", 0777, 0, UID_OTHER);
    make_shared("to", 0777, 0, UID_OTHER);
    become(UID_OWNER, GID_OTHER);
    must_fail(EACCES, rename("from/d", "to/x"));
    must_fail(EACCES, rename("from/d", "to/d"));
    must_fail(EACCES, renameat2(AT_FDCWD, "from/f", AT_FDCWD, "to/d", RENAME_EXCHANGE));
    must_fail(EACCES, renameat2(AT_FDCWD, "from/d", AT_FDCWD, "to/f", RENAME_EXCHANGE));
    must(rename("from/d", "from/e"));
    become_self();
    must(chmod("from/e", 0757));
    become(UID_OWNER, GID_OTHER);
    must(rename("from/e", "to/x"));
    expect_eq(ino_of("to"), ino_of("to/x/.."));
}

static void ones_own_directory_without_write_permission_stays_with_its_parent(void **state)
{
    (void)state;
    make_dir("from");
    make_dir("to");
    must(chmod("from", 0777));
    must(chmod("to", 0777));
    if (is_root())
        become(UID_OWNER, GID_OWNER);
    must(mkdir("from/d", 0555));
    must_fail(EACCES, rename("from/d", "to/d"));
    must(rename("from/d", "from/e"));
    must(chmod("from/e", 0755));
    must(rename("from/e", "to/e"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(both_directories_must_be_writable),
    POSIX_TEST(the_file_itself_needs_no_rights),
    POSIX_TEST(in_a_sticky_directory_only_owners_rename),
    POSIX_TEST(in_a_sticky_directory_only_owners_are_replaced),
    POSIX_TEST(exchange_counts_both_as_removed),
    POSIX_TEST(a_directory_that_gets_another_parent_must_be_writable),
    POSIX_TEST(ones_own_directory_without_write_permission_stays_with_its_parent),
};

POSIX_MAIN("rename_rights", tests)
