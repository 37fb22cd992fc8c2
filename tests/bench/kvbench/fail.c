/*
 * How failures end. _exit, since other threads are in the middle of things, and the engines' own
 * destructors would wait for them or trip over them.
 */
#include "bench/kvbench/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *fail_context = "";

void bench_fail_context(const char *context)
{
    fail_context = context;
}

void bench_fail(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "kvbench: %s%s%s\n", fail_context, *fail_context ? ": " : "", text);
    fflush(stderr);
    _exit(1);
}

void *bench_alloc(size_t len)
{
    void *p = calloc(1, len);

    if (!p)
        bench_fail("out of memory");
    return p;
}
