/*
 * A failure ends the process: every run has a process of its own, and a benchmark that goes on
 * after an error measures nothing.
 */
#ifndef KVBENCH_FAIL_H
#define KVBENCH_FAIL_H

#include <stddef.h>

/* Set once, before threads begin: what runs, for the messages. Not copied. */
void bench_fail_context(const char *context);
/* Print "kvbench: CONTEXT: text" to stderr and exit with status 1. From any thread. */
_Noreturn void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Zeroed memory to be freed; never NULL. */
void *bench_alloc(size_t len);

#endif
