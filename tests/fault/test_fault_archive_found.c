/*
 * Bugs of import and export that failing calls have found, each with so little to do that every
 * call of it fails in every run. (test_fault_archive lets a sample fail, unless it is told
 * otherwise.)
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault/archive_pattern.h"
#include "fs/fuse/control_impl.h"
#include "fs/fuse/control_proto.h"
#include "fs/fuse/session.h"
#include "lib/call_faults.h"
#include "lib/scratch.h"
#include "tools/archive/remote_put.h"
#include "tools/archive/tree_export.h"
#include "tools/cli.h"

enum {
    SENT_LEN_MAX = 65536 /* a socket holds it */
};

static char *dir;
static struct fs *fs;
static unsigned refused_count;
static char refused_text[600];

static int open_source(void)
{
    const struct fs_options o = {.cache_len = 1 << 20};

    return fs_open(scratch_path(dir, "source"), &o, &fs);
}

/* A write that failed leaves the store read-only until then. */
static void open_again(void)
{
    call_faults_pause();
    (void)fs_close(fs);
    assert_int_equal(open_source(), 0);
    call_faults_resume();
}

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    archive_pattern_make(dir);
    return open_source();
}

static int tear_down(void **state)
{
    (void)state;
    call_faults_disarm();
    fs_close(fs);
    scratch_free(dir);
    return 0;
}

/* Let the nth call of the kinds fail in try(), until there is no nth. */
static void for_each_call(unsigned kinds, int code, void (*try)(void))
{
    uint64_t n = 0;
    bool failed = true;

    while (failed) {
        call_faults_arm(kinds, ++n, code, CALL_MINE);
        try();
        failed = call_faults_disarm();
    }
    assert_true(n > 1);
}

/* --- Frames --- */

static void on_refused(void *arg, const char *path, int err, const char *text)
{
    (void)arg;
    (void)path;
    (void)err;
    refused_count++;
    snprintf(refused_text, sizeof(refused_text), "%s", text);
}

static const struct timespec then = {.tv_sec = 1};

/* A directory that is there, with an attribute. */
static void frames_put(struct buf *b)
{
    const struct tree_entry e = {
        .path = "dir", .mode = S_IFDIR | 0700, .atime = then, .mtime = then};

    assert_int_equal(tree_frame_entry(b, &e), 0);
    assert_int_equal(tree_frame_xattr(b, "user.a", "b", 1), 0);
    assert_int_equal(tree_frame_end(b, 0), 0);
    assert_int_equal(tree_frame_times(b, "dir", &then, &then), 0);
}

static int frames_apply(void)
{
    const struct tree_put_options o = {.dir = FS_ROOT_INO, .refused = on_refused};
    struct buf b = {NULL, 0, 0};
    struct tree_put *t = NULL;
    struct slice in, payload;
    uint8_t type;
    int err;

    call_faults_pause();
    frames_put(&b);
    call_faults_resume();
    refused_count = 0;
    err = tree_put_new(fs, &o, &t);
    in = buf_slice(&b);
    while (!err && tree_frame_take(&in, &type, &payload) > 0)
        err = tree_frame_apply(t, type, payload);
    if (!err)
        err = tree_put_commit(t);
    tree_put_free(t);
    buf_free(&b);
    return err;
}

static void apply_without_memory(void)
{
    int err = frames_apply();

    assert_true(!err || call_faults_happened());
    assert_true(!err || err == -ENOMEM || lsm_errno(err) == EROFS);
    open_again();
}

static void a_frame_without_memory_is_not_taken_for_nonsense(void **state)
{
    (void)state;
    for_each_call(CALL_ALLOC, ENOMEM, apply_without_memory);
}

static void apply_on_a_bad_disk(void)
{
    int err = frames_apply();

    assert_true(!err || call_faults_happened());
    assert_int_equal(refused_count, 0);
    open_again();
}

/* It was told as an attribute that the directory cannot have, and the import went on. */
static void a_disk_that_fails_ends_an_import_at_an_attribute_of_a_directory(void **state)
{
    (void)state;
    for_each_call(CALL_WRITE | CALL_RING_WRITE, EIO, apply_on_a_bad_disk);
}

/* --- A daemon --- */

/* All that a client says: something with a name that is no name, which is refused. */
static void talk_say(int fd)
{
    const struct control_hello h = {.dir = (char *)(uintptr_t) "/"};
    const struct tree_entry e = {.path = "..", .mode = S_IFREG, .atime = then, .mtime = then};
    struct buf b = {NULL, 0, 0};

    assert_int_equal(control_put_hello(&b, &h), 0);
    assert_int_equal(tree_frame_entry(&b, &e), 0);
    assert_int_equal(tree_frame_end(&b, 0), 0);
    assert_int_equal(control_put_empty(&b, CONTROL_FINISH), 0);
    assert_int_equal(send(fd, b.data, b.len, 0), b.len);
    buf_free(&b);
}

static void talk_hear(int fd, bool *ret_refused, struct control_end *ret_end)
{
    static uint8_t bytes[SENT_LEN_MAX];
    ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    struct slice in = slice_of(bytes, len > 0 ? (size_t)len : 0), payload;
    uint8_t type;

    *ret_refused = false;
    *ret_end = (struct control_end){.err = EPIPE}; /* nothing was said of the end */
    while (tree_frame_take(&in, &type, &payload) > 0) {
        *ret_refused = *ret_refused || type == CONTROL_REFUSED;
        if (type == CONTROL_END)
            assert_int_equal(control_take_end(payload, ret_end), 0);
    }
}

