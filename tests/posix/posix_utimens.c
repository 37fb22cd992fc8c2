/*
 * utimensat(2) and futimens(3): which times are set to what, and who may do it.
 */
#include "posix/lib/posix.h"

#include <time.h>

#define OMIT                                                                                       \
    {                                                                                              \
        0, UTIME_OMIT                                                                              \
    }
#define NOW                                                                                        \
    {                                                                                              \
        0, UTIME_NOW                                                                               \
    }

static int set(const char *path, struct timespec atime, struct timespec mtime)
{
    const struct timespec times[2] = {atime, mtime};

    return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

static const struct timespec omit = OMIT, now = NOW;

static struct timespec at(time_t sec, long nsec)
{
    return (struct timespec){sec, nsec};
}

static void expect_times(const char *path, struct timespec atime, struct timespec mtime)
{
    struct statx st = st_of(path);

    expect_eq(atime.tv_sec, st.stx_atime.tv_sec);
    expect_eq(atime.tv_nsec, st.stx_atime.tv_nsec);
    expect_eq(mtime.tv_sec, st.stx_mtime.tv_sec);
    expect_eq(mtime.tv_nsec, st.stx_mtime.tv_nsec);
}

static bool is_recent(struct statx_timestamp t)
{
    time_t sec = time(NULL);

    return t.tv_sec >= sec - 60 && t.tv_sec <= sec + 1;
}

static void every_type_keeps_nanoseconds(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        struct statx was;

        make("x", k->type);
        was = mark("x");
        must(set("x", at(1000000000, 123456789), at(1000000001, 987654321)));
        expect_times("x", at(1000000000, 123456789), at(1000000001, 987654321));
        expect(st_of("x").stx_ctime.tv_sec >= was.stx_ctime.tv_sec);
        expect(is_recent(st_of("x").stx_ctime));
        remove_any("x");
    }
}

static void times_before_1970_and_after_2038_are_kept(void **state)
{
    static const time_t secs[] = {
        -2147483647, -1,         0,          1,          2147483647,
        2147483648,  4294967295, 4294967296, 8589934591, 15032385534,
    };
    static const long nsecs[] = {0, 1, 999999999};

    (void)state;
    make_file("f", "");
    make_dir("d");
    for (size_t i = 0; i < sizeof(secs) / sizeof(secs[0]); i++)
        for (size_t j = 0; j < sizeof(nsecs) / sizeof(nsecs[0]); j++) {
            must(set("f", at(secs[i], nsecs[j]), at(secs[i], nsecs[j])));
            expect_times("f", at(secs[i], nsecs[j]), at(secs[i], nsecs[j]));
            must(set("d", at(1, 1), at(secs[i], nsecs[j])));
            expect_times("d", at(1, 1), at(secs[i], nsecs[j]));
        }
}

static void times_that_ext4_cannot_hold(void **state)
{
    const time_t first = -2147483648, last = 15032385535;
    const time_t early = -100000000000, late = 100000000000;

    (void)state;
    make_file("f", "");
    must(set("f", at(early, 5), at(late, 7)));
    if (deviates("times before 1901 and after 2446"))
        expect_times("f", at(early, 5), at(late, 7));
    else
        expect_times("f", at(first, 0), at(last, 0));
}

static void omitted_times_stay(void **state)
{
    struct statx was;

    (void)state;
    make_file("f", "");
    must(set("f", at(10, 1), at(20, 2)));
    must(set("f", omit, at(21, 3)));
    expect_times("f", at(10, 1), at(21, 3));
    must(set("f", at(11, 4), omit));
    expect_times("f", at(11, 4), at(21, 3));
    was = mark("f");
    must(set("f", omit, omit));
    expect_times("f", at(11, 4), at(21, 3));
    expect_changed(&was, "f", 0);
    must(set("missing", omit, omit));
}

static void either_time_sets_the_ctime(void **state)
{
    struct statx was, is;

    (void)state;
    make_file("f", "");
    was = mark("f");
    must(set("f", at(10, 0), omit));
    expect_changed(&was, "f", CTIME);
    was = mark("f");
    must(set("f", omit, at(10, 0)));
    is = mark("f");
    expect(is.stx_ctime.tv_sec != was.stx_ctime.tv_sec ||
           is.stx_ctime.tv_nsec != was.stx_ctime.tv_nsec);
    /* The same values once more. */
    must(set("f", omit, at(10, 0)));
    expect_changed(&is, "f", CTIME);
}

static void now_is_now(void **state)
{
    struct statx st;

    (void)state;
    make_file("f", "");
    must(set("f", at(1, 0), at(2, 0)));
    must(set("f", now, omit));
    st = st_of("f");
    expect(is_recent(st.stx_atime));
    expect_eq(2, st.stx_mtime.tv_sec);
    must(set("f", at(1, 0), now));
    st = st_of("f");
    expect(is_recent(st.stx_mtime));
    expect_eq(1, st.stx_atime.tv_sec);
    must(set("f", at(1, 0), at(2, 0)));
    must(utimensat(AT_FDCWD, "f", NULL, 0));
    st = st_of("f");
    expect(is_recent(st.stx_mtime));
    expect(is_recent(st.stx_atime));
    expect_eq(st.stx_atime.tv_sec, st.stx_mtime.tv_sec);
    expect_eq(st.stx_atime.tv_nsec, st.stx_mtime.tv_nsec);
}

