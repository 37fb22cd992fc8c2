/*
 * Open snapshots: a ring of sequence numbers that flush and compaction look at, together with the
 * named ones (snapshot_named.c). A snapshot takes the visible number under the lock under which
 * they copy the list, so none is missed.
 */
#include "lsm/db/db.h"

static void ring_add_locked(struct lsm_db *db, struct lsm_snapshot *s, uint64_t seqno)
    REQUIRES(db->mu)
{
    s->seqno = seqno;
    s->next = &db->snapshots;
    s->prev = db->snapshots.prev;
    s->prev->next = s;
    s->next->prev = s;
    db->snapshot_count++;
}

int lsm_snapshot_open(struct lsm_db *db, struct lsm_snapshot **ret)
{
    struct lsm_snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    mutex_lock(&db->mu);
    ring_add_locked(db, s, atomic_load(&db->visible_seqno));
    mutex_unlock(&db->mu);
    *ret = s;
    return 0;
}

int lsm_snapshot_find(struct lsm_db *db, const void *name, size_t name_len,
                      struct lsm_snapshot **ret)
{
    struct lsm_snapshot *s = calloc(1, sizeof(*s));
    const struct named_snapshot *found;

    err_clear();
    if (!s)
        return -ENOMEM;
    mutex_lock(&db->mu);
    found = named_snapshots_find(&db->named, slice_of(name, name_len));
    if (found)
        ring_add_locked(db, s, found->seqno);
    mutex_unlock(&db->mu);
    if (!found) {
        free(s);
        return -ENOENT;
    }
    *ret = s;
    return 0;
}

void lsm_snapshot_close(struct lsm_db *db, struct lsm_snapshot *s)
{
    if (!s)
        return;
    mutex_lock(&db->mu);
    s->prev->next = s->next;
    s->next->prev = s->prev;
    db->snapshot_count--;
    db->stale_hint = true;
    mutex_unlock(&db->mu);
    free(s);
}

uint64_t lsm_snapshot_seqno(const struct lsm_snapshot *s)
{
    return s->seqno;
}

/* Copy all sequence numbers, as far as there is room; the answer is how many there are. */
static size_t copy_seqnos(struct lsm_db *db, uint64_t *list, size_t cap)
{
    size_t count, n = 0;

    mutex_lock(&db->mu);
    count = db->snapshot_count + db->named.count;
    if (count <= cap) {
        for (struct lsm_snapshot *s = db->snapshots.next; s != &db->snapshots; s = s->next)
            list[n++] = s->seqno;
        for (size_t i = 0; i < db->named.count; i++)
            list[n++] = db->named.list[i].seqno;
    }
    mutex_unlock(&db->mu);
    return count;
}

static int seqno_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Sort, and keep each once; the new count. */
static size_t sort_seqnos(uint64_t *list, size_t count)
{
    size_t kept = 0;

    if (count)
        qsort(list, count, sizeof(*list), seqno_cmp);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    }
    return kept;
}

int snapshots_list(struct lsm_db *db, uint64_t **ret, size_t *ret_count)
{
    uint64_t *list = NULL;
    size_t count, cap = 0;

    /* Allocated without the lock, so perhaps more than once. */
    while ((count = copy_seqnos(db, list, cap)) > cap) {
        free(list);
        cap = count + 16;
        list = malloc(cap * sizeof(*list));
        if (!list)
            return -ENOMEM;
    }
    *ret = list;
    *ret_count = sort_seqnos(list, count);
    return 0;
}
