/*
 * Three users who share a tree: what each may do to what is another's. The daemon of the mount runs
 * as a fourth.
 */
#include <sys/xattr.h>

#include "posix/lib/posix.h"

enum {
    USER_COUNT = 3,
    GID_SHARED = 2001,
};

static const uid_t users[USER_COUNT] = {1001, 1002, 1003};

/* All three are in the shared group; the first group of each has the user's number. */
static void act_as(uid_t uid)
{
    const gid_t groups[] = {GID_SHARED};

    become_with(uid, uid, groups, 1);
}

static void make_of(const char *path, uid_t owner, mode_t mode)
{
    become_self();
    make_file(path, "x");
    must(chown(path, owner, owner));
    must(chmod(path, mode));
}

static void make_dir_of(const char *path, uid_t owner, mode_t mode)
{
    become_self();
    make_dir(path);
    must(chown(path, owner, GID_SHARED));
    must(chmod(path, mode));
}

/* Value of a sysctl in /proc/sys/fs; 0 where the kernel has none. */
static int protection(const char *name)
{
    char path[64];
    int value = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
    f = fopen(path, "r");
    if (!f)
        return 0;
    expect(fscanf(f, "%d", &value) == 1);
    fclose(f);
    return value;
}

/* Close what the call has opened, or pass -1 on with its errno. */
static int opened(int fd)
{
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void what_is_made_belongs_to_its_maker(void **state)
{
    (void)state;
    need_root();
    make_dir_of("plain", users[0], 0777);
    make_dir_of("setgid", users[0], 02777);
    for (unsigned i = 0; i < USER_COUNT; i++) {
        char path[64];
        struct statx st;

        act_as(users[i]);
        snprintf(path, sizeof(path), "plain/%u", users[i]);
        make_file(path, "");
        st = st_of(path);
        expect_eq(users[i], st.stx_uid);
        expect_eq(users[i], st.stx_gid);
        snprintf(path, sizeof(path), "setgid/%u", users[i]);
        must(mkdir(path, 0755));
        st = st_of(path);
        expect_eq(users[i], st.stx_uid);
        expect_eq(GID_SHARED, st.stx_gid);
        expect_eq(02755, perm_of(path));
        snprintf(path, sizeof(path), "setgid/%u/f", users[i]);
        make_file(path, "");
        st = st_of(path);
        expect_eq(users[i], st.stx_uid);
        expect_eq(GID_SHARED, st.stx_gid);
    }
}

/* Who is not in the group of a set-group-id directory makes programs there without the bit. */
static void the_group_of_a_directory_lends_nobody_its_rights(void **state)
{
    (void)state;
    need_root();
    make_dir_of("d", users[0], 02777);
    become(users[1], users[1]);
    must(opened(open("d/f", O_WRONLY | O_CREAT | O_EXCL, 02755)));
    expect_eq(GID_SHARED, st_of("d/f").stx_gid);
    expect_eq(0755, perm_of("d/f"));
    act_as(users[1]);
    must(opened(open("d/g", O_WRONLY | O_CREAT | O_EXCL, 02755)));
    expect_eq(02755, perm_of("d/g"));
}

/* All owners of a sticky directory, of what is in it, and all who try. */
static void a_sticky_directory_protects_each_from_the_others(void **state)
{
    (void)state;
    need_root();
    for (unsigned n = 0; n < USER_COUNT * USER_COUNT * USER_COUNT; n++) {
        uid_t dir_owner = users[n / 9], owner = users[n / 3 % 3], actor = users[n % 3];
        bool may = actor == dir_owner || actor == owner;
        char d[32], f[64], sub[64], mine[64], away[64];

        snprintf(d, sizeof(d), "d%u", n);
        snprintf(f, sizeof(f), "%s/f", d);
        snprintf(sub, sizeof(sub), "%s/sub", d);
        snprintf(mine, sizeof(mine), "%s/mine", d);
        snprintf(away, sizeof(away), "away%u", n);
        make_dir_of(d, dir_owner, 01777);
        make_dir_of(away, actor, 0777);
        snprintf(away, sizeof(away), "away%u/x", n);
        make_of(f, owner, 0666);
        make_dir_of(sub, owner, 0777);
        make_of(mine, actor, 0644);
        act_as(actor);
        if (!may) {
            must_fail(EPERM, unlink(f));
            must_fail(EPERM, rmdir(sub));
            must_fail(EPERM, rename(f, away));
            must_fail(EPERM, rename(mine, f));
            must_fail(EPERM, renameat2(AT_FDCWD, mine, AT_FDCWD, f, RENAME_EXCHANGE));
            continue;
        }
        must(renameat2(AT_FDCWD, mine, AT_FDCWD, f, RENAME_EXCHANGE));
        must(rename(f, away));
        must(rename(mine, f));
        must(unlink(f));
        must(rmdir(sub));
    }
}

static void foreign_files_in_a_sticky_directory_are_not_created_again(void **state)
{
    bool regular = protection("protected_regular") >= 1,
         links = protection("protected_symlinks") >= 1;

    (void)state;
    need_root();
    make_dir_of("tmp", users[0], 01777);
    make_of("tmp/f", users[1], 0666);
    make_of("target", users[1], 0666);
    act_as(users[1]);
    must(symlink("../target", "tmp/link"));
    act_as(users[2]);
    if (regular)
        must_fail(EACCES, open("tmp/f", O_WRONLY | O_CREAT, 0666));
    else
        must(opened(open("tmp/f", O_WRONLY | O_CREAT, 0666)));
    must(opened(open("tmp/f", O_WRONLY)));
    if (links)
        must_fail(EACCES, open("tmp/link", O_RDONLY));
    else
        must(opened(open("tmp/link", O_RDONLY)));
    act_as(users[1]);
    must(opened(open("tmp/f", O_WRONLY | O_CREAT, 0666)));
    must(opened(open("tmp/link", O_RDONLY)));
}

static void links_to_foreign_files(void **state)
{
    static const struct {
        mode_t mode;
        int err; /* with protected_hardlinks */
    } cases[] = {{0666, 0},     {0644, EPERM},  {0622, EPERM},
                 {0600, EPERM}, {04777, EPERM}, {02777, EPERM}};
    bool guarded = protection("protected_hardlinks") >= 1;

    (void)state;
    need_root();
    make_dir_of("d", users[0], 0777);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[32], name[32];

        snprintf(path, sizeof(path), "f%u", i);
        snprintf(name, sizeof(name), "d/%u", i);
        make_of(path, users[0], cases[i].mode);
        become(users[1], users[1]);
        if (guarded && cases[i].err)
            must_fail(cases[i].err, link(path, name));
        else
            must(link(path, name));
        act_as(users[0]); /* one's own, always */
        must(link(path, "d/own"));
        expect_eq(users[0], st_of("d/own").stx_uid);
        must(unlink("d/own"));
        expect_eq(guarded && cases[i].err ? 1 : 2, nlink_of(path));
    }
}

