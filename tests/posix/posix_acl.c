/*
 * POSIX ACLs, as the attributes system.posix_acl_access and system.posix_acl_default hold them:
 * what a list allows, how it and the mode follow each other, and what new files inherit.
 *
 * Lists are written as text: "u::rw- u:65533:r-- g::r-- g:7:r-x m::rw- o::---".
 */
#include "posix/lib/posix.h"

#include <endian.h>
#include <sys/xattr.h>

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum {
    TAG_USER_OBJ = 1,
    TAG_USER = 2,
    TAG_GROUP_OBJ = 4,
    TAG_GROUP = 8,
    TAG_MASK = 16,
    TAG_OTHER = 32,
    ENTRY_COUNT_MAX = 32,
};

/* The form of the attributes: little-endian. */
struct acl {
    uint32_t version;
    struct entry {
        uint16_t tag, perm;
        uint32_t id;
    } entries[ENTRY_COUNT_MAX];
};

static uint16_t tag_of(char letter, bool named)
{
    switch (letter) {
    case 'u':
        return named ? TAG_USER : TAG_USER_OBJ;
    case 'g':
        return named ? TAG_GROUP : TAG_GROUP_OBJ;
    case 'm':
        return TAG_MASK;
    default:
        expect_eq('o', letter);
        return TAG_OTHER;
    }
}

static size_t acl_parse(const char *text, struct acl *ret)
{
    size_t count = 0;
    char letter, perm[4];
    int len;

    ret->version = htole32(2);
    while (sscanf(text, " %c:%n", &letter, &len) == 1) {
        struct entry *e = &ret->entries[count++];
        bool named;
        long long id = -1;

        expect(count <= ENTRY_COUNT_MAX);
        text += len;
        named = *text != ':';
        if (named)
            id = strtoll(text, (char **)&text, 10);
        expect_eq(1, sscanf(text, ":%3s%n", perm, &len));
        text += len;
        e->tag = htole16(tag_of(letter, named));
        e->id = htole32((uint32_t)id);
        e->perm =
            htole16((uint16_t)((perm[0] == 'r') << 2 | (perm[1] == 'w') << 1 | (perm[2] == 'x')));
    }
    return sizeof(ret->version) + count * sizeof(ret->entries[0]);
}

static int set_acl(const char *path, const char *name, const char *text)
{
    struct acl acl;
    size_t len = acl_parse(text, &acl);

    return lsetxattr(path, name, &acl, len, 0);
}

static void entry_text(const struct entry *e, char *buf, size_t buf_len)
{
    unsigned tag = le16toh(e->tag), perm = le16toh(e->perm);
    const char *letter = tag & (TAG_USER | TAG_USER_OBJ)     ? "u"
                         : tag & (TAG_GROUP | TAG_GROUP_OBJ) ? "g"
                         : tag == TAG_MASK                   ? "m"
                                                             : "o";
    char id[16] = "";

    if (tag & (TAG_USER | TAG_GROUP))
        snprintf(id, sizeof(id), "%u", le32toh(e->id));
    snprintf(buf, buf_len, "%s:%s:%c%c%c", letter, id, perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-',
             perm & 1 ? 'x' : '-');
}

static const char *acl_of(const char *path, const char *name)
{
    static char text[ENTRY_COUNT_MAX * 24];
    struct acl acl;
    ssize_t len = lgetxattr(path, name, &acl, sizeof(acl));
    size_t count;

    text[0] = 0;
    if (len == -1) {
        expect_eq(ENODATA, errno);
        return "none";
    }
    expect_eq(2, le32toh(acl.version));
    count = ((size_t)len - sizeof(acl.version)) / sizeof(acl.entries[0]);
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(text);

        if (at)
            text[at++] = ' ';
        entry_text(&acl.entries[i], text + at, sizeof(text) - at);
    }
    return text;
}

