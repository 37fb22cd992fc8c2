/*
 * What is wrong with objects that somebody wants to put: tree_put.h.
 */
#ifndef FS_TREE_FAULT_H
#define FS_TREE_FAULT_H

#include "fs/tree_put.h"

/* Each says in words what is wrong, with the errno, negative; NULL when nothing is. */
const char *tree_path_fault(const char *path, int *ret_err);
const char *tree_entry_fault(const struct tree_entry *e, int *ret_err); /* but for its path */
bool tree_time_ok(const struct timespec *t);
/* Whether an error of setting an attribute is of this attribute, and not of the store. */
bool tree_xattr_refused(int err);

#endif