static void nobody_gives_away_or_takes(void **state)
{
    (void)state;
    need_root();
    make_of("f", users[0], 06777);
    act_as(users[0]);
    must_fail(EPERM, chown("f", users[1], (gid_t)-1));
    must_fail(EPERM, chown("f", (uid_t)-1, users[1]));
    must_fail(EPERM, chown("f", users[1], GID_SHARED));
    expect_eq(06777, perm_of("f"));
    must(chown("f", (uid_t)-1, GID_SHARED));
    expect_eq(0777, perm_of("f"));
    for (unsigned i = 1; i < USER_COUNT; i++) {
        act_as(users[i]);
        must_fail(EPERM, chown("f", users[i], (gid_t)-1));
        must_fail(EPERM, chown("f", (uid_t)-1, GID_SHARED));
        must_fail(EPERM, chmod("f", 0777));
        must_fail(EPERM, utimensat(AT_FDCWD, "f", (struct timespec[2]){{1, 0}, {1, 0}}, 0));
        must(utimensat(AT_FDCWD, "f", NULL, 0)); /* now: who may write may */
    }
    expect_eq(users[0], st_of("f").stx_uid);
    expect_eq(GID_SHARED, st_of("f").stx_gid);
}

static void a_foreign_writer_takes_set_id_bits(void **state)
{
    int fd;

    (void)state;
    need_root();
    make_of("f", users[0], 06777);
    act_as(users[1]);
    fd = must(open("f", O_WRONLY));
    expect_eq(1, write(fd, "y", 1));
    close(fd);
    expect_eq(0777, perm_of("f"));
    make_of("g", users[0], 06777);
    act_as(users[2]);
    must(truncate("g", 0));
    expect_eq(0777, perm_of("g"));
}

