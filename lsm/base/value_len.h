/*
 * How long a value may be. VALUE_LEN_MAX is the format's bound: what claims more cannot be decoded.
 * A store may be opened with a lower one (lsm_options.value_len_max); then a version that makes a
 * value longer is damage of its key. A patch of a few bytes can claim any length, so it is asked
 * before memory is taken.
 */
#ifndef LSM_BASE_VALUE_LEN_H
#define LSM_BASE_VALUE_LEN_H

#include "lsm/base/ikey.h"

enum {
    VALUE_LEN_MAX = 1 << 30 /* bytes; also of a patch's offset plus length */
};

/*
 * The length that this version of a key gives its value at least, in bytes: of a patch, up to its
 * end. 0 for deletions, and for what cannot be decoded, which whoever decodes it will tell.
 */
uint64_t value_len_of(enum kind kind, struct slice value);
/* Describe a value of len bytes where `max` are allowed: ERR_VALUE_LEN. */
int value_len_raise(uint64_t len, uint64_t max);
/* 0, or ERR_VALUE_LEN, described, when the version gives its key more than `max` bytes. */
int value_len_check(enum kind kind, struct slice value, uint64_t max);
/* Take a patch record apart. False when it is damaged or reaches past VALUE_LEN_MAX. */
bool patch_decode(struct slice record, uint64_t *ret_offset, struct slice *ret_bytes);

#endif
