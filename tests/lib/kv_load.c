/*
 * A scan from the first key to the last.
 */
#include "lib/kv_load.h"

#include "lsm/base/check.h"

int kv_load(struct lsm_db *db, const struct lsm_snapshot *s, struct kv_model *ret)
{
    struct lsm_iter *it;
    int at = lsm_iter_new(db, s, NULL, 0, NULL, 0, &it);

    *ret = (struct kv_model){0};
    if (at)
        return at;
    for (at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it)) {
        struct slice key, value;

        key.data = lsm_iter_key(it, &key.len);
        value.data = lsm_iter_value(it, &value.len);
        CHECK(kv_find(ret, key) == ret->count);
        kv_put(ret, key, value);
    }
    lsm_iter_free(it);
    return at;
}
