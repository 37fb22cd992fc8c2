/*
 * Assertions about our own state, never about bytes from disk. CHECK stays in every build and
 * guards cheap conditions; DCHECK is for costly walks and exists only with -DFLUXFS_DCHECK.
 */
#ifndef LSM_BASE_CHECK_H
#define LSM_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            fprintf(stderr, "%s:%d: %s: check failed: %s\n", __FILE__, __LINE__, __func__, #cond); \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#ifdef FLUXFS_DCHECK
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond)                                                                               \
    do {                                                                                           \
        if (0)                                                                                     \
            CHECK(cond);                                                                           \
    } while (0)
#endif

#endif
