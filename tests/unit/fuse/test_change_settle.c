/*
 * Changes that were made but can't be made durable, with the options dirsync and sync: the answer
 * is an error, the change stays, and the kernel is told what to forget. The kernel is a pair of
 * sockets that keep messages apart, the disk one whose syncs fail.
 */
#include <linux/fuse.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fs/fuse/cache_drop.h"
#include "fs/fuse/session.h"
#include "lib/env_fault.h"
#include "lsm/db/db.h"
#include "unit/fs/fs_fixture.h"

enum {
    ROOT = 1,
    UNIQUE = 4711,
    MESSAGE_LEN_MAX = 4096,
    WAIT_MS = 20000, /* for a message that must come */
};

struct settle {
    struct fixture *f;
    struct env_fault *fault;
    struct mount m;
    int kernel;                 /* our end */
    uint64_t file, other, dir;  /* of these names; the file is also "hard" */
    char told[MESSAGE_LEN_MAX]; /* the notifications since the last request, as text, in order */
    int answer;                 /* error of the last request */
};

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *arg)
{
    (void)arg;
    return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *arg)
{
    (void)arg;
    return read(fd, buf, len);
}

/* The next message of the daemon; returns its length. */
static size_t receive(struct settle *s, void *bytes)
{
    struct pollfd fd = {.fd = s->kernel, .events = POLLIN};
    ssize_t n;

    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    n = recv(s->kernel, bytes, MESSAGE_LEN_MAX, 0);
    assert_true(n >= (ssize_t)sizeof(struct fuse_out_header));
    return (size_t)n;
}

static void note(struct settle *s, const char *text)
{
    assert_true(strlen(s->told) + strlen(text) < sizeof(s->told));
    strcat(s->told, text);
}

static void note_message(struct settle *s, const uint8_t *body, int code)
{
    struct fuse_notify_inval_entry_out entry;
    struct fuse_notify_inval_inode_out inode;
    char text[MESSAGE_LEN_MAX];

    if (code == FUSE_NOTIFY_INVAL_ENTRY) {
        memcpy(&entry, body, sizeof(entry));
        snprintf(text, sizeof(text), "name %llu/%.255s\n", (unsigned long long)entry.parent,
                 (const char *)body + sizeof(entry));
    } else {
        assert_int_equal(code, FUSE_NOTIFY_INVAL_INODE);
        memcpy(&inode, body, sizeof(inode));
        assert_int_equal(inode.off, 0);
        assert_int_equal(inode.len, 0);
        snprintf(text, sizeof(text), "inode %llu\n", (unsigned long long)inode.ino);
    }
    note(s, text);
}

/* Take messages until the answer and so many notifications have come, in whatever order. */
static void take(struct settle *s, unsigned notifications)
{
    bool answered = false;

    s->told[0] = '\0';
    while (!answered || notifications) {
        uint8_t bytes[MESSAGE_LEN_MAX + 1] = {0};
        struct fuse_out_header head;

        receive(s, bytes);
        memcpy(&head, bytes, sizeof(head));
        if (head.unique) {
            assert_int_equal(head.unique, UNIQUE);
            assert_false(answered);
            s->answer = head.error;
            answered = true;
        } else {
            assert_true(notifications > 0);
            notifications--;
            note_message(s, bytes + sizeof(head), head.error);
        }
    }
}

/* A request whose body is a structure and up to two names, each with its end. */
static void send_request(struct settle *s, uint32_t opcode, uint64_t nodeid, const void *body,
                         size_t body_len, const char *name, const char *name2)
{
    uint8_t bytes[MESSAGE_LEN_MAX] = {0};
    struct fuse_in_header head = {.opcode = opcode, .unique = UNIQUE, .nodeid = nodeid};
    struct fuse_buf message = {.mem = bytes, .size = sizeof(head) + body_len};

    if (body_len)
        memcpy(bytes + sizeof(head), body, body_len);
    if (name)
        message.size += (size_t)sprintf((char *)bytes + message.size, "%s", name) + 1;
    if (name2)
        message.size += (size_t)sprintf((char *)bytes + message.size, "%s", name2) + 1;
    head.len = (uint32_t)message.size;
    memcpy(bytes, &head, sizeof(head));
    fuse_session_process_buf(s->m.se, &message);
}

