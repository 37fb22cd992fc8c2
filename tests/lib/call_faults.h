/*
 * Calls of the C library and the kernel that fail, for tests: the nth call of a kind, made by
 * anything that the program is linked with, gives an error instead of doing its work. The program
 * is linked so that each such call goes through call_faults.c (FAULT_CALLS in
 * tests/fault/CMakeLists.txt); calls that the C library makes itself do not.
 *
 * A sync that does not fail does nothing: the tests lose their unsynced bytes, if they do, by other
 * means than a power cut, and a run has thousands of syncs.
 *
 * Of io_uring, a program that is linked so has a simulation (call_ring.c): the same on every
 * kernel. It does requests as late as it may, and in any order that it may, by a seed.
 *
 * One plan at a time, for the whole process. Any thread may be hit.
 */
#ifndef TESTS_LIB_CALL_FAULTS_H
#define TESTS_LIB_CALL_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* Kinds of calls; several make a mask. */
enum {
    CALL_ALLOC = 1 << 0, /* malloc, calloc, realloc, reallocarray, str(n)dup, aligned_alloc, mmap */
    CALL_OPEN = 1 << 1,  /* of a file or directory, to read */
    CALL_CREATE = 1 << 2, /* to write */
    CALL_READ = 1 << 3,
    CALL_WRITE = 1 << 4,
    CALL_SYNC = 1 << 5,     /* of a file */
    CALL_SYNC_DIR = 1 << 6, /* of a directory */
    CALL_RENAME = 1 << 7,
    CALL_REMOVE = 1 << 8,
    CALL_TRUNCATE = 1 << 9,
    CALL_RESERVE = 1 << 10, /* fallocate */
    CALL_MKDIR = 1 << 11,
    CALL_LINK = 1 << 12,
    CALL_LIST = 1 << 13, /* a directory's names */
    CALL_STAT = 1 << 14,
    CALL_SPACE = 1 << 15,
    CALL_THREAD = 1 << 16, /* a new one */
    CALL_COPY = 1 << 17,   /* copy_file_range */
    /* Of io_uring, which call_ring.c stands in for. */
    CALL_RING_SETUP = 1 << 18, /* of a ring, or looking what it can do */
    CALL_RING_ENTER = 1 << 19, /* handing requests over; half: only half of them are taken */
    CALL_RING_READ = 1 << 20,  /* requests */
    CALL_RING_WRITE = 1 << 21,
    CALL_RING_SYNC = 1 << 22,  /* of a file */
    CALL_RING_START = 1 << 23, /* of bringing bytes to the disk: when it fails they are lost */
    CALL_CLOSE = 1 << 24,      /* it is closed all the same */
    CALL_SEEK = 1 << 25,
    CALL_CONNECT = 1 << 26, /* socket, connect */
    CALL_SEND = 1 << 27,
    CALL_RECEIVE = 1 << 28,
};

enum call_scope {
    CALL_ONCE,          /* the nth call */
    CALL_FOREVER,       /* and all later ones */
    CALL_SHORT,         /* the nth write or read does half of its work, the next one fails */
    CALL_SHORT_FOREVER, /* and all later ones */
    CALL_MINE,          /* the nth call of the thread that arms */
};

/* Let the nth call (from 1, counted from now) of the kinds fail with errno `code`. */
void call_faults_arm(unsigned kinds, uint64_t nth, int code, enum call_scope scope);
/* End it. Whether a call has failed, or done half of its work. */
bool call_faults_disarm(void);
bool call_faults_happened(void);
/* What the calling thread does in between is the test's own: its calls neither count nor fail. */
void call_faults_pause(void);
void call_faults_resume(void);
/* Calls of the kinds that were armed last, since then. */
uint64_t call_faults_count(void);
/* Whether every write there was, by whatever call, was done when the last sync of a file began. */
bool call_faults_all_synced(void);
/* Print to standard error where the call was that failed first. */
void call_faults_tell(void);
/* Another order of requests, in rings that are made from now on. */
void call_ring_seed(uint64_t seed);

#endif
