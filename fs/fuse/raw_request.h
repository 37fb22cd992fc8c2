/*
 * What the requests that are served without libfuse (raw_ops.h) have in common.
 */
#ifndef FS_FUSE_RAW_REQUEST_H
#define FS_FUSE_RAW_REQUEST_H

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/fuse/session.h"

struct raw_request {
    struct mount *m;
    struct fuse_in_header head;
    const uint8_t *body; /* borrowed, not aligned */
    size_t body_len;
};

/*
 * Answer with a body: 0, or the negative errno of the kernel, which takes no answer to what it has
 * given up.
 */
int raw_answer(const struct raw_request *r, const void *body, size_t body_len);
/* Answer without one. err: 0 or negative, as the functions of the file system return it. */
void raw_answer_err(const struct raw_request *r, const char *op, int err);
/* Attributes as the kernel takes them. */
void raw_attr(const struct mount *m, const struct fs_attr *attr, struct fuse_attr *ret);

/* raw_killpriv.c */
void raw_setattr(const struct raw_request *r);
void raw_write(const struct raw_request *r);

#endif
