/*
 * Changes to the files of a store, as an input tells them: one after another, each a byte that says
 * which file, a byte that says what, a place of two bytes, and then
 *
 *     0 to 9  overwrite: a byte with the length, the bytes
 *     10      insert: the same
 *     11      cut the file off there
 *     12      remove the file
 *     13      remove bytes: a byte with the length
 *     14      replace it by the file that the place's low byte names
 *     15      append: a byte with the length, the bytes
 *
 * A place beyond the file's end counts from the front again. The byte that says which file goes
 * round likewise; what ends in the middle is read as if zeros followed.
 */
#ifndef TESTS_FUZZ_CHANGE_H
#define TESTS_FUZZ_CHANGE_H

#include "fuzz/fuzz.h"

/* Apply all of them to a store whose files are closed. */
void fuzz_change_files(struct env *env, struct slice in);
/* Dump every file as text, as `fluxfs dump` does. */
void fuzz_dump_files(struct env *env);
/* Options that make a small store have something of everything. */
struct lsm_options;
void fuzz_store_options(struct lsm_options *ret);

#endif
