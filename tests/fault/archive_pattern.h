/*
 * What the trials of import and export begin with: archives, a store to import them into, one to
 * export, and an empty one.
 */
#ifndef TESTS_FAULT_ARCHIVE_PATTERN_H
#define TESTS_FAULT_ARCHIVE_PATTERN_H

#include "fs/fs.h"

/*
 * Make in `dir`: `source`, a store with a tree of all kinds of objects; `target`, one in which some
 * of its names are taken, in the directory /in, beside others; `empty`; and `loose.cpio`: missing
 * directories, a name that comes twice, hard links of which the second brings the contents of both.
 * The target and the source are as a program that was killed left them.
 */
void archive_pattern_make(const char *dir);

/* Whether what has this path is another before all of loose.cpio has been imported. */
bool archive_pattern_changes(const char *path);

#endif
