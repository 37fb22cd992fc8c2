/*
 * What import and export make of names, endings, attributes, ACLs and totals.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/acl.h"
#include "tools/archive/archive_acl.h"
#include "tools/archive/archive_path.h"
#include "tools/archive/archive_totals.h"
#include "tools/archive/compression.h"
#include "tools/archive/tree_attribute.h"

static void names_become_relative_paths(void **state)
{
    static const struct {
        const char *name, *path;
        bool absolute;
    } cases[] = {
        {"a", "a", false},         {"a/b", "a/b", false},
        {"./a", "a", false},       {"./", "", false},
        {".", "", false},          {"/", "", true},
        {"///a//b/", "a/b", true}, {"a/./b/.", "a/b", false},
        {"../a", "../a", false},   {"a/..", "a/..", false},
        {"...", "...", false},     {".a/.b", ".a/.b", false},
        {"a\\b", "a\\b", false},   {"\xff/\n", "\xff/\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool absolute;
        char *path = archive_path_clean(cases[i].name, &absolute);

        assert_string_equal(path, cases[i].path);
        assert_int_equal(absolute, cases[i].absolute);
        free(path);
    }
}

static void endings_mean_compressions(void **state)
{
    static const char *const cases[][2] = {
        {"a.tar", "none"},     {"a", "none"},          {".gz", "none"},      {"a.tar.gz", "gzip"},
        {"a.tgz", "gzip"},     {"a.tar.bz2", "bzip2"}, {"a.tar.xz", "xz"},   {"a.txz", "xz"},
        {"a.tar.zst", "zstd"}, {"a.tar.lz4", "lz4"},   {"a.tar.lz", "lzip"}, {"x.gz/a", "none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(compression_of_file(cases[i][0])->name, cases[i][1]);
        assert_ptr_equal(compression_of_name(cases[i][1]), compression_of_file(cases[i][0]));
    }
    assert_null(compression_of_name("rar"));
}

static void names_of_attributes_are_decoded(void **state)
{
    static const char *const cases[][2] = {
        {"user.a", "user.a"},       {"user.a%3Db", "user.a=b"}, {"user.%25", "user.%"},
        {"user.%2", "user.%2"},     {"user.%zz", "user.%zz"},   {"user.%C3%a9", "user.\xc3\xa9"},
        {"user.100%", "user.100%"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *name = tree_attribute_decode(cases[i][0]);

        assert_string_equal(name, cases[i][1]);
        free(name);
    }
}

static void an_acl_goes_both_ways(void **state)
{
    static const struct acl acl = {6,
                                   {{ACL_TAG_USER_OBJ, 7, ACL_ID_NONE},
                                    {ACL_TAG_USER, 4, 1000},
                                    {ACL_TAG_USER, 0, 2000000000},
                                    {ACL_TAG_GROUP_OBJ, 5, ACL_ID_NONE},
                                    {ACL_TAG_MASK, 6, ACL_ID_NONE},
                                    {ACL_TAG_OTHER, 1, ACL_ID_NONE}}};
    static const int types[] = {ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT};
    uint8_t value[ACL_LEN_MAX], got[ACL_LEN_MAX];
    size_t len = acl_encode(&acl, value);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_mode(e, 040761);
        assert_int_equal(archive_acl_get(e, types[i], got), 0);
        assert_int_equal(archive_acl_set(e, types[i], value, len), 0);
        assert_int_equal(archive_acl_get(e, types[i], got), len);
        assert_memory_equal(got, value, len);
        assert_int_equal(archive_acl_get(e, types[!i], got), 0);
        assert_int_equal(archive_acl_set(e, types[i], value, len - 1), -EINVAL);
        archive_entry_free(e);
    }
}

static void totals_are_told_in_words(void **state)
{
    struct tree_put_stats s = {.files = 1, .dirs = 2, .data_len = 2048};
    char buf[ARCHIVE_TOTALS_LEN];

    (void)state;
    archive_totals_text(&s, buf);
    assert_string_equal(buf, "1 file (2 KiB), 2 directories");
    s = (struct tree_put_stats){3, 1, 1, 5, 1, 0, 0};
    archive_totals_text(&s, buf);
    assert_string_equal(buf,
                        "3 files (0 bytes), 1 directory, 1 symbolic link, 5 hard links, 1 other");
    memset(&s, 0xff, sizeof(s));
    archive_totals_text(&s, buf);
    assert_true(strlen(buf) < sizeof(buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_relative_paths),
        cmocka_unit_test(endings_mean_compressions),
        cmocka_unit_test(names_of_attributes_are_decoded),
        cmocka_unit_test(an_acl_goes_both_ways),
        cmocka_unit_test(totals_are_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
