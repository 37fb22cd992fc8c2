/*
 * Unnamed snapshots: a ring of sequence numbers, oldest first, that compaction looks at. A snapshot
 * takes the visible number under the lock under which compaction copies the list, so none is
 * missed.
 */
#include "lsm/db/db.h"

int lsm_snapshot_open(struct lsm_db *db, struct lsm_snapshot **ret)
{
    struct lsm_snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    mutex_lock(&db->mu);
    s->seqno = atomic_load(&db->visible_seqno);
    s->next = &db->snapshots;
    s->prev = db->snapshots.prev;
    s->prev->next = s;
    s->next->prev = s;
    mutex_unlock(&db->mu);
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
    mutex_unlock(&db->mu);
    free(s);
}

uint64_t lsm_snapshot_seqno(const struct lsm_snapshot *s)
{
    return s->seqno;
}

int snapshots_list(struct lsm_db *db, uint64_t **ret, size_t *ret_count)
{
    uint64_t *list = NULL;
    size_t count = 0, cap = 0;

    /* Allocated without the lock, so perhaps more than once. */
    for (;;) {
        count = 0;
        mutex_lock(&db->mu);
        for (struct lsm_snapshot *s = db->snapshots.next; s != &db->snapshots; s = s->next) {
            if (count < cap)
                list[count] = s->seqno;
            count++;
        }
        mutex_unlock(&db->mu);
        if (count <= cap)
            break;
        free(list);
        cap = count + 16;
        list = malloc(cap * sizeof(*list));
        if (!list)
            return -ENOMEM;
    }
    *ret = list;
    *ret_count = count;
    return 0;
}
