/*
 * What a compaction reads: iterators over its inputs' points, one set for each piece, and their
 * range tombstones, once for all.
 */
#include "lsm/db/compact_job.h"

int rangedels_of_list(const struct rangedel_list *list, const uint64_t *snapshots,
                      size_t snapshot_count, struct rangedel **ret, size_t *ret_count)
{
    size_t count = *ret_count, cap = count;
    struct rangedel *dels = *ret;

    for (size_t i = 0; list && i < list->fragment_count; i++) {
        const struct rangedel_fragment *f = &list->fragments[i];

        for (uint32_t k = 0; k < f->seqno_count;
             k = rangedel_next_stripe(f, k, snapshots, snapshot_count)) {
            if (count == cap) {
                cap = cap ? cap * 2 : 64;
                dels = realloc(*ret, cap * sizeof(*dels));
                if (!dels)
                    return -ENOMEM;
                *ret = dels;
            }
            dels[count++] = (struct rangedel){f->start, f->end, f->seqnos[k]};
        }
    }
    *ret_count = count;
    return 0;
}

int job_open_inputs(struct lsm_db *db, struct compact_job *job)
{
    const struct compaction *c = &job->c;
    int err = snapshots_list(db, &job->snapshots, &job->snapshot_count);

    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; !err && i < c->input_count[which]; i++) {
            struct sst *sst;

            if (c->inputs[which][i]->stats.rangedel_count == 0)
                continue;
            err = table_meta_sst(c->inputs[which][i], &db->store, &sst);
            if (!err)
                err = rangedels_of_list(sst_rangedels(sst), job->snapshots, job->snapshot_count,
                                        &job->dels, &job->del_count);
        }
    }
    return err;
}

static int add_child(struct compact_piece *p, struct iter *child)
{
    if (p->child_count == p->child_cap) {
        unsigned cap = p->child_cap ? p->child_cap * 2 : 16;
        struct iter **children = realloc(p->children, cap * sizeof(*children));

        if (!children) {
            iter_free(child);
            return -ENOMEM;
        }
        p->children = children;
        p->child_cap = cap;
    }
    p->children[p->child_count++] = child;
    return 0;
}

/* Level-0 tables may overlap: one iterator each. Deeper ones follow one another in one. */
static int open_children(struct lsm_db *db, struct compact_piece *p)
{
    const unsigned flags = SST_ITER_NO_CACHE | SST_ITER_READAHEAD;
    const struct compaction *c = &p->job->c;
    int err = 0;

    for (unsigned which = 0; which < 2; which++) {
        bool separate = which == 0 && c->input_level == 0;
        size_t step = separate ? 1 : c->input_count[which];

        for (size_t i = 0; !err && i < c->input_count[which]; i += step) {
            struct iter *child;

            if (separate && !table_meta_overlaps(c->inputs[which][i], p->run.begin, p->run.end))
                continue;
            err = level_iter_new(&db->store, c->inputs[which] + i, step, flags, &child);
            if (!err)
                err = add_child(p, child);
        }
    }
    return err;
}

int piece_open_input(struct lsm_db *db, struct compact_piece *p)
{
    int err = open_children(db, p);

    if (err)
        return err;
    err = merge_iter_new(p->children, p->child_count, &p->run.input);
    p->child_count = 0; /* they belong to the input now, or are gone */
    return err;
}

void piece_close_input(struct compact_piece *p)
{
    iter_free(p->run.input);
    p->run.input = NULL;
    for (unsigned i = 0; i < p->child_count; i++)
        iter_free(p->children[i]);
    free(p->children);
    p->children = NULL;
    p->child_count = p->child_cap = 0;
}
