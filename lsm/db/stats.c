/*
 * Figures about the store as it is now.
 */
#include "lsm/db/db.h"

#include <stdio.h>

_Static_assert(sizeof(((struct lsm_stats *)0)->table_count) / sizeof(uint64_t) == LEVEL_COUNT,
               "lsm_stats has one figure per level");

static void level_stats(const struct version *v, struct lsm_stats *ret)
{
    for (unsigned i = 0; i < LEVEL_COUNT; i++) {
        ret->table_count[i] = v->levels[i].count;
        ret->table_len[i] = v->levels[i].len;
    }
}

static void counter_stats(const struct db_counters *c, struct lsm_stats *ret)
{
    ret->write_count = c->write_count;
    ret->write_len = c->write_len;
    ret->wal_write_len = c->wal_write_len;
    ret->flush_write_len = c->flush_write_len;
    ret->compact_read_len = c->compact_read_len;
    ret->compact_write_len = c->compact_write_len;
    ret->wal_sync_count = c->wal_sync_count;
    ret->flush_count = c->flush_count;
    ret->compact_count = c->compact_count;
    ret->blob_write_len = c->blob_write_len;
    ret->blob_collect_write_len = c->blob_collect_write_len;
    ret->move_count = c->move_count;
    ret->delay_count = c->delay_count;
    ret->delay_us = c->delay_us;
}

static int blob_stats(struct lsm_db *db, const struct superversion *sv, struct lsm_stats *ret)
{
    struct blob_usage usage;
    int err = blob_usage_of(db, sv, &usage);

    if (err)
        return err;
    for (size_t i = 0; i < usage.count; i++) {
        ret->blob_len += usage.files[i].len;
        ret->blob_garbage_len += blob_garbage_len(&usage.files[i]);
    }
    ret->blob_count = usage.count;
    blob_usage_done(&usage);
    return 0;
}

static void memory_stats(struct lsm_db *db, const struct superversion *sv, struct lsm_stats *ret)
{
    struct block_cache_stats cache;

    ret->memtable_len = memtable_len(sv->mem);
    ret->memtable_count = 1 + sv->imm_count;
    for (unsigned i = 0; i < sv->imm_count; i++)
        ret->memtable_len += memtable_len(sv->imms[i]);
    block_cache_stats(db->cache, &cache);
    ret->cache_hits = cache.hits;
    ret->cache_misses = cache.misses;
    ret->cache_len = cache.len;
}

static void env_stats(struct lsm_db *db, struct lsm_stats *ret)
{
    const char *why_not = env_uring_why_not(db->env);

    ret->io_uring = !why_not;
    snprintf(ret->io_uring_text, sizeof(ret->io_uring_text), "%s", why_not ? why_not : "");
}

int lsm_stats(struct lsm_db *db, struct lsm_stats *ret)
{
    struct superversion *sv = sv_get(db);
    struct lsm_stats s = {0};
    int err;

    err_clear();
    s.seqno = atomic_load(&db->visible_seqno);
    s.synced_seqno = atomic_load(&db->synced_seqno);
    s.format_version = db->superblock.version;
    s.worker_count = db->background.worker_count;
    level_stats(sv->version, &s);
    counter_stats(&db->counters, &s);
    memory_stats(db, sv, &s);
    err = blob_stats(db, sv, &s);
    env_stats(db, &s);
    sv_put(sv);
    s.wal_len = db->replayed_len;
    mutex_lock(&db->mu);
    for (struct wal_ref *w = db->wals_oldest; w; w = w->next)
        s.wal_len += wal_writer_len(w->writer);
    s.snapshot_count = db->snapshot_count + db->named.count;
    memcpy(s.sticky_text, db->sticky_text, sizeof(s.sticky_text));
    mutex_unlock(&db->mu);
    s.sticky_err = atomic_load(&db->sticky_err);
    if (!err)
        err = db_space(db, &s.disk_total_len, &s.disk_free_len);
    if (!err)
        *ret = s;
    return err;
}