static void a_list_and_the_mode_follow_each_other(void **state)
{
    struct statx was;

    (void)state;
    make_file("f", "");
    was = mark("f");
    must(set_acl("f", ACCESS, "u::rw- u:65533:rwx g::r-- m::rw- o::---"));
    expect_changed(&was, "f", CTIME);
    expect_eq(0660, perm_of("f"));
    expect_text("u::rw- u:65533:rwx g::r-- m::rw- o::---", acl_of("f", ACCESS));
    must(chmod("f", 0715));
    expect_text("u::rwx u:65533:rwx g::r-- m::--x o::r-x", acl_of("f", ACCESS));
    expect_eq(0715, perm_of("f"));
    must(set_acl("f", ACCESS, "u::r-- g::-w- o::--x"));
    expect_eq(0421, perm_of("f"));
    expect_text("none", acl_of("f", ACCESS));
    must(chmod("f", 0600));
    must(set_acl("f", ACCESS, "u::rw- g::r-- m::r-- o::---"));
    must(removexattr("f", ACCESS));
    expect_text("none", acl_of("f", ACCESS));
    expect_eq(0640, perm_of("f"));
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const wrong[] = {
        "u::rw- u:1:r-- g::r-- o::---", /* no mask */
        "u::rw- g::r--",                /* no others */
        "g::r-- o::---",                /* no owner */
        "u::rw- u::r-- g::r-- o::---",  /* twice */
        "u::rw- g::r-- o::--- o::---",  /* twice */
        "g::r-- u::rw- o::---",         /* out of order */
    };
    char buf[4] = {1, 0, 0, 0};

    (void)state;
    make_file("f", "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        must_fail(EINVAL, set_acl("f", ACCESS, wrong[i]));
    must_fail(EOPNOTSUPP, setxattr("f", ACCESS, buf, 4, 0));
    must_fail(EINVAL, setxattr("f", ACCESS, buf, 3, 0));
    expect_text("none", acl_of("f", ACCESS));
    expect_eq(0644, perm_of("f"));
}

static void every_type_but_symlinks_takes_a_list_and_directories_two(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("x", k->type);
        if (k->type == S_IFLNK) {
            must_fail(EOPNOTSUPP, set_acl("x", ACCESS, "u::rwx u:7:r-x g::r-x m::r-x o::r-x"));
        } else {
            must(set_acl("x", ACCESS, "u::rwx u:7:r-x g::r-x m::r-x o::r-x"));
            expect_text("u::rwx u:7:r-x g::r-x m::r-x o::r-x", acl_of("x", ACCESS));
        }
        if (k->type == S_IFDIR)
            must(set_acl("x", DEFAULT, "u::rwx g::r-x o::---"));
        else if (k->type != S_IFLNK)
            must_fail(EACCES, set_acl("x", DEFAULT, "u::rwx g::r-x o::---"));
        remove_any("x");
    }
}

