/*
 * An answer is a header and a body, handed over by one call.
 */
#include "fs/fuse/raw_request.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/ring.h"

int raw_answer(const struct raw_request *r, const void *body, size_t body_len)
{
    struct fuse_out_header head = {
        .len = (uint32_t)(sizeof(head) + body_len),
        .unique = r->head.unique,
    };
    struct iovec iov[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)body, body_len}};

    return rings_write(fuse_session_fd(r->m->se), iov, body_len ? 2 : 1) < 0 ? -errno : 0;
}

void raw_answer_err(const struct raw_request *r, const char *op, int err)
{
    struct fuse_out_header head = {
        .len = sizeof(head),
        .error = -answer_errno(op, r->head.nodeid, err),
        .unique = r->head.unique,
    };
    struct iovec iov = {&head, sizeof(head)};

    if (rings_write(fuse_session_fd(r->m->se), &iov, 1) < 0 && errno != ENOENT)
        mount_log(LSM_LOG_WARN, "%s: the kernel refused the answer: %s", op, strerror(errno));
}

void raw_attr(const struct mount *m, const struct fs_attr *attr, struct fuse_attr *ret)
{
    struct stat st;

    attr_to_stat(m, attr, &st);
    *ret = (struct fuse_attr){
        .ino = st.st_ino,
        .size = (uint64_t)st.st_size,
        .blocks = (uint64_t)st.st_blocks,
        .atime = (uint64_t)st.st_atim.tv_sec,
        .mtime = (uint64_t)st.st_mtim.tv_sec,
        .ctime = (uint64_t)st.st_ctim.tv_sec,
        .atimensec = (uint32_t)st.st_atim.tv_nsec,
        .mtimensec = (uint32_t)st.st_mtim.tv_nsec,
        .ctimensec = (uint32_t)st.st_ctim.tv_nsec,
        .mode = st.st_mode,
        .nlink = (uint32_t)st.st_nlink,
        .uid = st.st_uid,
        .gid = st.st_gid,
        .rdev = (uint32_t)st.st_rdev,
        .blksize = (uint32_t)st.st_blksize,
    };
}
