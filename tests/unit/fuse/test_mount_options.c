/*
 * What stands behind -o, and what the views of owners and permissions make of attributes.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/mount_options.h"
#include "fs/fuse/option_value.h"

static struct mount_options parsed(const char *text)
{
    struct mount_options o;

    if (mount_options_parse(text, NULL, &o) < 0)
        fail_msg("'%s' was refused", text);
    return o;
}

static void refuse(const char *text)
{
    struct mount_options o, untouched;

    memset(&o, 0x5a, sizeof(o));
    memset(&untouched, 0x5a, sizeof(untouched));
    if (mount_options_parse(text, NULL, &o) == 0)
        fail_msg("'%s' was accepted", text);
    assert_memory_equal(&o, &untouched, sizeof(o));
}

static void without_options_everything_is_as_documented(void **state)
{
    const char *const empty[] = {NULL, "", ",", ",,,", "defaults", "rw,defaults,,"};

    (void)state;
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        struct mount_options o = parsed(empty[i]);

        assert_false(o.read_only || o.nonempty || o.debug || o.noexec || o.allow_other);
        assert_false(o.sync || o.dirsync || o.no_compress || o.remount);
        assert_int_equal(o.suid, geteuid() == 0);
        assert_int_equal(o.dev, geteuid() == 0);
        assert_int_equal(o.commit_s, 5);
        assert_int_equal(o.cache_len, 0);
        assert_int_equal(o.size_max, 0);
        assert_false(owner_view_any(&o.view));
        assert_null(o.passed);
        mount_options_done(&o);
    }
}

static void the_last_of_several_counts(void **state)
{
    struct mount_options o = parsed("ro,rw,ro,commit=1,commit=3600,sync,async,exec,noexec,size=1G,"
                                    "size=16M,compress=none,compress,umask=077,fmask=0137");

    (void)state;
    assert_true(o.read_only);
    assert_true(o.noexec);
    assert_false(o.sync);
    assert_false(o.no_compress);
    assert_int_equal(o.commit_s, 3600);
    assert_int_equal(o.size_max, 16 << 20);
    assert_int_equal(o.view.fmask, 0137);
    assert_int_equal(o.view.dmask, 077);
}

static void what_mount_and_fstab_use_is_accepted(void **state)
{
    struct mount_options o =
        parsed("rw,noexec,nosuid,nodev,user,users,nouser,user=joe,owner,group,auto,noauto,nofail,"
               "_netdev,x-systemd.automount,x-,X-mount.mkdir,comment=a=b,helper=fluxfs,uhelper=x,"
               "default_permissions,noatime,nodiratime,lazytime,relatime,atime,nolazytime,silent");

    (void)state;
    assert_null(o.passed);
    assert_true(o.noexec && !o.suid && !o.dev && !o.read_only);
}

static void what_is_wrong_is_refused(void **state)
{
    static const char *const wrong[] = {
        "nonsense",
        "ro=1",
        "ro ",
        " ro",
        "RO",
        "r",
        "roo",
        "commit",
        "commit=",
        "commit=0",
        "commit=3601",
        "commit=5s",
        "commit=-1",
        "commit=+1",
        "commit= 5",
        "commit=0x5",
        "commit=99999999999999999999999",
        "cache=",
        "cache=1023K",
        "cache=5T",
        "cache=1Mi",
        "cache=M",
        "cache=18446744073709551616",
        "cache=99999999T",
        "size=",
        "size=15M",
        "size=1X",
        "size=-1",
        "size=16777215T",
        "size",
        "compress=",
        "compress=zstd",
        "compress=lz4:3",
        "compress=LZ4",
        "uid",
        "uid=",
        "uid=-1",
        "uid=4294967295",
        "uid=4294967296",
        "uid=no such user",
        "gid=",
        "gid=4294967295",
        "gid=no such group",
        "umask=",
        "umask=8",
        "umask=1000",
        "umask=0x1",
        "umask=-1",
        "fmask=",
        "dmask=u+x",
        "fmask=778",
        "strictatime",
        "allow_root",
        "fsname=x",
        "subtype=x",
        "user_id=0",
        "group_id=0",
        "max_read=1",
        "remount=1",
        "ro;rw",
        "ro\nrw",
        "\xc3\xa4",
        "comm\xe2\x80\x8bit=5",
        "commit=\xd9\xa5",
        "\xff",
        "=",
        "=x",
        "ro,,nonsense",
        "nonsense=,ro",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(wrong[i]);
}

static void a_very_long_option_is_refused(void **state)
{
    size_t len = 1 << 20;
    char *text = malloc(len + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', len);
    text[len] = 0;
    refuse(text);
    memset(text, ',', len);
    parsed(text);
    memset(text, '9', len);
    memcpy(text, "commit=", 7);
    refuse(text);
    free(text);
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        {"16777216", 16 << 20},
        {"16384K", 16 << 20},
        {"16384k", 16 << 20},
        {"0020M", 20 << 20},
        {"1g", 1 << 30},
        {"3T", UINT64_C(3) << 40},
        {"8388607T", UINT64_C(8388607) << 40},
        {"9223372036854775807", INT64_MAX},
    };
    uint64_t v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(option_size(good[i].text, &v));
        assert_int_equal(v, good[i].size);
    }
    v = 7;
    assert_false(option_size("8388608T", &v));
    assert_false(option_size("9223372036854775808", &v));
    assert_false(option_size("1KK", &v));
    assert_int_equal(v, 7);
}

static void users_have_numbers_and_names(void **state)
{
    struct mount_options o = parsed("uid=root,gid=0");

    (void)state;
    assert_true(o.view.has_uid && o.view.uid == 0);
    assert_true(o.view.has_gid && o.view.gid == 0);
    o = parsed("uid=4294967294,gid=65534");
    assert_int_equal(o.view.uid, 4294967294);
    assert_int_equal(o.view.gid, 65534);
}

static void foreign_owners_get_no_rights(void **state)
{
    static const char *const views[] = {"uid=1", "gid=1", "umask=0", "fmask=0", "dmask=0"};

    (void)state;
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        struct mount_options o = parsed(views[i]);
        char text[64];

        assert_false(o.suid || o.dev);
        snprintf(text, sizeof(text), "suid,%s", views[i]);
        refuse(text);
        snprintf(text, sizeof(text), "%s,dev", views[i]);
        refuse(text);
        snprintf(text, sizeof(text), "dev,%s,nodev", views[i]);
        parsed(text);
    }
}

static void a_context_may_hold_commas_in_quotes(void **state)
{
    struct mount_options o = parsed("ro,context=\"system_u:object_r:tmp_t:s0:c1,c2\",noexec");

    (void)state;
    assert_string_equal(o.passed, "context=\"system_u:object_r:tmp_t:s0:c1,c2\"");
    assert_true(o.noexec);
    mount_options_done(&o);
    refuse("context=\"a,nonsense\",b");
}

static void the_text_of_options_is_read_back(void **state)
{
    static const char *const lists[] = {
        "", "ro,commit=77,cache=2M,size=3G,compress=none,uid=5,gid=6,umask=027,sync,allow_other",
        "dirsync,nonempty,debug,fmask=0177,dmask=0", "uid=4294967294,gid=4294967294,size=8388607T"};

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct mount_options a = parsed(lists[i]), b;
        char text[MOUNT_OPTIONS_TEXT_LEN], again[MOUNT_OPTIONS_TEXT_LEN];

        mount_options_text(&a, text);
        b = parsed(text);
        mount_options_text(&b, again);
        assert_string_equal(text, again);
        assert_int_equal(a.read_only, b.read_only);
        assert_int_equal(a.commit_s, b.commit_s);
        assert_int_equal(a.cache_len, b.cache_len);
        assert_int_equal(a.size_max, b.size_max);
        assert_int_equal(a.no_compress, b.no_compress);
        assert_int_equal(a.sync, b.sync);
        assert_int_equal(a.dirsync, b.dirsync);
        assert_int_equal(a.allow_other, b.allow_other);
        assert_true(owner_view_same(&a.view, &b.view));
    }
}

static void a_remount_begins_with_what_is_there(void **state)
{
    struct mount_options base = parsed("commit=9,size=1G,nosuid"), o;

    (void)state;
    assert_true(mount_options_have_remount("ro,remount"));
    assert_false(mount_options_have_remount("ro,remounted,xremount"));
    assert_false(mount_options_have_remount(NULL));
    assert_int_equal(mount_options_parse("remount,ro,user_id=0,group_id=0", &base, &o), 0);
    assert_true(o.remount && o.read_only && !o.suid);
    assert_int_equal(o.commit_s, 9);
    assert_int_equal(o.size_max, 1 << 30);
}

static void a_view_shows_owners_and_permissions(void **state)
{
    struct mount_options o = parsed("uid=7,gid=8,fmask=0133,dmask=022");
    struct stat file = {.st_mode = S_IFREG | 04600, .st_uid = 1, .st_gid = 2};
    struct stat dir = {.st_mode = S_IFDIR | 01700, .st_uid = 1, .st_gid = 2};
    struct stat link = {.st_mode = S_IFLNK | 0777};

    (void)state;
    owner_view_show(&o.view, &file);
    owner_view_show(&o.view, &dir);
    owner_view_show(&o.view, &link);
    assert_int_equal(file.st_mode, S_IFREG | 04644);
    assert_int_equal(dir.st_mode, S_IFDIR | 01755);
    assert_int_equal(link.st_mode, S_IFLNK | 0777);
    assert_int_equal(file.st_uid, 7);
    assert_int_equal(dir.st_gid, 8);
}

static void a_view_keeps_owners_as_they_are(void **state)
{
    struct mount_options o = parsed("uid=7");
    struct fs_attr attr = {.uid = 7, .gid = 3};
    struct fs_cred cred = {.uid = 0, .gid = 5};
    unsigned which = FS_SET_UID | FS_SET_GID | FS_SET_MODE;

    (void)state;
    assert_int_equal(owner_view_set(&o.view, &attr, &which), 0);
    assert_int_equal(which, FS_SET_GID | FS_SET_MODE);
    which = FS_SET_UID;
    attr.uid = 0;
    assert_int_equal(owner_view_set(&o.view, &attr, &which), -EPERM);
    owner_view_cred(&o.view, &cred);
    assert_int_equal(cred.uid, 7);
    assert_int_equal(cred.gid, 5);
}

static void set_id_bits_are_for_files_of_the_owner_that_is_shown(void **state)
{
    struct mount_options o = parsed("uid=7,gid=8");
    struct fs_attr own = {.mode = S_IFREG | 0755, .uid = 7, .gid = 8};
    struct fs_attr other = {.mode = S_IFREG | 0755, .uid = 0, .gid = 8};
    struct fs_attr dir = {.mode = S_IFDIR | 02755, .uid = 0, .gid = 0};
    struct fs_cred cred = {.gid = 5};

    (void)state;
    assert_int_equal(owner_view_mode(&o.view, &own, 06711), 06711);
    assert_int_equal(owner_view_mode(&o.view, &other, 07711), 01711);
    assert_int_equal(owner_view_mode(&o.view, &dir, 06711), 02711);
    dir.mode = S_IFDIR | 0755;
    assert_int_equal(owner_view_mode(&o.view, &dir, 06711), 0711);
    owner_view_cred(&o.view, &cred);
    assert_true(cred.fixed_gid && cred.no_set_id);
}

static void permissions_that_are_shown_are_not_stored(void **state)
{
    struct mount_options o = parsed("fmask=022,dmask=0");
    struct fs_attr file = {.mode = S_IFREG | 04700};
    struct fs_attr dir = {.mode = S_IFDIR | 0700};

    (void)state;
    assert_int_equal(owner_view_mode(&o.view, &file, 0755), 0700);
    assert_int_equal(owner_view_mode(&o.view, &file, 04755), 04700);
    assert_int_equal(owner_view_mode(&o.view, &file, 0777), 0777);
    assert_int_equal(owner_view_mode(&o.view, &dir, 01777), 01700);
    assert_int_equal(owner_view_mode(&o.view, &dir, 0755), 0755);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_everything_is_as_documented),
        cmocka_unit_test(the_last_of_several_counts),
        cmocka_unit_test(what_mount_and_fstab_use_is_accepted),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_very_long_option_is_refused),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(users_have_numbers_and_names),
        cmocka_unit_test(foreign_owners_get_no_rights),
        cmocka_unit_test(a_context_may_hold_commas_in_quotes),
        cmocka_unit_test(the_text_of_options_is_read_back),
        cmocka_unit_test(a_remount_begins_with_what_is_there),
        cmocka_unit_test(a_view_shows_owners_and_permissions),
        cmocka_unit_test(a_view_keeps_owners_as_they_are),
        cmocka_unit_test(set_id_bits_are_for_files_of_the_owner_that_is_shown),
        cmocka_unit_test(permissions_that_are_shown_are_not_stored),
    };

    mount_log_init(LSM_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