/* Who is allowed what by lists of one file of UID_OWNER and GID_OWNER. */
static void the_entry_that_fits_decides(void **state)
{
    static const struct {
        const char *acl;
        uid_t uid;
        gid_t gid, extra;
        int allowed;
    } rows[] = {
        /* The owner has the owner's entry, whatever else fits; the mask does not count. */
        {"u::r-- u:65534:rwx g::rwx m::rwx o::rwx", UID_OWNER, GID_OWNER, GID_OWNER, R_OK},
        {"u::rwx u:65533:--- g::--- m::--- o::---", UID_OWNER, GID_OTHER, GID_OTHER, 7},
        /* A named user has that entry under the mask, even if a group would allow more. */
        {"u::--- u:65533:rw- g::rwx m::rwx o::rwx", UID_OTHER, GID_OWNER, GID_OWNER, R_OK | W_OK},
        {"u::rwx u:65533:rwx g::rwx m::r-- o::rwx", UID_OTHER, GID_OTHER, GID_OTHER, R_OK},
        {"u::rwx u:65533:--- g::rwx m::rwx o::rwx", UID_OTHER, GID_OWNER, GID_OWNER, 0},
        /* Members of the owning group, under the mask. */
        {"u::--- g::rw- m::rwx o::---", UID_THIRD, GID_OWNER, GID_OTHER, R_OK | W_OK},
        {"u::--- g::rw- m::r-x o::rwx", UID_THIRD, GID_OTHER, GID_OWNER, R_OK},
        /* Members of a named group. */
        {"u::--- g::--- g:65532:r-x m::rwx o::---", UID_THIRD, GID_THIRD, GID_OTHER, R_OK | X_OK},
        {"u::--- g::--- g:65532:r-x m::--x o::---", UID_THIRD, GID_OTHER, GID_THIRD, X_OK},
        /* One of several groups is enough for what it allows. */
        {"u::--- g::--x g:65532:r-- m::rwx o::rwx", UID_THIRD, GID_OWNER, GID_THIRD, R_OK | X_OK},
        /* Who is in a group that is named is not among the others. */
        {"u::--- g::--- g:65532:--- m::rwx o::rwx", UID_THIRD, GID_THIRD, GID_OTHER, 0},
        {"u::rwx u:65533:rwx g::rwx m::rwx o::-w-", UID_THIRD, GID_OTHER, GID_OTHER, W_OK},
    };

    (void)state;
    need_root();
    make_file("f", "");
    must(chown("f", UID_OWNER, GID_OWNER));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const int each[] = {R_OK, W_OK, X_OK};

        must(set_acl("f", ACCESS, rows[i].acl));
        become_with(rows[i].uid, rows[i].gid, &rows[i].extra, 1);
        for (int j = 0; j < 3; j++) {
            bool allowed = access("f", each[j]) == 0;

            if (allowed != ((rows[i].allowed & each[j]) != 0))
                print_error("%s, row %zu\n", rows[i].acl, i);
            expect_eq((rows[i].allowed & each[j]) != 0, allowed);
        }
        become_self();
    }
}

static void two_groups_do_not_add_up(void **state)
{
    const gid_t groups[] = {GID_THIRD};
    int fd;

    (void)state;
    need_root();
    make_file("f", "");
    must(chown("f", UID_OWNER, GID_OWNER));
    must(set_acl("f", ACCESS, "u::--- g::-w- g:65532:r-- m::rwx o::---"));
    become_with(UID_THIRD, GID_OWNER, groups, 1);
    must(close(fd = must(open("f", O_RDONLY))));
    must(close(fd = must(open("f", O_WRONLY))));
    must_fail(EACCES, open("f", O_RDWR));
}

static void only_owners_set_lists_and_all_may_read_them(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    must(chown("f", UID_OWNER, GID_OWNER));
    must(set_acl("f", ACCESS, "u::rw- u:65533:rw- g::--- m::rw- o::---"));
    become(UID_OTHER, GID_OTHER);
    must_fail(EPERM, set_acl("f", ACCESS, "u::rwx g::rwx o::rwx"));
    must_fail(EPERM, removexattr("f", ACCESS));
    become(UID_THIRD, GID_THIRD);
    expect_text("u::rw- u:65533:rw- g::--- m::rw- o::---", acl_of("f", ACCESS));
    become(UID_OWNER, GID_OTHER);
    must(set_acl("f", ACCESS, "u::rw- u:65532:r-- g::--- m::r-- o::---"));
    become(UID_THIRD, GID_THIRD);
    must(access("f", R_OK));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, access("f", R_OK));
}

