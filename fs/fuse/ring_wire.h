/*
 * The kernel's interface for FUSE over io_uring (its include/uapi/linux/fuse.h, since 7.42), which
 * the headers of Debian bookworm do not have. It cannot change. Numbers are in the machine's order.
 */
#ifndef FS_FUSE_RING_WIRE_H
#define FS_FUSE_RING_WIRE_H

#include <stdint.h>

enum {
    WIRE_INIT2_OVER_URING = 1 << 9, /* in flags2 of INIT and of its answer */

    WIRE_CMD_REGISTER = 1, /* here is an entry */
    WIRE_CMD_COMMIT = 2,   /* here is an answer; the entry waits for the next request */

    WIRE_HEAD_LEN = 128,
    WIRE_OP_LEN = 128,
};

/* The first of the two buffers of an entry; the other is the payload. */
struct wire_entry {
    uint8_t head[WIRE_HEAD_LEN]; /* fuse_in_header of a request, fuse_out_header of an answer */
    uint8_t op[WIRE_OP_LEN];     /* of a request: the fixed part behind the header */
    uint64_t flags;
    uint64_t commit_id; /* of a request, to be given with its answer */
    uint32_t payload_len;
    uint32_t padding;
    uint64_t reserved;
};
_Static_assert(sizeof(struct wire_entry) == 288, "as in the kernel");

/* In the second half of a submission queue entry of 128 bytes. */
struct wire_cmd {
    uint64_t flags;
    uint64_t commit_id;
    uint16_t queue; /* the number of a core */
    uint8_t padding[6];
};
_Static_assert(sizeof(struct wire_cmd) == 24, "as in the kernel");

#endif