static void session_start(struct settle *s)
{
    static const struct fuse_custom_io io = {.writev = io_writev, .read = io_read};
    const struct fuse_init_in in = {.major = FUSE_KERNEL_VERSION,
                                    .minor = FUSE_KERNEL_MINOR_VERSION};
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    int ends[2];

    assert_int_equal(fuse_opt_add_arg(&args, "test"), 0);
    s->m.se = fuse_session_new(&args, &fuse_ops, sizeof(fuse_ops), &s->m);
    assert_non_null(s->m.se);
    fuse_opt_free_args(&args);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(fuse_session_custom_io(s->m.se, &io, ends[0]), 0);
    s->kernel = ends[1];
    send_request(s, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL);
    take(s, 0);
    assert_int_equal(s->answer, 0);
    assert_int_equal(cache_drop_start(s->m.se, &s->m.cache_drop), 0);
}

static int settle_setup(void **state)
{
    struct settle *s = calloc(1, sizeof(*s));
    struct lsm_options o;
    struct lsm_db *db;
    struct env *base;
    struct fs_attr a;
    void *fixture;

    assert_non_null(s);
    assert_int_equal(fixture_setup(&fixture), 0);
    s->f = fixture;
    s->file = make_file(s->f->fs, ROOT, "file");
    s->other = make_file(s->f->fs, ROOT, "other");
    s->dir = make(s->f->fs, ROOT, "dir", S_IFDIR | 0755);
    assert_int_equal(fs_link(s->f->fs, s->file, ROOT, "hard", &a), 0);
    assert_int_equal(fs_close(s->f->fs), 0);
    assert_int_equal(env_posix_open(s->f->path, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &s->fault), 0);
    lsm_options_default(&o);
    assert_int_equal(db_open(env_fault_env(s->fault), &o, &db), 0);
    assert_int_equal(fs_open_on(db, NULL, &s->f->fs), 0);
    s->m = (struct mount){.fs = s->f->fs, .block_len = 4096, .sync_names = true, .sync_all = true};
    session_start(s);
    env_fault_fail(s->fault, ENV_FAULT_SYNC, 1, EIO, true);
    *state = s;
    return 0;
}

static int settle_teardown(void **state)
{
    struct settle *s = *state;

    cache_drop_stop(s->m.cache_drop);
    fuse_session_destroy(s->m.se);
    close(s->kernel);
    assert_true(fs_close(s->f->fs) < 0 || !env_fault_happened(s->fault));
    env_fault_close(s->fault);
    fixture_free(s->f);
    free(s);
    return 0;
}

/* What the change was answered, and what the kernel is to forget. */
static void assert_told(struct settle *s, const char *expected)
{
    unsigned lines = 0;

    for (const char *at = expected; *at; at++)
        lines += *at == '\n';
    take(s, lines);
    assert_int_equal(s->answer, -EROFS); /* as the store is from now on */
    assert_string_equal(s->told, expected);
    assert_true(env_fault_happened(s->fault));
}

/* The inode of a name in the root; 0: none. */
static uint64_t found(struct settle *s, const char *name)
{
    return ino_of(s->m.fs, ROOT, name);
}

static const char *text(const char *format, uint64_t a, uint64_t b)
{
    static char line[200];

    snprintf(line, sizeof(line), format, (unsigned long long)a, (unsigned long long)b);
    return line;
}

static void a_new_name_is_forgotten_to_be_absent(void **state)
{
    struct settle *s = *state;
    const struct fuse_mkdir_in in = {.mode = 0755};

    send_request(s, FUSE_MKDIR, ROOT, &in, sizeof(in), "new", NULL);
    assert_told(s, "name 1/new\ninode 1\n");
    assert_true(found(s, "new") != 0);
}

static void after_a_link_its_inode_is_forgotten_too(void **state)
{
    struct settle *s = *state;
    const struct fuse_link_in in = {.oldnodeid = s->file};

    send_request(s, FUSE_LINK, ROOT, &in, sizeof(in), "new", NULL);
    assert_told(s, text("name 1/new\ninode 1\ninode %llu\n", s->file, 0));
    assert_int_equal(found(s, "new"), s->file);
}