static void descriptors_and_symlinks(void **state)
{
    const struct timespec times[2] = {{5, 6}, {7, 8}};
    int fd;

    (void)state;
    make_file("f", "");
    must(symlink("f", "l"));
    must(utimensat(AT_FDCWD, "l", times, 0));
    expect_times("f", at(5, 6), at(7, 8));
    expect(is_recent(st_of("l").stx_mtime));
    fd = must(open("f", O_RDONLY));
    must(futimens(fd, (struct timespec[2]){{1, 2}, {3, 4}}));
    expect_times("f", at(1, 2), at(3, 4));
    must(unlink("f"));
    must(futimens(fd, times));
    must(close(fd));
    must_fail(ENOENT, utimensat(AT_FDCWD, "l", times, 0));
}

static void set_times_outlive_closing_and_reading(void **state)
{
    char buf[8];
    int fd;

    (void)state;
    make_file("f", "text");
    fd = must(open("f", O_RDWR));
    expect_eq(4, write(fd, "more", 4));
    must(futimens(fd, (struct timespec[2]){{1, 2}, {3, 4}}));
    must(close(fd));
    expect_eq(3, st_of("f").stx_mtime.tv_sec);
    fd = must(open("f", O_RDONLY));
    expect_eq(4, read(fd, buf, sizeof(buf)));
    must(close(fd));
    expect_eq(3, st_of("f").stx_mtime.tv_sec);
    expect_eq(4, st_of("f").stx_mtime.tv_nsec);
}

static void impossible_nanoseconds_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must_fail(EINVAL, set("f", at(1, 1000000000), at(1, 0)));
    must_fail(EINVAL, set("f", at(1, 0), at(1, 1000000000)));
    must_fail(EINVAL, set("f", at(1, -1), at(1, 0)));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    const struct timespec times[2] = {{1, 2}, {3, 4}};

    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, set("missing", now, now));
    must_fail(ENOENT, utimensat(AT_FDCWD, "", times, 0));
    must_fail(ENOTDIR, set("f/x", now, now));
    must_fail(ENOTDIR, set("f/", now, now));
    must_fail(ELOOP, utimensat(AT_FDCWD, "loop", times, 0));
    must_fail(ENAMETOOLONG, set(long_name(256), now, now));
    must_fail(ENAMETOOLONG, set(long_name(4096), now, now));
    must_fail(EBADF, futimens(-1, times));
    must_fail(EINVAL, utimensat(AT_FDCWD, "f", times, 1 << 30));
}

/* What a user may do to a file of UID_OWNER, by the rights that they have. */
static void who_may_set_which(void **state)
{
    static const struct {
        uid_t uid;
        mode_t mode;
        int set_now, set_any;
    } rows[] = {
        {UID_OWNER, 0644, 0, 0},
        {UID_OWNER, 0, 0, 0},
        {UID_OTHER, 0666, 0, EPERM},
        {UID_OTHER, 0622, 0, EPERM},
        {UID_OTHER, 0644, EACCES, EPERM},
        {UID_OTHER, 0600, EACCES, EPERM},
        {0, 0, 0, 0},
    };
    static const struct {
        struct timespec atime, mtime;
        bool is_now;
    } times[] = {
        {NOW, NOW, true},     {{1, 1}, {1, 1}, false}, {NOW, OMIT, false},    {OMIT, NOW, false},
        {NOW, {1, 1}, false}, {{1, 1}, NOW, false},    {OMIT, {1, 1}, false}, {{1, 1}, OMIT, false},
    };

    (void)state;
    need_root();
    make_file("f", "");
    make_dir("d");
    must(chown("f", UID_OWNER, GID_OWNER));
    must(chown("d", UID_OWNER, GID_OWNER));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < sizeof(times) / sizeof(times[0]); j++) {
            int err = times[j].is_now ? rows[i].set_now : rows[i].set_any;

            for (int dir = 0; dir < 2; dir++) {
                const char *path = dir ? "d" : "f";

                must(chmod(path, rows[i].mode));
                become(rows[i].uid, GID_OTHER);
                if (err)
                    must_fail(err, set(path, times[j].atime, times[j].mtime));
                else
                    must(set(path, times[j].atime, times[j].mtime));
                become_self();
            }
        }
    must(chmod("d", 0755));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_type_keeps_nanoseconds),
    POSIX_TEST(times_before_1970_and_after_2038_are_kept),
    POSIX_TEST(times_that_ext4_cannot_hold),
    POSIX_TEST(omitted_times_stay),
    POSIX_TEST(either_time_sets_the_ctime),
    POSIX_TEST(now_is_now),
    POSIX_TEST(descriptors_and_symlinks),
    POSIX_TEST(set_times_outlive_closing_and_reading),
    POSIX_TEST(impossible_nanoseconds_are_refused),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(who_may_set_which),
};

POSIX_MAIN("utimens", tests)
