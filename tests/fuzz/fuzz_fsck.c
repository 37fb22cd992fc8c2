/*
 * An input is a list of changes (change.h) to the files of the store of a small file system. It is
 * mounted, looked at, checked; repaired as fsck -y does it, first the store, then the tree; and
 * written to.
 */
#include "fuzz/change.h"
#include "fuzz/fixed.h"
#include "fuzz/tree.h"
#include "lsm/db/db.h"

static struct env *base;

static void make_base(void)
{
    fixed_begin();
    base = env_memory_new();
    fuzz_tree_make(base);
}

static bool use(struct env *env, bool read_only, bool repair)
{
    struct lsm_options o;
    struct lsm_db *db;
    int err;

    fuzz_tree_options(&o);
    o.read_only = env->read_only = read_only;
    err = db_open(env, &o, &db);
    if (!err) {
        fuzz_tree_use(db, false);
        fuzz_tree_check(db);
        if (repair) {
            fuzz_tree_repair(db);
            fuzz_tree_use(db, true);
        }
        lsm_close(db);
    }
    env->read_only = false;
    return !err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct lsm_options o;
    struct env *env;

    if (!base)
        make_base();
    fixed_begin();
    env = env_memory_copy(base);
    fuzz_change_files(env, slice_of(data, len));
    use(env, true, false);
    fuzz_tree_options(&o);
    if (!use(env, false, true) && db_repair(env, &o, false, NULL, NULL, NULL) >= 0)
        CHECK(use(env, false, true));
    env_memory_free(env);
    return 0;
}