static void a_removed_name_is_forgotten_with_its_inode(void **state)
{
    struct settle *s = *state;

    send_request(s, FUSE_UNLINK, ROOT, NULL, 0, "file", NULL);
    assert_told(s, text("name 1/file\ninode 1\ninode %llu\n", s->file, 0));
    assert_int_equal(found(s, "file"), 0);
}

static void a_removed_directory_is_forgotten(void **state)
{
    struct settle *s = *state;

    send_request(s, FUSE_RMDIR, ROOT, NULL, 0, "dir", NULL);
    assert_told(s, text("name 1/dir\ninode 1\ninode %llu\n", s->dir, 0));
    assert_int_equal(found(s, "dir"), 0);
}

static void both_names_and_inodes_of_a_rename_are_forgotten(void **state)
{
    struct settle *s = *state;
    const struct fuse_rename_in in = {.newdir = ROOT};

    send_request(s, FUSE_RENAME, ROOT, &in, sizeof(in), "file", "other");
    assert_told(
        s, text("name 1/file\nname 1/other\ninode 1\ninode %llu\ninode %llu\n", s->file, s->other));
    assert_int_equal(found(s, "other"), s->file);
}

static void attributes_that_were_set_are_forgotten(void **state)
{
    struct settle *s = *state;
    const struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = 0600};

    send_request(s, FUSE_SETATTR, s->file, &in, sizeof(in), NULL, NULL);
    assert_told(s, text("inode %llu\n", s->file, 0));
    assert_int_equal(attr_of(s->m.fs, s->file).mode, S_IFREG | 0600);
}

static void contents_that_were_cut_out_are_forgotten(void **state)
{
    struct settle *s = *state;
    const struct fuse_fallocate_in in = {.length = 4096};

    send_request(s, FUSE_FALLOCATE, s->file, &in, sizeof(in), NULL, NULL);
    assert_told(s, text("inode %llu\n", s->file, 0));
    assert_int_equal(attr_of(s->m.fs, s->file).size, 4096);
}

static void with_dirsync_only_names_are_synced(void **state)
{
    struct settle *s = *state;
    const struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = 0600};
    const struct fuse_mkdir_in mkdir_in = {.mode = 0755};

    s->m.sync_all = false;
    send_request(s, FUSE_SETATTR, s->file, &in, sizeof(in), NULL, NULL);
    take(s, 0);
    assert_int_equal(s->answer, 0);
    assert_false(env_fault_happened(s->fault));
    send_request(s, FUSE_MKDIR, ROOT, &mkdir_in, sizeof(mkdir_in), "new", NULL);
    assert_told(s, "name 1/new\ninode 1\n");
}

/* What fails for another reason has changed nothing; there is nothing to forget. */
static void what_was_not_made_is_not_forgotten(void **state)
{
    struct settle *s = *state;
    const struct fuse_mkdir_in in = {.mode = 0755};

    send_request(s, FUSE_MKDIR, ROOT, &in, sizeof(in), "file", NULL);
    take(s, 0);
    assert_int_equal(s->answer, -EEXIST);
    send_request(s, FUSE_MKDIR, ROOT, &in, sizeof(in), "new", NULL);
    assert_told(s, "name 1/new\ninode 1\n");
    /* From now on the store is read-only. */
    send_request(s, FUSE_MKDIR, ROOT, &in, sizeof(in), "new2", NULL);
    take(s, 0);
    assert_int_equal(s->answer, -EROFS);
    assert_int_equal(found(s, "new2"), 0);
}

#define SETTLE_TEST(f) cmocka_unit_test_setup_teardown(f, settle_setup, settle_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTLE_TEST(a_new_name_is_forgotten_to_be_absent),
        SETTLE_TEST(after_a_link_its_inode_is_forgotten_too),
        SETTLE_TEST(a_removed_name_is_forgotten_with_its_inode),
        SETTLE_TEST(a_removed_directory_is_forgotten),
        SETTLE_TEST(both_names_and_inodes_of_a_rename_are_forgotten),
        SETTLE_TEST(attributes_that_were_set_are_forgotten),
        SETTLE_TEST(contents_that_were_cut_out_are_forgotten),
        SETTLE_TEST(with_dirsync_only_names_are_synced),
        SETTLE_TEST(what_was_not_made_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
