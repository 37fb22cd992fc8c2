/*
 * A tree as a stream of bytes: what tree_put.h is called with, for another thread or another
 * process. The daemon takes such a stream over its control socket (fuse/control.h), and trusts
 * nothing in it.
 *
 * A stream is a sequence of frames:
 *
 *     le32 length of the payload, at most TREE_FRAME_LEN_MAX; u8 type; payload
 *
 * A number is a LEB128 varint of 64 bits, a signed one is zigzag coded; a string is its length in
 * bytes as a number, and the bytes, without NUL in them; a time is signed seconds and a number of
 * nanoseconds. Nothing may follow the last field. An object is one ENTRY, any number of XATTR and
 * DATA, in any order, and END or DROP; between objects there may be TIMES. For a thing that is
 * refused the rest of its frames is still sent.
 *
 * | type    | payload                                                                           |
 * |---------|-----------------------------------------------------------------------------------|
 * | 1 ENTRY | mode, uid, gid, rdev, atime, mtime, u8 link: 0 none, 1 symbolic, 2 hard;          |
 * |         | string path; string link target, or path of the hard link's other name, if any    |
 * | 2 XATTR | string name; the rest is the value                                                |
 * | 3 DATA  | offset; the rest, 1 byte to 1 MiB, is the contents there; offsets ascend          |
 * | 4 END   | length of the file in bytes, 0 for what is no regular file                        |
 * | 5 DROP  | nothing: the object is not to be made                                             |
 * | 6 TIMES | atime, mtime, string path of a directory                                          |
 */
#ifndef FS_TREE_FRAME_H
#define FS_TREE_FRAME_H

#include "fs/tree_put.h"
#include "lsm/base/slice.h"

enum {
    TREE_FRAME_HEAD_LEN = 5,
    TREE_FRAME_DATA_LEN_MAX = 1 << 20,
    TREE_FRAME_LEN_MAX = TREE_FRAME_DATA_LEN_MAX + 16, /* of a payload */
    TREE_FRAME_PATH_LEN_MAX = 256 << 10,
};

enum tree_frame_type {
    TREE_FRAME_ENTRY = 1,
    TREE_FRAME_XATTR = 2,
    TREE_FRAME_DATA = 3,
    TREE_FRAME_END = 4,
    TREE_FRAME_DROP = 5,
    TREE_FRAME_TIMES = 6,
};

/* Each appends a frame; -ENOMEM, -ENAMETOOLONG, or -E2BIG, then the buf is as it was. */
int tree_frame_entry(struct buf *b, const struct tree_entry *e);
int tree_frame_xattr(struct buf *b, const char *name, const void *value, size_t len);
int tree_frame_data(struct buf *b, uint64_t offset, const void *data, size_t len);
int tree_frame_end(struct buf *b, uint64_t size);
int tree_frame_drop(struct buf *b);
int tree_frame_times(struct buf *b, const char *path, const struct timespec *atime,
                     const struct timespec *mtime);

/*
 * Look at the frame that `in` begins with: 1 with its type and payload, which borrows, and *in
 * moved behind it; 0 when it is not whole yet; -EBADMSG when it is too long.
 */
int tree_frame_take(struct slice *in, uint8_t *ret_type, struct slice *ret_payload);
/* Do what a frame says. -EBADMSG for what is none; else as the functions of tree_put.h. */
int tree_frame_apply(struct tree_put *t, uint8_t type, struct slice payload);

/* Fields, for whoever adds frames of his own. -EBADMSG: the bytes do not hold one; -ENOMEM. */
int tree_field_string(struct buf *b, const char *s);
int tree_field_take_string(struct slice *in, char **ret); /* owned */

#endif
