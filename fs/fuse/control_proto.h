/*
 * The control socket of a mount, and what is spoken there.
 *
 * The daemon listens on a Unix stream socket, the file `control` (0600) in the directory of the
 * store, for as long as the mount lasts, unless it is read-only. It talks to processes of its own
 * user and of root, four at a time; others are hung up on.
 *
 * Both sides send frames as tree_frame.h has them, of types 64 and up beside those of a tree:
 *
 * | type       | by     | payload                                                              |
 * |------------|--------|----------------------------------------------------------------------|
 * | 64 HELLO   | client | number 1, the version; number of flags, bit 0: keep what exists;     |
 * |            |        | uid, gid of directories made on the way; string path of a directory  |
 * |            |        | of the file system, from its root; symbolic links are not followed   |
 * | 65 READY   | daemon | nothing: the directory is there, go on                               |
 * | 66 REFUSED | daemon | number errno; string path; string text: an object, or an attribute   |
 * |            |        | of one, was left out; at any time                                    |
 * | 67 FINISH  | client | nothing: that was all                                                |
 * | 68 END     | daemon | number errno, 0: all is in the store, and durable; string text, why  |
 * |            |        | not; numbers of files, directories, symbolic links, hard links,      |
 * |            |        | others, bytes, refusals: what has been put                           |
 *
 * A client sends HELLO, waits for READY, sends the frames of a tree, then FINISH, and waits for
 * END. END may come at any time, with errno 0 only after FINISH, and is the last frame. When the
 * client hangs up before FINISH, what it sent whole stays.
 *
 * A client has to read what it is sent: one that does not for half a minute is hung up on.
 */
#ifndef FS_FUSE_CONTROL_PROTO_H
#define FS_FUSE_CONTROL_PROTO_H

#include "fs/tree_frame.h"

#define CONTROL_SOCKET_NAME "control"

enum {
    CONTROL_VERSION = 1,
    CONTROL_KEEP_OLD = 1, /* a flag of HELLO */
    CONTROL_TEXT_LEN = 1024,
};

enum control_frame_type {
    CONTROL_HELLO = 64,
    CONTROL_READY = 65,
    CONTROL_REFUSED = 66,
    CONTROL_FINISH = 67,
    CONTROL_END = 68,
};

struct control_hello {
    uint32_t flags, uid, gid;
    char *dir; /* owned, in one that was decoded */
};

struct control_end {
    int err; /* an errno */
    char text[CONTROL_TEXT_LEN];
    struct tree_put_stats stats;
};

/* Each appends a frame; -ENOMEM. */
int control_put_empty(struct buf *b, enum control_frame_type type);
int control_put_hello(struct buf *b, const struct control_hello *h);
int control_put_refused(struct buf *b, int err, const char *path, const char *text);
int control_put_end(struct buf *b, const struct control_end *e);

/* From a payload: 0; -EBADMSG when it is none; -ENOMEM. After an error nothing is owned. */
int control_take_hello(struct slice in, struct control_hello *ret); /* another version: -EBADMSG */
int control_take_refused(struct slice in, int *ret_err, char **ret_path, char **ret_text);
int control_take_end(struct slice in, struct control_end *ret);

#endif