static void attributes_of_foreign_files(void **state)
{
    char value[8], list[64];

    (void)state;
    need_root();
    make_of("closed", users[0], 0600);
    make_of("read", users[0], 0644);
    make_of("open", users[0], 0666);
    make_dir_of("sticky", users[0], 01777);
    act_as(users[0]);
    must(setxattr("closed", "user.a", "1", 1, 0));
    must(setxattr("read", "user.a", "1", 1, 0));
    must(setxattr("sticky", "user.a", "1", 1, 0));
    act_as(users[1]);
    must_fail(EACCES, getxattr("closed", "user.a", value, sizeof(value)));
    must_fail(EACCES, setxattr("closed", "user.a", "2", 1, 0));
    expect_eq(7, listxattr("closed", list, sizeof(list)));
    expect_eq(1, getxattr("read", "user.a", value, sizeof(value)));
    must_fail(EACCES, setxattr("read", "user.a", "2", 1, 0));
    must_fail(EACCES, removexattr("read", "user.a"));
    must(setxattr("open", "user.b", "2", 1, XATTR_CREATE));
    must_fail(EPERM, setxattr("sticky", "user.a", "2", 1, 0));
    must_fail(EPERM, removexattr("sticky", "user.a"));
    must_fail(EPERM, setxattr("open", "trusted.a", "2", 1, 0));
    must_fail(ENODATA, getxattr("open", "trusted.a", value, sizeof(value)));
    must_fail(EPERM, setxattr("open", "security.a", "2", 1, 0));
    act_as(users[2]);
    expect_eq(1, getxattr("open", "user.b", value, sizeof(value)));
    expect(value[0] == '2');
    must(removexattr("open", "user.b"));
}

/* An ACL as getxattr(2) shows it: owner, one user, group, mask, others. */
static size_t acl_bytes(uint8_t *p, unsigned owner, uid_t uid, unsigned perm, unsigned group,
                        unsigned mask, unsigned others)
{
    const struct {
        unsigned tag, perm;
        uint32_t id;
    } entries[] = {{1, owner, UINT32_MAX},
                   {2, perm, uid},
                   {4, group, UINT32_MAX},
                   {16, mask, UINT32_MAX},
                   {32, others, UINT32_MAX}};
    size_t len = 4;

    memcpy(p, "\2\0\0\0", 4);
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++, len += 8) {
        p[len] = (uint8_t)entries[i].tag;
        p[len + 1] = 0;
        p[len + 2] = (uint8_t)entries[i].perm;
        p[len + 3] = 0;
        for (unsigned j = 0; j < 4; j++)
            p[len + 4 + j] = (uint8_t)(entries[i].id >> 8 * j);
    }
    return len;
}

static void a_list_lets_one_user_in_for_as_long_as_it_says_so(void **state)
{
    static const char access[] = "system.posix_acl_access";
    uint8_t acl[64];
    size_t len = acl_bytes(acl, 6, users[1], 6, 0, 6, 0);

    (void)state;
    need_root();
    make_of("f", users[0], 0600);
    act_as(users[1]);
    must_fail(EACCES, open("f", O_RDONLY));
    must_fail(EPERM, setxattr("f", access, acl, len, 0));
    act_as(users[0]);
    must(setxattr("f", access, acl, len, 0));
    act_as(users[1]);
    must(opened(open("f", O_RDWR)));
    must_fail(EPERM, removexattr("f", access));
    must_fail(EPERM, chmod("f", 0666));
    act_as(users[2]);
    must_fail(EACCES, open("f", O_RDONLY));
    act_as(users[0]);
    must(chmod("f", 0640)); /* the mask */
    act_as(users[1]);
    must(opened(open("f", O_RDONLY)));
    must_fail(EACCES, open("f", O_WRONLY));
    act_as(users[0]);
    must(removexattr("f", access));
    act_as(users[1]);
    must_fail(EACCES, open("f", O_RDONLY));
}

static void a_default_list_goes_to_what_others_make(void **state)
{
    uint8_t acl[64];
    size_t len = acl_bytes(acl, 7, users[2], 5, 7, 7, 0);

    (void)state;
    need_root();
    make_dir_of("d", users[0], 0777);
    act_as(users[0]);
    must(setxattr("d", "system.posix_acl_default", acl, len, 0));
    act_as(users[1]);
    must(mkdir("d/sub", 0777));
    must(opened(open("d/sub/f", O_WRONLY | O_CREAT, 0666)));
    expect_eq(0660, perm_of("d/sub/f"));
    act_as(users[2]);
    must(opened(open("d/sub/f", O_RDONLY)));
    must_fail(EACCES, open("d/sub/f", O_WRONLY));
    must_fail(EACCES, open("d/sub/g", O_WRONLY | O_CREAT, 0666));
    act_as(users[0]); /* neither owner nor in the list, nor in the group */
    must_fail(EACCES, open("d/sub/f", O_RDONLY));
}

static int open_fd(int fd, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return opened(open(path, flags));
}

