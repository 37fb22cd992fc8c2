/*
 * Collection empties whole files, the worst first, one table after the other. A table that is
 * rewritten lets go of all files that are to be emptied, not only of the one that it was chosen
 * for, so each table is rewritten once for however many files.
 *
 * Rewriting goes to the same level: the output covers no more than the input, which nobody else may
 * touch meanwhile, so the order of levels is not disturbed. References in level 0 wait until their
 * table is compacted: that is soon, and moves the records as well.
 */
#include "lsm/compact/pick_garbage.h"

#include "lsm/compact/pick_inputs.h"

static double share(const struct garbage_file *f)
{
    return (double)f->garbage_len / (double)(f->len ? f->len : 1);
}

struct search {
    const struct slice *start, *end;
    uint64_t len_max;
};

/* The table with the most bytes in the file; false when none can be taken. */
static bool find_table(const struct version *v, const struct search *s,
                       const struct garbage_file *file, struct chosen *ret)
{
    uint64_t best = 0;

    for (unsigned n = 1; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < v->levels[n].count; i++) {
            struct table_meta *m = v->levels[n].tables[i];
            const struct blob_use *use = blob_uses_find(&m->blobs, file->number);

            if (!use || use->len <= best || m->compacting ||
                !table_meta_overlaps(m, s->start, s->end))
                continue;
            if (s->len_max && add_saturating(m->stats.file_len, use->len) > s->len_max)
                continue;
            best = use->len;
            ret->inputs = &v->levels[n].tables[i];
            ret->input_level = ret->output_level = n;
        }
    }
    return best > 0;
}

/* The file that comes after `last` when the worst is first (count: from the start); count at the
 * end. */
static size_t next_worst(const struct garbage_file *files, size_t count, size_t last)
{
    size_t worst = count;

    for (size_t i = 0; i < count; i++) {
        bool later = last == count || share(&files[i]) < share(&files[last]) ||
                     (!(share(&files[i]) > share(&files[last])) && i > last);

        if (later && (worst == count || share(&files[i]) > share(&files[worst])))
            worst = i;
    }
    return worst;
}

int pick_garbage(const struct version *v, const struct garbage_file *files, size_t count,
                 const struct slice *start, const struct slice *end, uint64_t len_max,
                 struct compaction *ret)
{
    const struct search s = {start, end, len_max};
    struct chosen chosen = {.input_count = 1, .may_move = true};
    size_t i = count;
    bool found = false;
    int picked;

    while (!found && (i = next_worst(files, count, i)) < count)
        found = find_table(v, &s, &files[i], &chosen);
    if (!found)
        return 0;
    picked = compaction_make(v, &chosen, false, ret);
    if (picked > 0)
        ret->trivial_move = false;
    return picked;
}
