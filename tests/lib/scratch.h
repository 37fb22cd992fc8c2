/*
 * A scratch directory for one test, removed with all that is in it.
 */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

/* A new directory under $TMPDIR or /tmp; free the path with scratch_free. Aborts when it cannot. */
char *scratch_new(void);
/* Remove the directory and everything in it, and free the path. NULL is allowed. */
void scratch_free(char *path);
/* "path/name" in static storage of the calling thread, until its next call. */
const char *scratch_path(const char *path, const char *name);

#endif
