/*
 * A side: a process that sees nothing but its root, and runs the steps there.
 *
 * Its root is the process's (chroot): "..", absolute paths and symlinks stay inside. Each step runs
 * as the step's user; the objects around it are looked at as root. A FIFO is never waited for:
 * every open is O_NONBLOCK.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mount/differential/diff.h"

const struct side_user side_users[USER_COUNT] = {
    {0, 0, 0},
    {1001, 1001, 2001},
    {1002, 1002, 2001},
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "differential: %s: %s\n", what, strerror(errno));
    _exit(2);
}

void side_enter(struct side *s, const char *root)
{
    /* Opened here: below the new root there is no /proc. */
    s->drop_fd = s->is_mount ? open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC) : -1;
    must(chroot(root) == 0 && chdir("/") == 0, root);
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    s->umask = 0;
    s->user = 0;
    must(setgroups(0, NULL) == 0, "setgroups");
    for (size_t i = 0; i < SLOT_COUNT; i++)
        s->fds[i] = -1;
}

void side_become(struct side *s, unsigned user)
{
    const struct side_user *u = &side_users[user];

    if (s->user == user)
        return;
    must(seteuid(0) == 0, "seteuid");
    must(setgroups(user ? 1 : 0, &u->group) == 0, "setgroups");
    must(setegid(u->gid) == 0 && seteuid(u->uid) == 0, "seteuid");
    s->user = user;
}

void side_broken(struct side *s, const char *format, ...)
{
    va_list args;

    if (s->is_shared || s->result->broken[0])
        return;
    va_start(args, format);
    vsnprintf(s->result->broken, sizeof(s->result->broken), format, args);
    va_end(args);
}

int side_fd(const struct side *s, int slot)
{
    return slot == NO_SLOT ? -1 : s->fds[slot];
}

int side_base(const struct side *s, const struct step *st)
{
    return st->base == NO_SLOT ? AT_FDCWD : s->fds[st->base];
}

void side_close_all(struct side *s)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (s->fds[i] >= 0)
            close(s->fds[i]);
        s->fds[i] = -1;
        s->is_direct[i] = false;
    }
}

/* --- Looking at objects --- */

static int64_t time_seen(const struct timespec *t)
{
    time_t now = time(NULL);

    if (t->tv_sec > now - 86400 && t->tv_sec < now + 86400)
        return TIME_NOW;
    return t->tv_sec * 1000000000 + t->tv_nsec;
}

static void seen_from_stat(const struct stat *st, struct seen *ret)
{
    *ret = (struct seen){
        .mode = mode_known(st->st_mode),
        .uid = st->st_uid,
        .gid = st->st_gid,
        .nlink = st->st_nlink,
        .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
        .rdev = st->st_rdev,
        .atime = time_seen(&st->st_atim),
        .mtime = times_known(st) ? time_seen(&st->st_mtim) : 0,
    };
}

/* The directory part of a path; "." for a single name. */
static void parent_of(const char *path, char *ret)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    memcpy(ret, path, len);
    memcpy(ret + len, ".", 2);
}

static int look_at(const struct side *s, const struct step *st, unsigned which, struct stat *ret)
{
    unsigned uses = call_uses[st->call];
    const char *path = which < 2 ? st->path : st->path2;
    char parent[STEP_PATH_LEN_MAX + 2];
    int fd;

    if (uses & (which < 2 ? USES_PATH : USES_PATH2)) {
        parent_of(path, parent);
        return fstatat(side_base(s, st), which % 2 ? parent : path, ret, AT_SYMLINK_NOFOLLOW);
    }
    /* Where there is no path the place is free for what the descriptors stand for. */
    if (which % 2 || !(uses & (which < 2 ? USES_SLOT : USES_SLOT2))) {
        errno = 0;
        return -1;
    }
    fd = side_fd(s, which < 2 ? st->slot : st->slot2);
    return fstat(fd, ret);
}

static bool time_differs(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec || a->tv_nsec != b->tv_nsec;
}

struct looked {
    struct stat st[SEEN_COUNT];
    bool there[SEEN_COUNT];
};

static void look(const struct side *s, const struct step *st, struct looked *ret, struct seen *seen)
{
    for (unsigned i = 0; i < SEEN_COUNT; i++) {
        ret->there[i] = look_at(s, st, i, &ret->st[i]) == 0;
        if (!seen)
            continue;
        if (ret->there[i])
            seen_from_stat(&ret->st[i], &seen[i]);
        else
            seen[i].err = errno;
    }
}

static void changes_note(const struct looked *before, const struct looked *after, struct seen *seen)
{
    for (unsigned i = 0; i < SEEN_COUNT; i++) {
        const struct stat *a = &before->st[i], *b = &after->st[i];

        if (!before->there[i] || !after->there[i])
            continue;
        if (a->st_ino != b->st_ino)
            seen[i].changed = 8;
        else if (times_known(a))
            seen[i].changed = (unsigned)(time_differs(&a->st_atim, &b->st_atim) |
                                         time_differs(&a->st_mtim, &b->st_mtim) << 1 |
                                         time_differs(&a->st_ctim, &b->st_ctim) << 2);
    }
}

static call_fn *const calls[CALL_COUNT] = {
#define X(name, weight, uses) call_##name,
#include "mount/differential/calls.def"
#undef X
};

void side_run(struct side *s, const struct step *st, struct result *ret)
{
    static struct looked before, after;
    int refusal = known_refusal(st);

    memset(ret, 0, sizeof(*ret));
    s->result = ret;
    if (st->looks_before)
        look(s, st, &before, NULL);
    if ((!refusal || s->is_mount) && !known_left_out(st)) {
        if (s->umask != st->umask)
            umask(s->umask = st->umask);
        side_become(s, st->user);
        errno = 0;
        ret->ret = calls[st->call](s, st);
        ret->err = ret->ret < 0 ? errno : 0;
        side_become(s, 0);
    }
    /* Some are answered before the file system is asked: no such path; two names of one file. */
    if (refusal) {
        ret->ret = -1;
        ret->err = refusal;
    }
    look(s, st, &after, ret->seen);
    if (st->looks_before && changes_known(st))
        changes_note(&before, &after, ret->seen);
    ret->is_done = true;
}
