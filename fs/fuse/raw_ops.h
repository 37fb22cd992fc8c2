/*
 * Requests of the kernel that libfuse's low-level table does not have: O_TMPFILE, statx(2) with the
 * time of birth, the sync of a whole file system; and setxattr(2), setattr and write with all their
 * flags. libfuse 3.17 and newer know some of them; as older ones are in use for years to come, they
 * are always served here.
 */
#ifndef FS_FUSE_RAW_OPS_H
#define FS_FUSE_RAW_OPS_H

#include <stdbool.h>

struct fuse_buf;

/*
 * Look at a message before libfuse does; arg is a struct mount. True: it has been answered and is
 * over. False: it is libfuse's, and untouched. Any thread, each with a message of its own.
 */
bool raw_ops_serve(void *arg, const struct fuse_buf *message);

#endif
