/*
 * What a store shows, as a model.
 */
#ifndef TESTS_LIB_KV_LOAD_H
#define TESTS_LIB_KV_LOAD_H

#include "lib/kv_model.h"
#include "lsm/lsm.h"

/*
 * All that a snapshot (NULL: now) shows; *ret is made, and holds what was read before a failure.
 * Aborts when the keys do not ascend. 0 or the store's error.
 */
int kv_load(struct lsm_db *db, const struct lsm_snapshot *s, struct kv_model *ret);

#endif
