/*
 * A version is held for a snapshot when a newer one of the same key, or a range tombstone over it,
 * stands in the same table and a snapshot lies between the two: without the snapshot, the merge
 * that wrote the table would have left it out. Snapshots that matter to a table are those from its
 * smallest sequence number up to, without, its largest. No new ones can appear there, so what is
 * found to be garbage stays garbage.
 *
 * Rewriting goes to the same level: the output covers no more than the input, which nobody else may
 * touch meanwhile, so the order of levels is not disturbed.
 */
#include "lsm/compact/stale.h"

#include "lsm/compact/pick_inputs.h"

enum {
    HELD_PART = 8 /* less than one in so many versions is not worth rewriting the others */
};

/* Index of the first at or above seqno. */
static size_t first_from(const uint64_t *snapshots, size_t count, uint64_t seqno)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (snapshots[middle] < seqno)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t snapshots_between(const uint64_t *snapshots, size_t count, uint64_t from, uint64_t end)
{
    size_t first = first_from(snapshots, count, from), last = first_from(snapshots, count, end);

    return last > first ? last - first : 0;
}

/* The share of its versions that rewriting would give back, at a guess; 0: leave it. */
static double stale_share(const struct table_meta *m, const uint64_t *snapshots, size_t count)
{
    size_t live;

    if (m->held_count == 0 || m->held_count < m->stats.entry_count / HELD_PART)
        return 0;
    live = snapshots_between(snapshots, count, m->stats.seqno_min, m->stats.seqno_max);
    if (live > m->held_snapshots / 2)
        return 0;
    return (double)m->held_count / (double)(m->stats.entry_count + 1);
}

int pick_stale(const struct version *v, const uint64_t *snapshots, size_t count, uint64_t len_max,
               struct compaction *ret)
{
    struct chosen chosen = {.input_count = 1, .may_move = true};
    double best = 0;
    int picked;

    for (unsigned n = 1; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < v->levels[n].count; i++) {
            struct table_meta *m = v->levels[n].tables[i];
            double share = m->compacting ? 0 : stale_share(m, snapshots, count);

            if (share <= best || (len_max && m->stats.file_len > len_max))
                continue;
            best = share;
            chosen.inputs = &v->levels[n].tables[i];
            chosen.input_level = chosen.output_level = n;
        }
    }
    if (!chosen.inputs)
        return 0;
    picked = compaction_make(v, &chosen, false, ret);
    if (picked > 0)
        ret->trivial_move = false;
    return picked;
}
