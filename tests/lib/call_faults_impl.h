/*
 * What the files share that stand in for calls.
 */
#ifndef TESTS_LIB_CALL_FAULTS_IMPL_H
#define TESTS_LIB_CALL_FAULTS_IMPL_H

#include "lib/call_faults.h"

enum call_answer {
    CALL_GOES_ON,
    CALL_DOES_HALF,
    CALL_FAILS
};

/* What becomes of a call of this kind. errno is set when it fails. */
enum call_answer call_faults_begin(unsigned kind);
/* A file was written to, or synced: for call_faults_all_synced. */
void call_faults_note_written(void);
void call_faults_note_synced(void);

/* The linker calls __wrap_NAME for NAME, and __real_NAME is the function itself. */
#define REAL(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

#endif
