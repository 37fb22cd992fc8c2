/*
 * One compaction, from picked inputs to the new version. Inputs that can move down as they are cost
 * one edit and no I/O.
 */
#include "lsm/db/db.h"

struct inputs {
    struct iter **children;
    unsigned count, cap;
    struct rangedel *dels;
    size_t del_count;
    uint64_t *snapshots;
    size_t snapshot_count;
};

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

static int add_child(struct inputs *in, struct iter *child)
{
    if (in->count == in->cap) {
        unsigned cap = in->cap ? in->cap * 2 : 16;
        struct iter **children = realloc(in->children, cap * sizeof(*children));

        if (!children) {
            iter_free(child);
            return -ENOMEM;
        }
        in->children = children;
        in->cap = cap;
    }
    in->children[in->count++] = child;
    return 0;
}

static int add_dels(struct lsm_db *db, const struct compaction *c, unsigned which,
                    struct inputs *in)
{
    int err = 0;

    for (size_t i = 0; !err && i < c->input_count[which]; i++) {
        struct sst *sst;

        if (c->inputs[which][i]->stats.rangedel_count == 0)
            continue;
        err = table_meta_sst(c->inputs[which][i], &db->store, &sst);
        if (!err)
            err = rangedels_of_list(sst_rangedels(sst), in->snapshots, in->snapshot_count,
                                    &in->dels, &in->del_count);
    }
    return err;
}

/* Level-0 tables may overlap: one iterator each. Deeper ones follow one another in one. */
static int open_inputs(struct lsm_db *db, const struct compaction *c, struct inputs *in)
{
    const unsigned flags = SST_ITER_NO_CACHE | SST_ITER_READAHEAD;
    int err = 0;

    for (unsigned which = 0; !err && which < 2; which++) {
        bool separate = which == 0 && c->input_level == 0;
        size_t step = separate ? 1 : c->input_count[which];

        for (size_t i = 0; !err && i < c->input_count[which]; i += step) {
            struct iter *child;

            err = level_iter_new(&db->store, c->inputs[which] + i, step, flags, &child);
            if (!err)
                err = add_child(in, child);
        }
        if (!err)
            err = add_dels(db, c, which, in);
    }
    return err;
}

static uint64_t run_new_number(void *arg)
{
    return db_new_file(arg);
}

static int run_yield(void *arg, const struct compact_run *r)
{
    struct lsm_db *db = arg;

    (void)r;
    return atomic_load_explicit(&db->closing, memory_order_relaxed) ? -ECANCELED : 0;
}

static int remove_inputs(const struct compaction *c, struct version_edit *edit)
{
    int err = 0;

    for (unsigned which = 0; which < 2; which++) {
        unsigned level = which ? c->output_level : c->input_level;

        for (size_t i = 0; !err && i < c->input_count[which]; i++)
            err = edit_remove_table(edit, level, c->inputs[which][i]->number);
    }
    return err;
}

static int move_down(struct lsm_db *db, struct compaction *c)
{
    struct version_edit edit = {0};
    int err = remove_inputs(c, &edit);

    for (size_t i = 0; !err && i < c->input_count[0]; i++)
        err = edit_add_table(&edit, c->output_level, c->inputs[0][i]);
    if (!err)
        err = db_commit_edit(db, &edit, NULL);
    if (!err)
        atomic_fetch_add_explicit(&db->counters.move_count, 1, memory_order_relaxed);
    edit_done(&edit, &db->store);
    return err;
}

static int commit_outputs(struct lsm_db *db, const struct compaction *c, struct compact_run *run)
{
    struct version_edit edit = {0};
    int err = remove_inputs(c, &edit);

    for (size_t i = 0; !err && i < run->table_count; i++)
        err = edit_add_table(&edit, c->output_level, run->tables[i]);
    if (!err)
        err = env_sync_dir(db->env);
    if (!err)
        err = db_commit_edit(db, &edit, NULL);
    for (size_t i = 0; err == -ENOSPC && i < run->table_count; i++)
        atomic_store(&run->tables[i]->obsolete, true);
    edit_done(&edit, &db->store);
    return err;
}

/* Where a split cuts: at the first key of each table of the level that it is to be merged with. */
static int choose_cuts(struct lsm_db *db, const struct version *v, struct compact_run *run,
                       struct slice **ret)
{
    struct level_targets targets;
    const struct level *level;

    pick_level_targets(v, &db->pick, &targets);
    level = &v->levels[targets.base_level];
    *ret = malloc((level->count + 1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < level->count; i++)
        (*ret)[i] = level->tables[i]->smallest;
    run->cuts = *ret;
    run->cut_count = level->count;
    return 0;
}

static uint64_t newest_run(const struct compaction *c)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < c->input_count[0]; i++)
        newest = c->inputs[0][i]->run > newest ? c->inputs[0][i]->run : newest;
    return newest;
}

static int merge_down(struct lsm_db *db, struct compaction *c)
{
    struct compact_run run = {.env = db->env,
                              .builder = db->builder,
                              .table_len = db->options.table_len,
                              .prefix_len = db->options.table_prefix_len,
                              .bottom = c->bottom,
                              .new_number = run_new_number,
                              .yield = run_yield,
                              .arg = db};
    struct superversion *sv = sv_get(db); /* keeps the cuts' keys */
    struct inputs in = {0};
    struct slice *cuts = NULL;
    struct iter *input = NULL;
    int err = snapshots_list(db, &in.snapshots, &in.snapshot_count);

    if (!err)
        err = open_inputs(db, c, &in);

    if (!err && c->split) {
        run.run = newest_run(c);
        err = choose_cuts(db, sv->version, &run, &cuts);
    }

    if (!err) {
        err = merge_iter_new(in.children, in.count, &input);
        in.count = 0; /* they belong to input now, or are gone */
    }
    run.input = input;
    run.dels = in.dels;
    run.del_count = in.del_count;
    run.snapshots = in.snapshots;
    run.snapshot_count = in.snapshot_count;
    if (!err)
        err = compact_run(&run);
    if (!err)
        err = commit_outputs(db, c, &run);
    if (!err) {
        atomic_fetch_add_explicit(&db->counters.compact_count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&db->counters.compact_read_len, c->input_len,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&db->counters.compact_write_len, run.written_len,
                                  memory_order_relaxed);
    }
    compact_run_done(&run, &db->store);
    iter_free(input);
    for (unsigned i = 0; i < in.count; i++)
        iter_free(in.children[i]);
    free(in.children);
    free(in.dels);
    free(in.snapshots);
    free(cuts);
    sv_put(sv);
    return err;
}

int db_compact(struct lsm_db *db, struct compaction *c)
{
    return c->trivial_move ? move_down(db, c) : merge_down(db, c);
}
