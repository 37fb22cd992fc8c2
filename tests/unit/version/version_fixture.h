/*
 * Making versions step by step, for the tests of this room.
 */
#ifndef TESTS_UNIT_VERSION_FIXTURE_H
#define TESTS_UNIT_VERSION_FIXTURE_H

#include "lib/cmocka_all.h"

#include "lsm/base/err.h"
#include "lsm/version/version.h"

static struct table_store store; /* without an environment when no table is opened */

/* Takes the reference to the table. */
static inline void add(struct version_edit *e, unsigned level, struct table_meta *m)
{
    assert_int_equal(edit_add_table(e, level, m), 0);
    table_meta_unref(m, &store);
}

/* Apply, and drop base and edit. */
static inline struct version *step(struct version *base, struct version_edit *e)
{
    struct version *v;

    assert_int_equal(version_apply(&store, base, e, &v), 0);
    edit_done(e, &store);
    version_unref(base);
    return v;
}

#endif
