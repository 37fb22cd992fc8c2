/*
 * What the parts of the conformance tests' library know of each other.
 */
#ifndef TESTS_POSIX_LIB_POSIX_IMPL_H
#define TESTS_POSIX_LIB_POSIX_IMPL_H

#include <stdbool.h>

/* argv[1] of a program that is to run until its standard input ends. */
#define POSIX_WAIT "--wait"

/* True in what in_child runs. */
extern bool posix_is_child;

/* Remember who runs the program. */
void users_init(void);

#endif
