/*
 * A small file system of everything, and doing to one what mount, ls, cat and fsck do.
 */
#ifndef TESTS_FUZZ_TREE_H
#define TESTS_FUZZ_TREE_H

#include "fs/check/fsck.h"
#include "fuzz/fuzz.h"

struct fs;
struct lsm_db;
struct lsm_options;

/* Options of its store. */
void fuzz_tree_options(struct lsm_options *ret);
/* Make it in an empty environment. */
void fuzz_tree_make(struct env *env);
/* Open the file system that the store has, look at all of it, and with `write` change a little. */
void fuzz_tree_use(struct lsm_db *db, bool write);
/* Check; the number of problems, or an error. */
int fuzz_tree_check(struct lsm_db *db);
/* Repair everything, and see that a check then finds what the repair says is left. */
void fuzz_tree_repair(struct lsm_db *db);

#endif
