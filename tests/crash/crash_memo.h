/*
 * What recoveries found, by the disk's hash. For one thread.
 */
#ifndef TESTS_CRASH_CRASH_MEMO_H
#define TESTS_CRASH_CRASH_MEMO_H

#include "crash/crash_sweep.h"

struct crash_memo;

struct crash_memo *crash_memo_new(void);
void crash_memo_free(struct crash_memo *m);
/* The outcome of the disk: *ret_new when it is not there yet, and is to be filled in. Valid until
 * the next call. */
struct crash_outcome *crash_memo_get(struct crash_memo *m, uint64_t hash, bool *ret_new);
size_t crash_memo_count(const struct crash_memo *m);

#endif
