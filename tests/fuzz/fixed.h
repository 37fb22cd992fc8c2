/*
 * For targets that make a store: the wall clock and random numbers are the same in every run, so
 * that places in the store's files are, too. Such a target is linked with --wrap for both calls
 * (CMakeLists.txt).
 */
#ifndef TESTS_FUZZ_FIXED_H
#define TESTS_FUZZ_FIXED_H

/* Begin again with the first time and the first number. */
void fixed_begin(void);

#endif
