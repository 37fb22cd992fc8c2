/*
 * A scratch directory for one test, removed with all that is in it.
 */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

/* A new directory under $TMPDIR or /tmp; free the path with scratch_free. Aborts when it cannot. */
char *scratch_new(void);
/*
 * From now on scratch directories are in /dev/shm, unless the environment has another place or that
 * cannot be written: for tests that themselves decide what is durable. A disk in memory does for
 * them, and is quick.
 */
void scratch_in_memory(void);
/* Remove the directory and everything in it, and free the path. NULL is allowed. */
void scratch_free(char *path);
/* "path/name" in static storage of the calling thread, until its next call. */
const char *scratch_path(const char *path, const char *name);

#endif
