/*
 * Named snapshots: sequence numbers that the manifest keeps, so that they outlive the process.
 *
 * Creating one pins the visible number first, as an open snapshot, so that no flush or compaction
 * drops what it shows while the rest is under way. Then the log is synced up to it: a snapshot must
 * never be durable before what it shows. Then the feature bit, which keeps older programs from
 * compacting it away, and last the manifest's edit, which is what makes it. A crash leaves the
 * snapshot whole or not at all.
 *
 * Removing one commits an edit. Only then does the list that compaction looks at lose it: what it
 * held is still there if a crash brings it back.
 */
#include "lsm/db/db.h"

_Static_assert(LSM_SNAPSHOT_NAME_LEN_MAX == sizeof(((struct named_snapshot *)0)->name),
               "an entry has room for every name");

/* An entry for the name, or -EINVAL with a text. */
static int entry_of(const void *name, size_t name_len, struct named_snapshot *ret)
{
    int err = named_snapshot_init(slice_of(name, name_len), 0, 0, ret);

    return err ? err_raise(EINVAL, "a snapshot's name has 1 to %d bytes, not %zu",
                           LSM_SNAPSHOT_NAME_LEN_MAX, name_len)
               : 0;
}

static bool is_named(struct lsm_db *db, const struct named_snapshot *s)
{
    bool found;

    mutex_lock(&db->mu);
    found = named_snapshots_find(&db->named, named_snapshot_name(s));
    mutex_unlock(&db->mu);
    return found;
}

static int commit(struct lsm_db *db, struct version_edit *edit)
{
    int err = db_commit_edit(db, edit, NULL);

    /* Whether it is on disk nobody knows, so what compaction may drop is not known either. */
    if (err && err != -ENOSPC && err != -EEXIST && err != -ENOENT)
        err = db_fail(db, err, "a change of the named snapshots failed");
    edit_done(edit, &db->store);
    return err;
}

/* s has a name, and gets the number that is pinned. */
static int create_pinned(struct lsm_db *db, uint64_t seqno, struct named_snapshot *s)
{
    struct version_edit edit = {0};
    int err = db_sync_to(db, seqno);

    if (!err)
        err = db_need_features(db, FEATURE_NAMED_SNAPSHOTS, 0);
    if (err)
        return err;
    s->seqno = seqno;
    s->time_ns = now_ns(CLOCK_REALTIME);
    err = named_snapshots_add(&edit.snapshots_added, s);
    return err ? err : commit(db, &edit);
}

int lsm_snapshot_create(struct lsm_db *db, const void *name, size_t name_len)
{
    struct lsm_snapshot *pin;
    struct named_snapshot s;
    int err;

    err_clear();
    err = entry_of(name, name_len, &s);
    if (!err)
        err = db_writable(db);
    if (err)
        return err;
    if (is_named(db, &s)) /* asked again when it is committed; this spares the syncs */
        return -EEXIST;
    err = lsm_snapshot_open(db, &pin);
    if (err)
        return err;
    err = create_pinned(db, pin->seqno, &s);
    lsm_snapshot_close(db, pin);
    return err;
}

int lsm_snapshot_remove(struct lsm_db *db, const void *name, size_t name_len)
{
    struct version_edit edit = {0};
    struct named_snapshot s;
    int err;

    err_clear();
    err = entry_of(name, name_len, &s);
    if (!err)
        err = db_writable(db);
    if (err)
        return err;
    if (!is_named(db, &s))
        return -ENOENT;
    err = named_snapshots_add(&edit.snapshots_removed, &s);
    if (!err)
        err = commit(db, &edit);
    if (err)
        return err;
    /* What it held may be dropped now. */
    mutex_lock(&db->mu);
    db->stale_hint = true;
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    return 0;
}

int lsm_snapshot_list(struct lsm_db *db,
                      int (*each)(void *arg, const struct lsm_snapshot_info *info), void *arg)
{
    struct named_snapshots copy;
    int err;

    err_clear();
    mutex_lock(&db->mu);
    err = named_snapshots_copy(&db->named, &copy);
    mutex_unlock(&db->mu);
    if (err)
        return err;
    named_snapshots_sort_by_age(&copy);
    for (size_t i = 0; i < copy.count && !err; i++) {
        const struct lsm_snapshot_info info = {.name = copy.list[i].name,
                                               .name_len = copy.list[i].name_len,
                                               .seqno = copy.list[i].seqno,
                                               .time_ns = copy.list[i].time_ns};

        err = each(arg, &info);
    }
    named_snapshots_done(&copy);
    return err;
}
