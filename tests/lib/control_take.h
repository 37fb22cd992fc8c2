/*
 * Bytes that somebody made up, taken for the payload of each frame that the control socket has
 * (fs/fuse/control_proto.h).
 */
#ifndef TESTS_LIB_CONTROL_TAKE_H
#define TESTS_LIB_CONTROL_TAKE_H

#include <stdlib.h>

#include "fs/fuse/control_proto.h"

/* What is understood is of no interest; only that nothing else is read, and all is given back. */
static inline void control_take_all(struct slice in)
{
    struct control_hello h;
    struct control_end e;
    char *path, *text;
    int err;

    if (!control_take_hello(in, &h))
        free(h.dir);
    if (!control_take_refused(in, &err, &path, &text)) {
        free(path);
        free(text);
    }
    control_take_end(in, &e);
}

#endif
