/*
 * How much effort finding matches deserves: learnt, now and then, from a sample of what is written.
 */
#ifndef LSM_BLOB_BLOB_EFFORT_H
#define LSM_BLOB_BLOB_EFFORT_H

#include <stdatomic.h>

#include "lsm/base/slice.h"

/* All zeros at first. */
struct blob_effort {
    atomic_uint count;        /* values so far */
    atomic_uint acceleration; /* as the last sample had it; 0: none yet */
};

/* LZ4's acceleration for a value, 1 being all effort. Any thread. */
int blob_effort_acceleration(struct blob_effort *e, struct slice value);

#endif
