/*
 * Calls of libraries that are not linked in: archive_calls.c.
 */
#ifndef TESTS_FAULT_ARCHIVE_CALLS_H
#define TESTS_FAULT_ARCHIVE_CALLS_H

/* How often the kernel was told that a name is another now, since this was asked last. */
unsigned archive_calls_named(void);

#endif
