/* What is done to the directory of a store from outside. One thread at a time. */
#ifndef KVBENCH_STORE_DIR_H
#define KVBENCH_STORE_DIR_H

#include <stdint.h>

uint64_t store_dir_space_len(const char *path); /* bytes that its files occupy; 0: it is missing */
void store_dir_remove(const char *path);        /* with all that is in it; a missing one is fine */
void store_dir_sync(const char *path);          /* every file below it */
/* Sync the files and take their pages out of the kernel's cache, but those that are mapped. */
void store_dir_evict(const char *path);

#endif
