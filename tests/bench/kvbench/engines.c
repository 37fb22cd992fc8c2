/* Which engines there are, and what those share that can do less. */
#include "bench/kvbench/engine.h"

#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/fail.h"

static const struct engine *const engines[] = {
    &engine_lsm,
#ifdef KVBENCH_ROCKSDB
    &engine_rocksdb,
#endif
#ifdef KVBENCH_LEVELDB
    &engine_leveldb,
#endif
};

const struct engine *engine_at(size_t i)
{
    return i < sizeof(engines) / sizeof(engines[0]) ? engines[i] : NULL;
}

const struct engine *engine_find(const char *name)
{
    for (size_t i = 0; engine_at(i); i++) {
        if (!strcmp(engine_at(i)->name, name))
            return engine_at(i);
    }
    return NULL;
}

void engine_patch_by_rewriting(const struct engine *e, struct store *s, const struct key *key,
                               size_t offset, const void *bytes, size_t len)
{
    struct value old;
    char *changed;

    if (!e->get(s, key, &old) || old.len < offset + len)
        bench_fail("the value to be patched, %.*s, is missing or too short", KEY_LEN, key->bytes);
    changed = bench_alloc(old.len);
    memcpy(changed, old.data, old.len);
    memcpy(changed + offset, bytes, len);
    e->put(s, key, changed, old.len, false);
    free(changed);
    e->value_done(&old);
}
