/*
 * What clears the set-id bits: changing the owner, and changing the contents by anybody but root.
 */
#include "posix/lib/posix.h"

#include <sys/mman.h>
#include <sys/xattr.h>

/* A file of UID_OWNER and GID_OWNER, which everybody may write, with some contents. */
static void make_setid(mode_t mode)
{
    make_file("f", "0123456789");
    must(chown("f", UID_OWNER, GID_OWNER));
    must(chmod("f", mode));
    expect_eq(mode, perm_of("f"));
}

static int open_rw(void)
{
    return must(open("f", O_RDWR | O_CLOEXEC));
}

static void by_write(void)
{
    int fd = open_rw();

    expect_eq(1, write(fd, "x", 1));
    must(close(fd));
}

static void by_pwrite_at_the_end(void)
{
    int fd = open_rw();

    expect_eq(1, pwrite(fd, "x", 1, 10));
    must(close(fd));
}

static void by_truncate(void)
{
    must(truncate("f", 3));
}

static void by_truncate_to_the_same_length(void)
{
    must(truncate("f", 10));
}

static void by_ftruncate(void)
{
    int fd = open_rw();

    must(ftruncate(fd, 20));
    must(close(fd));
}

static void by_open(void)
{
    must(close(must(open("f", O_WRONLY | O_TRUNC))));
}

static void by_fallocate(void)
{
    int fd = open_rw();

    must(fallocate(fd, 0, 0, 100));
    must(close(fd));
}

static void by_punching(void)
{
    int fd = open_rw();

    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5));
    must(close(fd));
}

static void by_direct_write(void)
{
    static _Alignas(4096) char page[4096];
    int fd = open_rw();

    if (fcntl(fd, F_SETFL, O_DIRECT) == 0)
        expect_eq(sizeof(page), pwrite(fd, page, sizeof(page), 0));
    else
        expect_eq(1, pwrite(fd, page, 1, 0));
    must(close(fd));
}

static void by_copying(void)
{
    int fd = open_rw();
    off_t from = 0, to = 5;

    expect_eq(3, copy_file_range(fd, &from, fd, &to, 3, 0));
    must(close(fd));
}

/* From the second on, the kernel may know that there is nothing to take. */
static void by_many_writes(void)
{
    int fd = open_rw();

    for (int i = 0; i < 3; i++)
        expect_eq(1, write(fd, "x", 1));
    must(close(fd));
}

static const struct way {
    const char *name;
    void (*change)(void);
} ways[] = {
    {"write", by_write},
    {"pwrite at the end", by_pwrite_at_the_end},
    {"truncate", by_truncate},
    {"truncate to the same length", by_truncate_to_the_same_length},
    {"ftruncate", by_ftruncate},
    {"open with O_TRUNC", by_open},
    {"fallocate", by_fallocate},
    {"punching a hole", by_punching},
    {"write past the cache", by_direct_write},
    {"copy_file_range", by_copying},
    {"many writes", by_many_writes},
    {NULL, NULL},
};

/* What becomes of the mode of a file that the user changes in each way. */
static void expect_after_each(uid_t uid, gid_t gid, mode_t before, mode_t after)
{
    for (const struct way *w = ways; w->name; w++) {
        mode_t found;

        make_setid(before);
        if (uid)
            become(uid, gid);
        w->change();
        become_self();
        found = perm_of("f");
        if (found != after)
            print_error("by %s, uid %u:\n", w->name, (unsigned)uid);
        expect_eq(after, found);
        must(unlink("f"));
    }
}

static void changed_contents_take_them_from_programs(void **state)
{
    (void)state;
    need_root();
    expect_after_each(UID_OTHER, GID_OTHER, 06777, 0777);
    expect_after_each(UID_OTHER, GID_OTHER, 04777, 0777);
    expect_after_each(UID_OTHER, GID_OTHER, 02777, 0777);
    expect_after_each(UID_OWNER, GID_OWNER, 06777, 0777);
    expect_after_each(UID_OTHER, GID_OTHER, 07777, 01777);
}

static void setuid_goes_without_any_x_as_well(void **state)
{
    (void)state;
    need_root();
    expect_after_each(UID_OTHER, GID_OTHER, 04666, 0666);
    expect_after_each(UID_OWNER, GID_OWNER, 04666, 0666);
}

static void setgid_without_group_x_stays_with_members(void **state)
{
    (void)state;
    need_root();
    expect_after_each(UID_OTHER, GID_OWNER, 02666, 02666);
    expect_after_each(UID_OTHER, GID_OWNER, 02767, 02767);
}

static void root_keeps_them(void **state)
{
    (void)state;
    need_root();
    expect_after_each(0, 0, 06777, 06777);
    expect_after_each(0, 0, 02666, 02666);
}

static void ones_own_program_loses_them_when_written(void **state)
{
    (void)state;
    if (is_root())
        posix_skip("for an ordinary user");
    make_file("f", "0123456789");
    must(chmod("f", 06755));
    expect_eq(06755, perm_of("f"));
    by_write();
    expect_eq(0755, perm_of("f"));
}

/* Once the kernel knows a file to have none, it must notice when there are some. */
static void bits_set_between_writes_go_with_the_next(void **state)
{
    int fd;

    (void)state;
    need_root();
    make_setid(0777);
    fd = open_rw();
    for (int i = 0; i < 3; i++) {
        become(UID_OTHER, GID_OTHER);
        expect_eq(1, write(fd, "x", 1));
        expect_eq(1, write(fd, "x", 1));
        become_self();
        must(fchmod(fd, 06777));
        become(UID_OTHER, GID_OTHER);
        expect_eq(1, write(fd, "x", 1));
        become_self();
        expect_eq(0777, perm_of("f"));
    }
    must(close(fd));
}

