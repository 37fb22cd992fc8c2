/*
 * Putting a tree into a store that a daemon has, over its control socket (fs/fuse/control_proto.h).
 */
#ifndef TOOLS_REMOTE_PUT_H
#define TOOLS_REMOTE_PUT_H

#include "tools/archive/tree_sink.h"

struct remote_put;

/*
 * Connect to the daemon of the store, to put into the directory `dir`, from the root of the file
 * system. Of the options keep_old, uid, gid, refused and arg count: the rest is the daemon's.
 * -ENOENT, -ECONNREFUSED: none listens there; -EACCES: it is not ours to talk to. After 0 or 1
 * remote_put_finish must be called; 1: the daemon has refused, and that says why.
 */
int remote_put_start(const char *store, const char *dir, const struct tree_put_options *options,
                     struct remote_put **ret);
struct tree_sink remote_put_sink(struct remote_put *r);
/* Say that this was all, hear what has become of it, hang up, and free r. */
void remote_put_finish(struct remote_put *r, struct tree_outcome *ret);

#endif
