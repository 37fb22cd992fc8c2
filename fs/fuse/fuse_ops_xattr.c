/*
 * Requests about extended attributes. A length of 0 asks how long the answer would be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/mount.h"
#include "fs/fuse/remount.h"
#include "fs/fuse/ring.h"
#include "fs/fuse/session.h"

static void reply_text(fuse_req_t req, const char *text, size_t len)
{
    if (len == 0)
        fuse_reply_xattr(req, strlen(text));
    else if (len < strlen(text))
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, text, strlen(text));
}

/* Why the store takes no writes any more. */
static void reply_failure(fuse_req_t req, size_t len)
{
    struct lsm_stats stats;
    int err = lsm_stats(fs_db(req_mount(req)->fs), &stats);

    if (err)
        reply_err(req, "getxattr", FS_ROOT_INO, err);
    else
        reply_text(req, stats.sticky_text, len);
}

/*
 * Whether a program that asks for a label is to hear that there are none at all, after which ls
 * asks for no other file's.
 */
static bool says_unlabelled(const struct mount *m, const char *name)
{
    return !m->selinux && fs_xattr_is_label(name) && fs_unlabelled(m->fs);
}

/* What is answered to a request for `len` bytes, of which `r` are there. Frees buf. */
static void reply_bytes(fuse_req_t req, const char *op, uint64_t ino, size_t len, ssize_t r,
                        char *buf)
{
    if (r < 0)
        reply_err(req, op, ino, (int)r);
    else if (len == 0)
        fuse_reply_xattr(req, (size_t)r);
    else
        fuse_reply_buf(req, buf, (size_t)r);
    free(buf);
}

/* A buffer for the answer, NULL for len 0. False when there is no memory. */
static bool answer_buf(size_t *len, char **ret)
{
    /* No list or value can be longer than what the kernel takes. */
    if (*len > FS_XATTR_VALUE_LEN_MAX)
        *len = FS_XATTR_VALUE_LEN_MAX;
    *ret = *len ? malloc(*len) : NULL;
    return *len == 0 || *ret;
}

/* Take the names that begin with trusted. out of a list; returns its new length. */
static size_t hide_trusted(char *list, size_t len)
{
    static const char prefix[] = "trusted.";
    size_t kept = 0;

    for (size_t at = 0; at < len;) {
        size_t name_len = strlen(list + at) + 1;

        if (strncmp(list + at, prefix, sizeof(prefix) - 1) != 0) {
            memmove(list + kept, list + at, name_len);
            kept += name_len;
        }
        at += name_len;
    }
    return kept;
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t len,
                 int flags)
{
    int err = -EINVAL;

    if (remount_xattr_is(ino, name)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    /* The flags of setxattr(2) have the same bits. */
    if (!(flags & ~(FS_XATTR_CREATE | FS_XATTR_REPLACE)))
        err = fs_setxattr(req_mount(req)->fs, ino, name, value, len, (unsigned)flags);
    err = change_settle(req_mount(req), err, &(struct touched){.inos = {ino}});
    reply_err(req, "setxattr", ino, err);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t len)
{
    struct mount *m = req_mount(req);
    ssize_t r;
    char *buf;

    if (remount_xattr_is(ino, name)) {
        reply_text(req, m->options_text, len);
        return;
    }
    if (ino == FS_ROOT_INO && !strcmp(name, MOUNT_FAILURE_XATTR)) {
        reply_failure(req, len);
        return;
    }
    if (ino == FS_ROOT_INO && !strcmp(name, MOUNT_TRANSPORT_XATTR)) {
        reply_text(req,
                   atomic_load(&m->over_uring) && rings_serve(m->rings) ? "io_uring" : "/dev/fuse",
                   len);
        return;
    }
    if (!answer_buf(&len, &buf)) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    r = fs_getxattr(m->fs, ino, name, buf, len);
    if (r == -ENODATA && says_unlabelled(m, name))
        r = -EOPNOTSUPP;
    reply_bytes(req, "getxattr", ino, len, r, buf);
}

/*
 * Trusted attributes are for the administrator; the kernel refuses others their values, but leaves
 * it to us to hide the names. Which capabilities the caller has it doesn't tell.
 */
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t len)
{
    bool all = fuse_req_ctx(req)->uid == 0;
    size_t buf_len = all ? len : FS_XATTR_VALUE_LEN_MAX;
    char *buf;
    ssize_t r;

    if (!answer_buf(&buf_len, &buf)) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    r = fs_listxattr(req_mount(req)->fs, ino, buf, buf_len);
    if (!all && r > 0)
        r = (ssize_t)hide_trusted(buf, (size_t)r);
    if (len && r > (ssize_t)len)
        r = -ERANGE;
    reply_bytes(req, "listxattr", ino, len, r, buf);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    int err = fs_removexattr(req_mount(req)->fs, ino, name);

    err = change_settle(req_mount(req), err, &(struct touched){.inos = {ino}});
    reply_err(req, "removexattr", ino, err);
}