/* A process opens what it has open again: by the rights of now. */
static void through_proc_only_the_rights_of_now_count(void **state)
{
    int fd, path_fd;
    char byte;

    (void)state;
    need_root();
    make_of("f", users[0], 0644);
    act_as(users[1]);
    fd = must(open("f", O_RDONLY));
    path_fd = must(open("f", O_PATH));
    must(open_fd(fd, O_RDONLY));
    must(open_fd(path_fd, O_RDONLY));
    must_fail(EACCES, open_fd(fd, O_RDWR));
    must_fail(EACCES, open_fd(path_fd, O_WRONLY));
    act_as(users[0]);
    must(chmod("f", 0200));
    act_as(users[1]);
    must_fail(EACCES, open_fd(fd, O_RDONLY));
    must_fail(EACCES, open_fd(path_fd, O_RDONLY));
    expect_eq(1, read(fd, &byte, 1));
    act_as(users[0]);
    must_fail(EACCES, open_fd(fd, O_RDONLY));
    must(open_fd(fd, O_WRONLY));
    become_self();
    must(unlink("f"));
    act_as(users[1]);
    must_fail(EACCES, open_fd(fd, O_RDONLY));
    must_fail(EACCES, open_fd(path_fd, O_WRONLY));
    act_as(users[0]);
    must(fchmod(fd, 0604));
    act_as(users[1]);
    must(open_fd(path_fd, O_RDONLY)); /* of a file without a name */
    close(fd);
    close(path_fd);
}

static void an_open_directory_is_a_way_only_while_it_may_be_searched(void **state)
{
    int fd, inner;

    (void)state;
    need_root();
    make_dir_of("d", users[0], 0755);
    make_dir_of("d/sub", users[0], 0755);
    make_of("d/f", users[0], 0644);
    make_of("d/sub/g", users[0], 0644);
    act_as(users[1]);
    fd = must(open("d", O_RDONLY | O_DIRECTORY));
    inner = must(openat(fd, "sub", O_PATH | O_DIRECTORY));
    must(opened(openat(fd, "f", O_RDONLY)));
    act_as(users[0]);
    must(chmod("d", 0700));
    act_as(users[1]);
    must_fail(EACCES, openat(fd, "f", O_RDONLY));
    must_fail(EACCES, openat(inner, "../f", O_RDONLY));
    must_fail(EACCES, open("d/sub/g", O_RDONLY));
    must(opened(openat(inner, "g", O_RDONLY)));
    act_as(users[0]);
    must(fchmodat(inner, "../sub", 0700, 0));
    act_as(users[1]);
    must_fail(EACCES, openat(inner, "g", O_RDONLY));
    close(inner);
    close(fd);
}

/* What one user has looked at is in the kernel's caches when another comes. */
static void what_one_may_see_is_not_shown_to_another(void **state)
{
    struct stat st;
    char target[8];

    (void)state;
    need_root();
    make_dir_of("d", users[0], 0700);
    make_of("d/f", users[0], 0644);
    act_as(users[0]);
    must(symlink("f", "d/link"));
    expect_contents("d/f", "x");
    expect_eq(1, readlink("d/link", target, sizeof(target)));
    must_fail(ENOENT, stat("d/missing", &st));
    for (unsigned i = 1; i < USER_COUNT; i++) {
        act_as(users[i]);
        must_fail(EACCES, stat("d/f", &st));
        must_fail(EACCES, stat("d/missing", &st));
        must_fail(EACCES, readlink("d/link", target, sizeof(target)));
        must_fail(EACCES, open("d", O_RDONLY | O_DIRECTORY));
        must_fail(EACCES, rename("d/f", "taken"));
        must_fail(EACCES, link("d/f", "taken"));
    }
    act_as(users[0]);
    must(chmod("d", 0750)); /* the shared group */
    act_as(users[1]);
    expect_contents("d/f", "x");
    must_fail(ENOENT, stat("d/missing", &st));
    must_fail(EACCES, unlink("d/f"));
    become(users[1], users[1]); /* without it */
    must_fail(EACCES, stat("d/f", &st));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(what_is_made_belongs_to_its_maker),
    POSIX_TEST(the_group_of_a_directory_lends_nobody_its_rights),
    POSIX_TEST(a_sticky_directory_protects_each_from_the_others),
    POSIX_TEST(foreign_files_in_a_sticky_directory_are_not_created_again),
    POSIX_TEST(links_to_foreign_files),
    POSIX_TEST(nobody_gives_away_or_takes),
    POSIX_TEST(a_foreign_writer_takes_set_id_bits),
    POSIX_TEST(attributes_of_foreign_files),
    POSIX_TEST(a_list_lets_one_user_in_for_as_long_as_it_says_so),
    POSIX_TEST(a_default_list_goes_to_what_others_make),
    POSIX_TEST(through_proc_only_the_rights_of_now_count),
    POSIX_TEST(an_open_directory_is_a_way_only_while_it_may_be_searched),
    POSIX_TEST(what_one_may_see_is_not_shown_to_another),
};

POSIX_MAIN("users", tests)