static void new_files_inherit_instead_of_the_umask(void **state)
{
    (void)state;
    make_dir("d");
    must(set_acl("d", DEFAULT, "u::rwx u:65533:rwx g::r-x m::rwx o::r--"));
    expect_eq(0755, perm_of("d"));
    umask(077);
    must(close(must(open("d/f", O_WRONLY | O_CREAT, 0666))));
    expect_text("u::rw- u:65533:rwx g::r-x m::rw- o::r--", acl_of("d/f", ACCESS));
    expect_eq(0664, perm_of("d/f"));
    must(close(must(open("d/narrow", O_WRONLY | O_CREAT, 0640))));
    expect_text("u::rw- u:65533:rwx g::r-x m::r-- o::---", acl_of("d/narrow", ACCESS));
    must(mkfifo("d/p", 0600));
    expect_text("u::rw- u:65533:rwx g::r-x m::--- o::---", acl_of("d/p", ACCESS));
    must(mkdir("d/sub", 0777));
    expect_text("u::rwx u:65533:rwx g::r-x m::rwx o::r--", acl_of("d/sub", ACCESS));
    expect_text("u::rwx u:65533:rwx g::r-x m::rwx o::r--", acl_of("d/sub", DEFAULT));
    expect_eq(0774, perm_of("d/sub"));
    must(symlink("f", "d/l"));
    expect_eq(0777, perm_of("d/l"));
    must(mkdir("d/sub/deep", 0700));
    expect_text("u::rwx u:65533:rwx g::r-x m::rwx o::r--", acl_of("d/sub/deep", DEFAULT));
    expect_text("u::rwx u:65533:rwx g::r-x m::--- o::---", acl_of("d/sub/deep", ACCESS));
    must(removexattr("d", DEFAULT));
    must(close(must(open("d/plain", O_WRONLY | O_CREAT, 0666))));
    expect_text("none", acl_of("d/plain", ACCESS));
    expect_eq(0600, perm_of("d/plain"));
}

static void a_default_list_without_names_is_a_mode(void **state)
{
    (void)state;
    make_dir("d");
    must(set_acl("d", DEFAULT, "u::rwx g::rw- o::---"));
    umask(0777);
    must(close(must(open("d/f", O_WRONLY | O_CREAT, 0666))));
    expect_text("none", acl_of("d/f", ACCESS));
    expect_eq(0660, perm_of("d/f"));
    must(mkdir("d/sub", 0777));
    expect_eq(0760, perm_of("d/sub"));
    expect_text("u::rwx g::rw- o::---", acl_of("d/sub", DEFAULT));
}

static void lists_go_with_the_inode(void **state)
{
    (void)state;
    make_dir("d");
    make_file("f", "");
    must(set_acl("d", DEFAULT, "u::rwx u:7:rwx g::r-x m::rwx o::---"));
    must(set_acl("f", ACCESS, "u::rw- u:8:r-- g::r-- m::r-- o::---"));
    must(link("f", "d/linked"));
    must(rename("f", "d/moved"));
    expect_text("u::rw- u:8:r-- g::r-- m::r-- o::---", acl_of("d/moved", ACCESS));
    expect_text("u::rw- u:8:r-- g::r-- m::r-- o::---", acl_of("d/linked", ACCESS));
    if (is_root()) {
        must(chown("d/moved", UID_OTHER, GID_OTHER));
        expect_text("u::rw- u:8:r-- g::r-- m::r-- o::---", acl_of("d/linked", ACCESS));
    }
}

static void a_list_takes_setgid_from_who_is_not_in_the_group(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    must(chown("f", UID_OWNER, GID_THIRD));
    must(chmod("f", 02755));
    become(UID_OWNER, GID_OWNER);
    must(set_acl("f", ACCESS, "u::rwx u:7:r-x g::r-x m::r-x o::r-x"));
    expect_eq(0755, perm_of("f"));
    become_self();
    must(chmod("f", 02755));
    must(set_acl("f", ACCESS, "u::rwx u:8:r-x g::r-x m::r-x o::r-x"));
    expect_eq(02755, perm_of("f"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_list_and_the_mode_follow_each_other),
    POSIX_TEST(what_is_no_list_is_refused),
    POSIX_TEST(every_type_but_symlinks_takes_a_list_and_directories_two),
    POSIX_TEST(the_entry_that_fits_decides),
    POSIX_TEST(two_groups_do_not_add_up),
    POSIX_TEST(only_owners_set_lists_and_all_may_read_them),
    POSIX_TEST(new_files_inherit_instead_of_the_umask),
    POSIX_TEST(a_default_list_without_names_is_a_mode),
    POSIX_TEST(lists_go_with_the_inode),
    POSIX_TEST(a_list_takes_setgid_from_who_is_not_in_the_group),
};

POSIX_MAIN("acl", tests)
