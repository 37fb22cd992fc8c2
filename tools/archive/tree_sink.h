/*
 * Where the frames of a tree (fs/tree_frame.h) go: a store that this process has open, or the
 * daemon that has it.
 */
#ifndef TOOLS_TREE_SINK_H
#define TOOLS_TREE_SINK_H

#include "fs/tree_frame.h"

struct tree_sink {
    /*
     * Take whole frames. The bytes are the sink's from then on, and b is empty. 0, or a negative
     * error after which nothing more can be put; sink_finish says what it was.
     */
    int (*push)(void *arg, struct buf *b);
    void *arg;
};

/* How it all ended. */
struct tree_outcome {
    struct tree_put_stats stats;
    int err;         /* 0: everything that was pushed is in the store, and durable */
    char text[1024]; /* why not */
};

#endif
