/*
 * Calls about attributes: modes, owners, times, extended attributes; file handles.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "mount/differential/diff.h"

static uint64_t stat_hash(const struct stat *st)
{
    uint64_t fields[] = {mode_known(st->st_mode),
                         st->st_uid,
                         st->st_gid,
                         st->st_nlink,
                         S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
                         st->st_rdev};

    return XXH3_64bits(fields, sizeof(fields));
}

int64_t call_stat(struct side *s, const struct step *st)
{
    struct stat found;
    int r = fstatat(side_base(s, st), st->path, &found, st->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0);

    if (r == 0)
        s->result->data = stat_hash(&found);
    return r;
}

int64_t call_fstat(struct side *s, const struct step *st)
{
    struct stat found;
    int r = fstat(side_fd(s, st->slot), &found);

    if (r == 0)
        s->result->data = stat_hash(&found);
    return r;
}

/* The time of birth too: of now, as nothing here is older, and it cannot be set. */
int64_t call_statx(struct side *s, const struct step *st)
{
    struct statx found;
    int r = statx(side_base(s, st), st->path, st->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0,
                  STATX_BASIC_STATS | STATX_BTIME, &found);

    if (r != 0)
        return -1;
    s->result->data = found.stx_mask & (STATX_BASIC_STATS | STATX_BTIME);
    if (found.stx_btime.tv_sec > time(NULL) + 1 || found.stx_btime.tv_sec < time(NULL) - 86400)
        side_broken(s, "born at %lld", (long long)found.stx_btime.tv_sec);
    return 0;
}

int64_t call_access(struct side *s, const struct step *st)
{
    return faccessat(side_base(s, st), st->path, st->flags, AT_EACCESS);
}

int64_t call_chmod(struct side *s, const struct step *st)
{
    return fchmodat(side_base(s, st), st->path, st->mode, 0);
}

int64_t call_fchmod(struct side *s, const struct step *st)
{
    return fchmod(side_fd(s, st->slot), st->mode);
}

int64_t call_chown(struct side *s, const struct step *st)
{
    return fchownat(side_base(s, st), st->path, st->uid, st->gid,
                    st->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0);
}

int64_t call_fchown(struct side *s, const struct step *st)
{
    return fchown(side_fd(s, st->slot), st->uid, st->gid);
}

/* --- Times --- */

static struct timespec time_make(uint64_t seed)
{
    static const struct timespec times[] = {
        {0, UTIME_NOW},
        {0, UTIME_OMIT},
        {0, 0},
        {1, 1},
        {-1, 999999999},
        {INT32_MIN, 0},
        {INT32_MAX, 999999999},
        {(time_t)1 << 32, 5},
        {(time_t)1 << 33, 0},
        {1000000000, 123456789},
        {0, 1000000000}, /* no time */
    };

    return times[seed % (sizeof(times) / sizeof(times[0]))];
}

int64_t call_utimens(struct side *s, const struct step *st)
{
    struct timespec times[2] = {time_make(st->seed), time_make(st->seed >> 32)};

    return utimensat(side_base(s, st), st->path, st->flags % 4 ? times : NULL,
                     st->flags & 64 ? AT_SYMLINK_NOFOLLOW : 0);
}

int64_t call_futimens(struct side *s, const struct step *st)
{
    struct timespec times[2] = {time_make(st->seed), time_make(st->seed >> 32)};

    return futimens(side_fd(s, st->slot), times);
}

/* --- Extended attributes --- */

static const char *attr_name(uint64_t seed)
{
    static const char *const names[] = {
        "user.a",     "user.b",        "user.c",
        "user.a",     "trusted.a",     "security.a",
        "trusted.bb", "user.\xc3\xa4", "security.capability",
        "user.",      "trusted.",      "nowhere.a",
        "",
    };

    return names[seed % (sizeof(names) / sizeof(names[0]))];
}

/* Short: ext4 has little room for them. */
static size_t attr_value(const struct step *st, const char *name, uint8_t *buf)
{
    size_t len = st->len % 120;

    if (strcmp(name, "security.capability") == 0 && st->seed >> 40 & 3) {
        struct vfs_cap_data cap = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};

        cap.data[0].permitted = 1U << CAP_CHOWN;
        memcpy(buf, &cap, sizeof(cap));
        return sizeof(cap);
    }
    data_fill(st->seed, buf, len);
    return len;
}

int64_t call_setxattr(struct side *s, const struct step *st)
{
    const char *name = attr_name(st->seed);
    uint8_t buf[128];
    size_t len = attr_value(st, name, buf);

    (void)s;
    if (st->seed >> 60 & 1)
        return lsetxattr(st->path, name, buf, len, st->flags);
    return setxattr(st->path, name, buf, len, st->flags);
}

int64_t call_fsetxattr(struct side *s, const struct step *st)
{
    const char *name = attr_name(st->seed);
    uint8_t buf[128];
    size_t len = attr_value(st, name, buf);

    return fsetxattr(side_fd(s, st->slot), name, buf, len, st->flags);
}

int64_t call_getxattr(struct side *s, const struct step *st)
{
    const char *name = attr_name(st->seed);
    char buf[256];
    size_t len = st->flags & 2 ? sizeof(buf) : st->len % 100;
    ssize_t n =
        st->flags & 1 ? lgetxattr(st->path, name, buf, len) : getxattr(st->path, name, buf, len);

    if (n > 0 && len > 0)
        s->result->data = XXH3_64bits(buf, (size_t)n);
    return n;
}

/* Names in any order. */
int64_t call_listxattr(struct side *s, const struct step *st)
{
    char buf[4096];
    size_t len = st->flags & 2 ? sizeof(buf) : st->len % 40;
    ssize_t n = st->flags & 1 ? llistxattr(st->path, buf, len) : listxattr(st->path, buf, len);

    for (ssize_t at = 0; len > 0 && at < n; at += (ssize_t)strlen(buf + at) + 1)
        s->result->data += XXH3_64bits(buf + at, strlen(buf + at));
    return n;
}

int64_t call_removexattr(struct side *s, const struct step *st)
{
    const char *name = attr_name(st->seed);

    (void)s;
    return st->flags & 1 ? lremovexattr(st->path, name) : removexattr(st->path, name);
}

/* --- File handles --- */

/* A handle must lead back to the object that it was made for. */
int64_t call_handle(struct side *s, const struct step *st)
{
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    struct stat made, found;
    int mount_id, root, fd = -1;

    if (fstatat(side_base(s, st), st->path, &made, AT_SYMLINK_NOFOLLOW) != 0 ||
        name_to_handle_at(side_base(s, st), st->path, &handle.head, &mount_id, 0) != 0)
        return -1;
    root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0)
        fd = open_by_handle_at(root, &handle.head, O_PATH | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &found) != 0 || found.st_ino != made.st_ino))
        side_broken(s, "a handle leads to inode %llu, not %llu", (unsigned long long)found.st_ino,
                    (unsigned long long)made.st_ino);
    if (fd < 0 && s->user == 0)
        side_broken(s, "a handle leads nowhere: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (root >= 0)
        close(root);
    return fd >= 0 ? 0 : -1;
}
