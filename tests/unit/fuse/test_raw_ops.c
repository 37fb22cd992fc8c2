/*
 * The requests that are served without libfuse, as messages: what is answered to whole ones, to
 * short ones, and what is left to libfuse. The kernel is a pair of sockets that keep messages
 * apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/stat.h>
#include <signal.h>
#include <sys/socket.h>

#include "fs/fuse/raw_ops.h"
#include "fs/fuse/reaper.h"
#include "fs/fuse/session.h"
#include "unit/fs/fs_fixture.h"

enum {
    OPCODE_STATX = 52,
    STATX_IN_LEN = 24,
    STATX_OUT_LEN = 288,
    UNIQUE = 4711
};

struct raw {
    struct fixture *f;
    struct mount m;
    int kernel; /* our end */
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

static int raw_setup(void **state)
{
    static const struct fuse_custom_io io = {.writev = io_writev, .read = io_read};
    struct raw *r = calloc(1, sizeof(*r));
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    void *fixture;
    int ends[2];

    assert_non_null(r);
    assert_int_equal(fixture_setup(&fixture), 0);
    r->f = fixture;
    assert_int_equal(fuse_opt_add_arg(&args, "test"), 0);
    r->m = (struct mount){.fs = r->f->fs, .block_len = 4096};
    r->m.se = fuse_session_new(&args, &fuse_ops, sizeof(fuse_ops), &r->m);
    assert_non_null(r->m.se);
    fuse_opt_free_args(&args);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(fuse_session_custom_io(r->m.se, &io, ends[0]), 0);
    r->kernel = ends[1];
    assert_int_equal(reaper_start(r->f->fs, r->m.se, &r->m.reaper), 0);
    *state = r;
    return 0;
}

static int raw_teardown(void **state)
{
    struct raw *r = *state;
    void *fixture = r->f;

    reaper_stop(r->m.reaper);
    fuse_session_destroy(r->m.se);
    if (r->kernel >= 0)
        close(r->kernel);
    free(r);
    return fixture_teardown(&fixture);
}

/* One message of the kernel; returns what raw_ops_serve says. */
static bool send_as(struct raw *r, uint32_t uid, uint32_t opcode, uint64_t nodeid, const void *body,
                    size_t body_len)
{
    uint8_t bytes[sizeof(struct fuse_in_header) + 600];
    struct fuse_in_header head = {
        .len = (uint32_t)(sizeof(head) + body_len),
        .opcode = opcode,
        .unique = UNIQUE,
        .nodeid = nodeid,
        .uid = uid,
        .gid = 6,
    };
    struct fuse_buf message = {.mem = bytes, .size = sizeof(head) + body_len};

    assert_true(body_len <= 600);
    memcpy(bytes, &head, sizeof(head));
    if (body_len)
        memcpy(bytes + sizeof(head), body, body_len);
    return raw_ops_serve(&r->m, &message);
}

static bool send_message(struct raw *r, uint32_t opcode, uint64_t nodeid, const void *body,
                         size_t body_len)
{
    return send_as(r, 5, opcode, nodeid, body, body_len);
}

/* The answer's error, 0 or negative; its body goes to body, which it fills exactly. */
static int receive(struct raw *r, void *body, size_t body_len)
{
    uint8_t bytes[1024];
    struct fuse_out_header head;
    ssize_t n = recv(r->kernel, bytes, sizeof(bytes), 0);

    assert_true(n >= (ssize_t)sizeof(head));
    memcpy(&head, bytes, sizeof(head));
    assert_int_equal(head.len, n);
    assert_int_equal(head.unique, UNIQUE);
    assert_int_equal((size_t)n - sizeof(head), head.error ? 0 : body_len);
    if (!head.error && body_len)
        memcpy(body, bytes + sizeof(head), body_len);
    return head.error;
}