/* One conversation; what the client heard. */
static void talk(bool *ret_refused, struct control_end *ret_end)
{
    struct mount m = {.fs = fs};
    int fds[2];

    call_faults_pause();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    talk_say(fds[0]);
    call_faults_resume();
    control_talk(&m, fds[1]);
    call_faults_pause();
    talk_hear(fds[0], ret_refused, ret_end);
    close(fds[0]);
    close(fds[1]);
    call_faults_resume();
}

static void talk_without_memory(void)
{
    struct control_end end;
    bool refused;

    talk(&refused, &end);
    if (call_faults_happened())
        assert_true(end.err == ENOMEM || end.err == EPIPE);
    else
        assert_true(refused && !end.err);
}

/* The client took it for a success; or heard that what it had said makes no sense. */
static void a_daemon_that_cannot_tell_what_it_refuses_says_so_in_the_end(void **state)
{
    (void)state;
    for_each_call(CALL_ALLOC, ENOMEM, talk_without_memory);
}

/* What had come until then was told to be all, and durable. */
static void receive_badly(void)
{
    struct control_end end;
    bool refused;

    talk(&refused, &end);
    assert_int_equal(end.err, call_faults_happened() ? EIO : 0);
}

static void a_daemon_that_cannot_hear_all_does_not_say_that_it_has_all(void **state)
{
    (void)state;
    for_each_call(CALL_RECEIVE, EIO, receive_badly);
}

/* Somebody listens there and says nothing. */
static int listen_in(const char *store)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t len =
        (size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s/" CONTROL_SOCKET_NAME, store);

    assert_true(fd >= 0 && len < sizeof(name.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* It tried again and again. */
static void a_client_that_cannot_send_gives_up(void **state)
{
    const struct tree_put_options o = {.refused = on_refused};
    const char *store = scratch_path(dir, "source");
    int fd = listen_in(store);
    struct tree_outcome out;
    struct remote_put *r;

    (void)state;
    call_faults_arm(CALL_SEND, 1, ENOBUFS, CALL_FOREVER);
    assert_int_equal(remote_put_start(store, "/", &o, &r), 1);
    assert_true(call_faults_disarm());
    remote_put_finish(r, &out);
    assert_int_equal(out.err, -ENOBUFS);
    assert_string_equal(out.text, strerror(ENOBUFS));
    close(fd);
}

/* --- Export --- */

static const struct cli_program program = {.name = "test", .status_failed = STATUS_FAILED};

/* Of the file with holes alone: whether it was told to have all of it. */
static bool export_holes(const char *name)
{
    struct archive_output *out = NULL;
    struct archive_report report;
    struct tree_put_stats stats;
    struct fs_attr attr;
    bool whole;

    call_faults_pause();
    assert_int_equal(fs_resolve(fs, "/holes", &attr) < 0, false);
    assert_int_equal(archive_output_open(name, compression_of_file(name), &out), 0);
    archive_report_init(&report, name, true);
    call_faults_resume();
    whole = tree_export(fs, &attr, "holes", false, out, &report, &stats) == TREE_EXPORT_WHOLE;
    whole = whole && !archive_output_finish(out) && !report.problem_count;
    archive_output_close(out);
    call_faults_pause();
    archive_report_done(&report);
    call_faults_resume();
    return whole;
}

static void assert_same_bytes(const char *a, const char *b)
{
    static uint8_t bytes[2][1 << 18];
    const char *const names[] = {a, b};
    size_t lens[2];

    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(names[i], "r");

        assert_non_null(f);
        lens[i] = fread(bytes[i], 1, sizeof(bytes[i]), f);
        fclose(f);
    }
    assert_int_equal(lens[0], lens[1]);
    assert_memory_equal(bytes[0], bytes[1], lens[0]);
}

static void export_without_memory(void)
{
    char good[600], name[600];

    snprintf(good, sizeof(good), "%s/good.tar", dir);
    snprintf(name, sizeof(name), "%s/x.tar", dir);
    if (!export_holes(name)) {
        assert_true(call_faults_happened());
        return;
    }
    call_faults_pause();
    assert_same_bytes(name, good);
    call_faults_resume();
}

/* When the place of the data could not be found a second time the rest was zeros, silently. */
static void a_file_with_holes_is_exported_whole_or_not_silently(void **state)
{
    FILE *terminal = stderr;

    (void)state;
    cli_program = &program;
    assert_true(export_holes(scratch_path(dir, "good.tar")));
    stderr = fopen("/dev/null", "w");
    assert_non_null(stderr);
    for_each_call(CALL_ALLOC, ENOMEM, export_without_memory);
    fclose(stderr);
    stderr = terminal;
}

/* Half an archive was left, which may look whole. */
static void nothing_is_left_behind_a_symlink_of_an_export_that_failed(void **state)
{
    FILE *terminal = stderr;
    char name[600], target[600];
    struct stat st;

    (void)state;
    cli_program = &program;
    snprintf(name, sizeof(name), "%s/link.tar", dir);
    snprintf(target, sizeof(target), "%s/target.tar", dir);
    assert_int_equal(symlink(target, name), 0);
    stderr = fopen("/dev/null", "w");
    assert_non_null(stderr);
    call_faults_arm(CALL_WRITE, 1, ENOSPC, CALL_SHORT);
    assert_false(export_holes(name));
    assert_true(call_faults_disarm());
    fclose(stderr);
    stderr = terminal;
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_without_memory_is_not_taken_for_nonsense),
        TEST(a_disk_that_fails_ends_an_import_at_an_attribute_of_a_directory),
        TEST(a_daemon_that_cannot_tell_what_it_refuses_says_so_in_the_end),
        TEST(a_daemon_that_cannot_hear_all_does_not_say_that_it_has_all),
        TEST(a_client_that_cannot_send_gives_up),
        TEST(a_file_with_holes_is_exported_whole_or_not_silently),
        TEST(nothing_is_left_behind_a_symlink_of_an_export_that_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
