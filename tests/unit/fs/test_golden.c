/*
 * A store that an earlier version wrote opens, for reading and for writing, and holds what was put
 * into it. The stores lie in tests/golden, which this program finds through GOLDEN_DIR.
 */
#include "lib/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fs.h"
#include "lib/scratch.h"
#include "lsm/base/slice.h"

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char buf[4096];
    size_t n;

    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static char *copy_of(const char *version)
{
    char from[1024], dir[768], *scratch = scratch_new();
    struct dirent *e;
    DIR *d;

    snprintf(dir, sizeof(dir), "%s/%s", GOLDEN_DIR, version);
    d = opendir(dir);
    assert_non_null(d);
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(from, sizeof(from), "%s/%s", dir, e->d_name);
        copy_file(from, scratch_path(scratch, e->d_name));
    }
    closedir(d);
    return scratch;
}

static struct fs_attr find(struct fs *fs, const char *path)
{
    struct fs_attr attr;

    if (fs_resolve(fs, path, &attr) < 0)
        fail_msg("%s: %s", path, lsm_detail());
    return attr;
}

/* The file holds exactly these bytes. */
static void expect_bytes(struct fs *fs, const char *path, const char *bytes, size_t len)
{
    struct fs_attr attr = find(fs, path);
    struct fs_read r;
    size_t at = 0;

    assert_int_equal(attr.size, len);
    assert_int_equal(fs_read(fs, attr.ino, 0, len + 1, &r), 0);
    assert_int_equal(r.len, len);
    for (int i = 0; i < r.iov_count; i++) {
        assert_memory_equal(r.iov[i].iov_base, bytes + at, r.iov[i].iov_len);
        at += r.iov[i].iov_len;
    }
    assert_int_equal(at, len);
    fs_read_done(&r);
}

static void expect_numbers(struct fs *fs)
{
    struct buf want = {0};

    for (int i = 1; i <= 4000; i++)
        assert_int_equal(buf_printf(&want, "%d\n", i), 0);
    memcpy(want.data + 5000, "PATCH", 5);
    expect_bytes(fs, "/numbers", (const char *)want.data, want.len);
    buf_free(&want);
}

static void expect_v1(struct fs *fs)
{
    struct fs_attr hello = find(fs, "/dir/hello"), fifo;
    char *sparse = calloc(1, 1000000), target[32], note[8];

    assert_int_equal(fs_super(fs)->block_len, 4096);
    assert_string_equal(fs_super(fs)->label, "golden");
    expect_bytes(fs, "/dir/hello", "hello, golden store\n", 20);
    assert_int_equal(hello.nlink, 2);
    assert_int_equal(find(fs, "/dir/hard").ino, hello.ino);
    assert_int_equal(hello.mtime.tv_sec, -14182940);
    assert_int_equal(hello.mtime.tv_nsec, 123456789);
    assert_int_equal(fs_getxattr(fs, hello.ino, "user.note", note, sizeof(note)), 4);
    assert_memory_equal(note, "kept", 4);
    assert_int_equal(fs_readlink(fs, find(fs, "/soft").ino, target, sizeof(target)), 0);
    assert_string_equal(target, "dir/hello");
    assert_non_null(sparse);
    memcpy(sparse + 999996, "tail", 4);
    expect_bytes(fs, "/sparse", sparse, 1000000);
    free(sparse);
    expect_numbers(fs);
    expect_bytes(fs, "/later/second", "second\n", 7);
    assert_int_equal(fs_resolve(fs, "/fifo", &fifo), -ENOENT);
    assert_int_equal(lsm_verify(fs_db(fs), NULL, NULL, NULL), 0);
}

static void version_1_opens_for_reading_and_for_writing(void **state)
{
    const struct fs_cred cred = {0};
    char *store = copy_of("v1");
    struct fs_attr made;
    struct fs *fs;

    (void)state;
    assert_int_equal(fs_open(store, &(struct fs_options){.read_only = true}, &fs), 0);
    expect_v1(fs);
    assert_int_equal(fs_close(fs), 0);
    for (int round = 0; round < 2; round++) {
        char name[16];

        assert_int_equal(fs_open(store, NULL, &fs), 0);
        expect_v1(fs);
        snprintf(name, sizeof(name), "new%d", round);
        assert_int_equal(fs_mknod(fs, FS_ROOT_INO, name, S_IFREG | 0600, 0, &cred, &made), 0);
        assert_int_equal(fs_write(fs, made.ino, 0, "new", 3), 0);
        assert_int_equal(fs_close(fs), 0);
    }
    scratch_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_opens_for_reading_and_for_writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