static void assert_no_answer(struct raw *r)
{
    char byte;

    assert_int_equal(recv(r->kernel, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static void what_libfuse_knows_or_nobody_is_left_to_it(void **state)
{
    static const uint32_t opcodes[] = {0, FUSE_LOOKUP, FUSE_INIT, FUSE_INTERRUPT, 49, 53, 54, 4096};
    struct raw *r = *state;
    struct fuse_buf shorter = {.mem = "x", .size = 1};

    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
        assert_false(send_message(r, opcodes[i], 1, "body", 4));
    assert_false(raw_ops_serve(&r->m, &shorter));
    assert_no_answer(r);
}

struct tmpfile_body {
    struct fuse_create_in in;
    char name[2];
};

struct tmpfile_answer {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
};

static void tmpfile_makes_and_opens(void **state)
{
    struct raw *r = *state;
    struct tmpfile_body body = {{.flags = O_RDWR, .mode = S_IFREG | 0666, .umask = 027}, "/"};
    struct tmpfile_answer answer;
    struct fs_attr a;

    assert_true(send_message(r, FUSE_TMPFILE, 1, &body, sizeof(body)));
    assert_int_equal(receive(r, &answer, sizeof(answer)), 0);
    a = attr_of(r->f->fs, answer.entry.nodeid);
    assert_int_equal(a.mode, S_IFREG | 0640);
    assert_int_equal(a.uid, 5);
    assert_int_equal(a.gid, 6);
    assert_int_equal(answer.entry.generation, 1);
    assert_int_equal(answer.entry.attr.ino, answer.entry.nodeid);
    assert_int_equal(answer.entry.attr.mode, a.mode);
    assert_int_equal(answer.entry.attr.nlink, 0);
    assert_int_equal(answer.entry.attr.ctime, a.ctime.tv_sec);
    assert_int_equal(answer.open.fh, 0);
    assert_true(answer.open.open_flags & FOPEN_KEEP_CACHE);
    assert_true(fs_is_orphan(r->f->fs, a.ino));
    assert_int_equal(fs_link(r->f->fs, a.ino, 1, "name", &a), 0);
    body.in.flags |= O_EXCL;
    assert_true(send_message(r, FUSE_TMPFILE, 1, &body, sizeof(body)));
    assert_int_equal(receive(r, &answer, sizeof(answer)), 0);
    assert_int_equal(fs_link(r->f->fs, answer.entry.nodeid, 1, "name2", &a), -ENOENT);
}

static void tmpfile_is_refused(void **state)
{
    struct raw *r = *state;
    struct tmpfile_body body = {{.flags = O_RDWR, .mode = S_IFREG | 0666}, "/"};
    uint64_t file = make_file(r->f->fs, 1, "file");

    assert_true(send_message(r, FUSE_TMPFILE, file, &body, sizeof(body)));
    assert_int_equal(receive(r, NULL, 0), -ENOTDIR);
    assert_true(send_message(r, FUSE_TMPFILE, UINT64_MAX, &body, sizeof(body)));
    assert_int_equal(receive(r, NULL, 0), -ESTALE);
    for (size_t len = 0; len <= sizeof(body.in); len++) {
        assert_true(send_message(r, FUSE_TMPFILE, 1, &body, len));
        assert_int_equal(receive(r, NULL, 0), -EINVAL);
    }
    assert_int_equal(key_count(r->f->fs, KEY_ORPHAN), 0);
}

/* The kernel takes no answer: the file is one that nobody knows of. */
static void a_tmpfile_whose_answer_is_lost_goes_at_the_end(void **state)
{
    struct raw *r = *state;
    struct tmpfile_body body = {{.flags = O_RDWR, .mode = S_IFREG | 0666}, "/"};

    signal(SIGPIPE, SIG_IGN);
    close(r->kernel);
    r->kernel = -1;
    assert_true(send_message(r, FUSE_TMPFILE, 1, &body, sizeof(body)));
    reaper_stop(r->m.reaper);
    r->m.reaper = NULL;
    fixture_reopen(r->f);
    assert_int_equal(key_count(r->f->fs, KEY_ORPHAN), 0);
    assert_int_equal(everything_agrees(r->f->fs), 1);
}

static uint64_t le_at(const uint8_t *bytes, size_t offset, size_t len)
{
    uint64_t v = 0;

    memcpy(&v, bytes + offset, len);
    return v;
}

/* By the offsets of linux/fuse.h, not by the structure under test. */
static void statx_tells_everything(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make(r->f->fs, 1, "dev", S_IFCHR | 0640);
    struct fs_attr set = {.atime = {-5, 1}, .mtime = {6, 2}, .ctime = {7, 3}}, a;
    uint8_t in[STATX_IN_LEN] = {0}, out[STATX_OUT_LEN];

    assert_int_equal(
        fs_setattr(r->f->fs, ino, &set, FS_SET_ATIME | FS_SET_MTIME | FS_SET_CTIME, &a), 0);
    assert_true(send_message(r, OPCODE_STATX, ino, in, sizeof(in)));
    assert_int_equal(receive(r, out, sizeof(out)), 0);
    assert_true(le_at(out, 0, 8) > 1000000);
    assert_int_equal(le_at(out, 32, 4), STATX_BASIC_STATS | STATX_BTIME);
    assert_int_equal(le_at(out, 32 + 16, 4), 1); /* nlink */
    assert_int_equal(le_at(out, 32 + 20, 4), cred0.uid);
    assert_int_equal(le_at(out, 32 + 24, 4), cred0.gid);
    assert_int_equal(le_at(out, 32 + 28, 2), S_IFCHR | 0640);
    assert_int_equal(le_at(out, 32 + 32, 8), ino);
    assert_int_equal((int64_t)le_at(out, 32 + 64, 8), -5);
    assert_int_equal(le_at(out, 32 + 72, 4), 1);
    assert_int_equal((int64_t)le_at(out, 32 + 80, 8), a.btime.tv_sec);
    assert_int_equal(le_at(out, 32 + 88, 4), a.btime.tv_nsec);
    assert_int_equal(le_at(out, 32 + 96, 8), 7);
    assert_int_equal(le_at(out, 32 + 112, 8), 6);
    assert_int_equal(le_at(out, 32 + 120, 4), 2);
}

static void statx_is_refused(void **state)
{
    struct raw *r = *state;
    uint8_t in[STATX_IN_LEN] = {0};

    assert_true(send_message(r, OPCODE_STATX, 12345, in, sizeof(in)));
    assert_int_equal(receive(r, NULL, 0), -ESTALE);
    for (size_t len = 0; len < sizeof(in); len++) {
        assert_true(send_message(r, OPCODE_STATX, 1, in, len));
        assert_int_equal(receive(r, NULL, 0), -EINVAL);
    }
}

static void syncfs_makes_everything_durable(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make_file(r->f->fs, 1, "file");
    uint8_t in[8] = {0};
    struct lsm_stats stats;

    assert_int_equal(fs_write(r->f->fs, ino, 0, "x", 1), 0);
    assert_int_equal(lsm_stats(fs_db(r->f->fs), &stats), 0);
    assert_true(stats.synced_seqno < stats.seqno);
    assert_true(send_message(r, FUSE_SYNCFS, 1, in, sizeof(in)));
    assert_int_equal(receive(r, NULL, 0), 0);
    assert_int_equal(lsm_stats(fs_db(r->f->fs), &stats), 0);
    assert_int_equal(stats.synced_seqno, stats.seqno);
    assert_true(send_message(r, FUSE_SYNCFS, 1, in, 7));
    assert_int_equal(receive(r, NULL, 0), -EINVAL);
}

static void a_length_that_is_not_the_messages_is_refused(void **state)
{
    struct raw *r = *state;
    struct {
        struct fuse_in_header head;
        uint8_t body[STATX_IN_LEN];
    } bytes = {.head = {.opcode = OPCODE_STATX, .unique = UNIQUE, .nodeid = 1}};
    struct fuse_buf message = {.mem = &bytes, .size = sizeof(bytes)};

    for (int by = -1; by <= 1; by += 2) {
        bytes.head.len = (uint32_t)((int)sizeof(bytes) + by);
        assert_true(raw_ops_serve(&r->m, &message));
        assert_int_equal(receive(r, NULL, 0), -EINVAL);
    }
}

static void statx_tells_the_owners_that_the_mount_shows(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make(r->f->fs, 1, "file", S_IFREG | 0600);
    uint8_t in[STATX_IN_LEN] = {0}, out[STATX_OUT_LEN];

    r->m.view = (struct owner_view){
        .has_uid = true, .has_gid = true, .has_fmask = true, .uid = 7, .gid = 8, .fmask = 027};
    assert_true(send_message(r, OPCODE_STATX, ino, in, sizeof(in)));
    assert_int_equal(receive(r, out, sizeof(out)), 0);
    assert_int_equal(le_at(out, 32 + 20, 4), 7);
    assert_int_equal(le_at(out, 32 + 24, 4), 8);
    assert_int_equal(le_at(out, 32 + 28, 2), S_IFREG | 0750);
}

static void setattr_and_write_are_libfuses_unless_they_say_more(void **state)
{
    struct raw *r = *state;
    struct fuse_setattr_in set = {.valid = FATTR_MODE};
    struct fuse_write_in in = {.size = 0};

    assert_false(send_message(r, FUSE_SETATTR, 1, &set, sizeof(set)));
    assert_false(send_message(r, FUSE_WRITE, 1, &in, sizeof(in)));
    assert_no_answer(r);
}

/* The mode of a file with this one, when that request has come. */
static uint32_t mode_after_setattr(struct raw *r, uint32_t mode, const struct fuse_setattr_in *in)
{
    uint64_t ino = make(r->f->fs, 1, "file", mode);
    struct fuse_attr_out out;
    struct fs_attr attr;

    assert_true(send_message(r, FUSE_SETATTR, ino, in, sizeof(*in)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_int_equal(fs_getattr(r->f->fs, ino, &attr), 0);
    assert_int_equal(out.attr.mode, attr.mode);
    assert_int_equal(out.attr.ino, ino);
    assert_true(out.attr_valid > 1000000);
    if (S_ISDIR(mode))
        assert_int_equal(fs_rmdir(r->f->fs, 1, "file"), 0);
    else
        assert_int_equal(fs_unlink(r->f->fs, 1, "file"), 0);
    return attr.mode;
}

static void setattr_takes_set_id_bits_where_it_says_so(void **state)
{
    static const struct {
        uint32_t before, after;
    } rows[] = {
        {S_IFREG | 06777, S_IFREG | 0777},  {S_IFREG | 04600, S_IFREG | 0600},
        {S_IFREG | 02767, S_IFREG | 02767}, {S_IFREG | 06701, S_IFREG | 02701},
        {S_IFREG | 01770, S_IFREG | 01770}, {S_IFIFO | 06777, S_IFIFO | 0777},
        {S_IFDIR | 06777, S_IFDIR | 06777},
    };
    static const uint32_t valid[] = {
        0,
        FATTR_FH | FATTR_LOCKOWNER,
        FATTR_KILL_SUIDGID,
        FATTR_UID | FATTR_KILL_SUIDGID,
        FATTR_MTIME_NOW | FATTR_KILL_SUIDGID,
    };
    struct raw *r = *state;

    atomic_store(&r->m.killpriv, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fuse_setattr_in in = {.valid = FATTR_MTIME | FATTR_ATIME_NOW, .mtime = 5};

        assert_int_equal(mode_after_setattr(r, rows[i].before, &in), rows[i].before);
        for (size_t j = 0; j < sizeof(valid) / sizeof(valid[0]); j++) {
            in = (struct fuse_setattr_in){.valid = valid[j], .uid = 9};
            assert_int_equal(mode_after_setattr(r, rows[i].before, &in), rows[i].after);
        }
    }
}

static void roots_setattr_of_nothing_takes_no_set_id_bits(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make(r->f->fs, 1, "file", S_IFREG | 06777);
    struct fuse_setattr_in in = {.valid = FATTR_LOCKOWNER};
    struct fuse_attr_out out;

    atomic_store(&r->m.killpriv, true);
    assert_true(send_as(r, 0, FUSE_SETATTR, ino, &in, sizeof(in)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_int_equal(out.attr.mode, S_IFREG | 06777);
    in.valid = FATTR_UID | FATTR_KILL_SUIDGID;
    assert_true(send_as(r, 0, FUSE_SETATTR, ino, &in, sizeof(in)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_int_equal(out.attr.mode, S_IFREG | 0777);
}

static void setattr_sets_each(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make_file(r->f->fs, 1, "file");
    struct fuse_setattr_in in = {
        .valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME |
                 FATTR_CTIME,
        .size = 7,
        .atime = (uint64_t)-2,
        .mtime = 3,
        .ctime = 4,
        .atimensec = 20,
        .mtimensec = 30,
        .ctimensec = 40,
        .mode = 06751,
        .uid = 8,
        .gid = 9,
    };
    struct fuse_attr_out out;

    atomic_store(&r->m.killpriv, true);
    assert_true(send_message(r, FUSE_SETATTR, ino, &in, sizeof(in)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_true(out.attr.mode == (S_IFREG | 06751) && out.attr.uid == 8 && out.attr.gid == 9);
    assert_true(out.attr.size == 7 && out.attr.nlink == 1);
    assert_true((int64_t)out.attr.atime == -2 && out.attr.atimensec == 20);
    assert_true(out.attr.mtime == 3 && out.attr.mtimensec == 30);
    assert_true(out.attr.ctime == 4 && out.attr.ctimensec == 40);
    for (size_t len = 0; len < sizeof(in); len += 8) {
        assert_true(send_message(r, FUSE_SETATTR, ino, &in, len));
        assert_int_equal(receive(r, NULL, 0), -EINVAL);
    }
    in.atimensec = 1000000000;
    assert_true(send_message(r, FUSE_SETATTR, ino, &in, sizeof(in)));
    assert_int_equal(receive(r, NULL, 0), -EINVAL);
    assert_true(send_message(r, FUSE_SETATTR, 12345, &in, sizeof(in)));
    assert_true(receive(r, NULL, 0) < 0);
}

struct write_body {
    struct fuse_write_in in;
    char data[4];
};

static void write_takes_set_id_bits_where_it_says_so(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make(r->f->fs, 1, "file", S_IFREG | 06777);
    struct write_body b = {.in = {.offset = 2, .size = 4}, .data = {'a', 'b', 'c', 'd'}};
    struct fuse_write_out out;
    struct fs_attr attr;
    struct fs_read read;

    atomic_store(&r->m.killpriv, true);
    assert_true(send_message(r, FUSE_WRITE, ino, &b, sizeof(b)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_int_equal(out.size, 4);
    assert_int_equal(fs_getattr(r->f->fs, ino, &attr), 0);
    assert_true(attr.mode == (S_IFREG | 06777) && attr.size == 6);
    b.in.write_flags = FUSE_WRITE_KILL_SUIDGID;
    assert_true(send_message(r, FUSE_WRITE, ino, &b, sizeof(b)));
    assert_int_equal(receive(r, &out, sizeof(out)), 0);
    assert_int_equal(fs_getattr(r->f->fs, ino, &attr), 0);
    assert_int_equal(attr.mode, S_IFREG | 0777);
    assert_int_equal(fs_read(r->f->fs, ino, 0, 100, &read), 0);
    assert_int_equal(read.len, 6);
    assert_memory_equal(read.iov[0].iov_base, "\0\0abcd", 6);
    fs_read_done(&read);
}

static void write_is_refused(void **state)
{
    struct raw *r = *state;
    uint64_t ino = make_file(r->f->fs, 1, "file");
    struct write_body b = {.in = {.size = sizeof(b) - sizeof(b.in) + 1}};

    atomic_store(&r->m.killpriv, true);
    assert_true(send_message(r, FUSE_WRITE, ino, &b, sizeof(b)));
    assert_int_equal(receive(r, NULL, 0), -EINVAL);
    assert_true(send_message(r, FUSE_WRITE, ino, &b, sizeof(b.in) - 1));
    assert_int_equal(receive(r, NULL, 0), -EINVAL);
    b.in.size = 4;
    assert_true(send_message(r, FUSE_WRITE, 1, &b, sizeof(b)));
    assert_int_equal(receive(r, NULL, 0), -EISDIR);
    b.in.offset = UINT64_MAX - 1;
    assert_true(send_message(r, FUSE_WRITE, ino, &b, sizeof(b)));
    assert_int_equal(receive(r, NULL, 0), -EFBIG);
}

#define RAW_TEST(f) cmocka_unit_test_setup_teardown(f, raw_setup, raw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RAW_TEST(what_libfuse_knows_or_nobody_is_left_to_it),
        RAW_TEST(tmpfile_makes_and_opens),
        RAW_TEST(tmpfile_is_refused),
        RAW_TEST(a_tmpfile_whose_answer_is_lost_goes_at_the_end),
        RAW_TEST(statx_tells_everything),
        RAW_TEST(statx_is_refused),
        RAW_TEST(syncfs_makes_everything_durable),
        RAW_TEST(a_length_that_is_not_the_messages_is_refused),
        RAW_TEST(statx_tells_the_owners_that_the_mount_shows),
        RAW_TEST(setattr_and_write_are_libfuses_unless_they_say_more),
        RAW_TEST(setattr_takes_set_id_bits_where_it_says_so),
        RAW_TEST(roots_setattr_of_nothing_takes_no_set_id_bits),
        RAW_TEST(setattr_sets_each),
        RAW_TEST(write_takes_set_id_bits_where_it_says_so),
        RAW_TEST(write_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
