/* Level 0 gathers runs until the last full memtable was ten seconds ago: let it have been. */
#ifndef TESTS_UNIT_QUIET_FIXTURE_H
#define TESTS_UNIT_QUIET_FIXTURE_H

#include "lsm/db/db.h"

static inline void pretend_quiet(struct lsm_db *db)
{
    mutex_lock(&db->mu);
    db->background.filled_ns = 0;
    background_wake_locked(db);
    mutex_unlock(&db->mu);
}

#endif