/* security.capability, revision 2; permitted: CAP_NET_BIND_SERVICE. */
static const unsigned char cap[20] = {0, 0, 0, 2, 0, 4};

static void capabilities_set_between_writes_go_with_the_next(void **state)
{
    unsigned char found[20];
    int fd;

    (void)state;
    need_root();
    make_setid(0777);
    fd = open_rw();
    for (int i = 0; i < 3; i++) {
        expect_eq(1, write(fd, "x", 1));
        must(fsetxattr(fd, "security.capability", cap, sizeof(cap), 0));
        expect_eq(sizeof(cap), fgetxattr(fd, "security.capability", found, sizeof(found)));
        if (i == 1)
            become(UID_OTHER, GID_OTHER);
        expect_eq(1, write(fd, "x", 1));
        become_self();
        must_fail(ENODATA, fgetxattr(fd, "security.capability", found, sizeof(found)));
    }
    must(close(fd));
}

/* Root may keep set-id bits, but capabilities go whoever writes. */
static void root_keeps_them_where_capabilities_go(void **state)
{
    (void)state;
    need_root();
    for (const struct way *w = ways; w->name; w++) {
        make_setid(06777);
        must(setxattr("f", "security.capability", cap, sizeof(cap), 0));
        w->change();
        must_fail(ENODATA, getxattr("f", "security.capability", NULL, 0));
        if (perm_of("f") != 06777)
            print_error("by %s:\n", w->name);
        expect_eq(06777, perm_of("f"));
        must(unlink("f"));
    }
}

static void reading_and_renaming_leave_them(void **state)
{
    char c;
    int fd;

    (void)state;
    need_root();
    make_setid(06777);
    must(chmod(".", 0777));
    become(UID_OTHER, GID_OTHER);
    fd = must(open("f", O_RDWR));
    expect_eq(1, read(fd, &c, 1));
    expect_eq(0, write(fd, "", 0));
    must(close(fd));
    must(utimensat(AT_FDCWD, "f", NULL, 0));
    must(setxattr("f", "user.a", "1", 1, 0));
    must(rename("f", "g"));
    expect_eq(06777, perm_of("g"));
}

static void a_new_owner_takes_them(void **state)
{
    static const struct {
        mode_t before, after;
    } rows[] = {
        {06777, 0777}, {04777, 0777}, {02777, 0777}, {04666, 0666}, {02666, 02666}, {07711, 01711},
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_setid(rows[i].before);
        must(chown("f", UID_OTHER, (gid_t)-1));
        expect_eq(rows[i].after, perm_of("f"));
        must(chmod("f", rows[i].before));
        must(chown("f", (uid_t)-1, GID_OTHER));
        expect_eq(rows[i].after, perm_of("f"));
        must(chmod("f", rows[i].before));
        must(chown("f", UID_OTHER, GID_OTHER));
        expect_eq(rows[i].after, perm_of("f"));
        must(unlink("f"));
    }
}

static void the_owner_who_gives_it_to_another_group_loses_them(void **state)
{
    const gid_t groups[] = {GID_OTHER};

    (void)state;
    need_root();
    make_setid(06777);
    become_with(UID_OWNER, GID_OWNER, groups, 1);
    must(chown("f", (uid_t)-1, GID_OTHER));
    expect_eq(0777, perm_of("f"));
    must(chmod("f", 06777));
    must(chown("f", (uid_t)-1, (gid_t)-1));
    expect_eq(0777, perm_of("f"));
}

static void directories_keep_them(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    must(chmod("d", 06777));
    must(chown("d", UID_OWNER, GID_OWNER));
    expect_eq(06777, perm_of("d"));
    become(UID_OTHER, GID_OTHER);
    make_file("d/x", "");
    expect_eq(06777, perm_of("d"));
}

static void writing_through_a_map_leaves_them(void **state)
{
    char *map;
    int fd;

    (void)state;
    need_root();
    make_setid(04777);
    become(UID_OTHER, GID_OTHER);
    fd = open_rw();
    map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(map != MAP_FAILED);
    map[0] = 'x';
    must(msync(map, 10, MS_SYNC));
    must(munmap(map, 10));
    must(close(fd));
    expect_contents("f", "x123456789");
    expect_eq(04777, perm_of("f"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(changed_contents_take_them_from_programs),
    POSIX_TEST(setuid_goes_without_any_x_as_well),
    POSIX_TEST(setgid_without_group_x_stays_with_members),
    POSIX_TEST(root_keeps_them),
    POSIX_TEST(ones_own_program_loses_them_when_written),
    POSIX_TEST(bits_set_between_writes_go_with_the_next),
    POSIX_TEST(capabilities_set_between_writes_go_with_the_next),
    POSIX_TEST(root_keeps_them_where_capabilities_go),
    POSIX_TEST(reading_and_renaming_leave_them),
    POSIX_TEST(a_new_owner_takes_them),
    POSIX_TEST(the_owner_who_gives_it_to_another_group_loses_them),
    POSIX_TEST(directories_keep_them),
    POSIX_TEST(writing_through_a_map_leaves_them),
};

POSIX_MAIN("setid", tests)
