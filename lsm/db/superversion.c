/*
 * Superversions: one counted object for all that a reader needs. The database's lock is held only
 * to copy a pointer and count; the last reference frees memtables and version outside of it.
 */
#include "lsm/db/db.h"

struct superversion *sv_new(void)
{
    struct superversion *sv = calloc(1, sizeof(*sv));

    if (sv)
        atomic_init(&sv->refs, 1);
    return sv;
}

void sv_fill(struct superversion *sv, struct memtable *mem, struct memtable *const *imms,
             unsigned imm_count, struct version *version)
{
    CHECK(imm_count <= IMM_COUNT_MAX);
    sv->mem = mem;
    memtable_ref(mem);
    for (unsigned i = 0; i < imm_count; i++) {
        sv->imms[i] = imms[i];
        memtable_ref(imms[i]);
    }
    sv->imm_count = imm_count;
    sv->version = version;
    version_ref(version);
}

struct superversion *sv_get(struct lsm_db *db)
{
    struct superversion *sv;

    mutex_lock(&db->mu);
    sv = db->sv;
    atomic_fetch_add_explicit(&sv->refs, 1, memory_order_relaxed);
    mutex_unlock(&db->mu);
    return sv;
}

void sv_put(struct superversion *sv)
{
    if (!sv || atomic_fetch_sub_explicit(&sv->refs, 1, memory_order_acq_rel) != 1)
        return;
    memtable_unref(sv->mem);
    for (unsigned i = 0; i < sv->imm_count; i++)
        memtable_unref(sv->imms[i]);
    version_unref(sv->version);
    free(sv);
}

struct superversion *sv_install_locked(struct lsm_db *db, struct superversion *sv)
{
    struct superversion *old = db->sv;
    uint64_t len = 0;

    for (unsigned i = 0; i < sv->imm_count; i++)
        len += memtable_len(sv->imms[i]);
    atomic_store_explicit(&db->imm_count, sv->imm_count, memory_order_relaxed);
    atomic_store_explicit(&db->imms_len, len, memory_order_relaxed);
    db->sv = sv;
    return old;
}
