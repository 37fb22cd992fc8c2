/*
 * A thread that puts a tree into a store which this process has open, beside the one that makes the
 * frames. At most a few buffers wait between the two.
 */
#ifndef TOOLS_PUT_QUEUE_H
#define TOOLS_PUT_QUEUE_H

#include "tools/archive/tree_sink.h"

struct put_queue;

/* Options as for tree_put_new; their callbacks are called by the thread. Borrows fs. */
int put_queue_start(struct fs *fs, const struct tree_put_options *options, struct put_queue **ret);
struct tree_sink put_queue_sink(struct put_queue *q);
/*
 * Wait until all is done, sync, and free q. What was begun and has no end is not made. May be
 * called after push has failed.
 */
void put_queue_finish(struct put_queue *q, struct tree_outcome *ret);

#endif
