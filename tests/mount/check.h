/*
 * For the helpers that make system calls and look at the answers: the first wrong one ends the
 * program, naming the line, the call and what it said.
 */
#ifndef TESTS_MOUNT_CHECK_H
#define TESTS_MOUNT_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The condition holds; errno is told, which may have nothing to do with it. */
#define CHECK_TRUE(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: not so (errno: %s)\n", __FILE__, __LINE__, #condition,     \
                    strerror(errno));                                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call does not answer -1. */
#define CHECK_OK(call) CHECK_TRUE((call) != -1)

/* The call answers -1, with this errno. */
#define CHECK_FAILS(call, code)                                                                    \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((call) != -1) {                                                                        \
            fprintf(stderr, "%s:%d: %s: was not refused\n", __FILE__, __LINE__, #call);            \
            exit(1);                                                                               \
        }                                                                                          \
        if (errno != (code)) {                                                                     \
            fprintf(stderr, "%s:%d: %s: %s, expected %s\n", __FILE__, __LINE__, #call,             \
                    strerror(errno), strerror(code));                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
