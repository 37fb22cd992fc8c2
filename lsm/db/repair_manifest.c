/*
 * Which manifest counts.
 *
 * The one that CURRENT names, if it can be read and everything that it names is there. Otherwise
 * the newest other one of which that is true: its logs then hold all that came after it.
 *
 * A manifest that can be read to its end may still have lost its last records, which says itself by
 * files that are missing while newer ones are there that it does not know. Where the records that
 * are gone may have replaced tables, the tables that are left are no set that ever was, and so the
 * set is rebuilt from all of them: as it is when no manifest can be read at all. What can still be
 * read of the manifests then helps: a table that one says was removed stays out, since its
 * successors may have dropped the deletions that its entries are subject to.
 *
 * Without such help a leftover table, or log, can bring back what was deleted. That is the limit of
 * rebuilding.
 */
#include "lsm/db/repair.h"

enum verdict {
    VERDICT_WHOLE,   /* and everything that it names is there */
    VERDICT_PARTIAL, /* files are missing, and nothing tells of records that are */
    VERDICT_BROKEN,
};

/* --- One manifest --- */

static size_t count_missing(const struct repair *r, const struct manifest_state *s)
{
    size_t missing = 0;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        for (size_t i = 0; i < s->version->levels[level].count; i++)
            missing += !file_numbers_have(&r->tables, s->version->levels[level].tables[i]->number);
    }
    return missing + (s->log_number && !file_numbers_have(&r->logs, s->log_number));
}

/* May it have had more records? */
static bool lost_records(const struct repair *r, const struct manifest_state *s)
{
    uint64_t newest = r->tables.count ? r->tables.numbers[r->tables.count - 1] : 0;

    return s->torn_len || newest >= s->next_file;
}

/* *ret is filled, for the caller to drop, unless the verdict is BROKEN. */
static int examine(struct repair *r, uint64_t number, struct manifest_state *ret,
                   enum verdict *ret_verdict)
{
    int err = manifest_replay_number(r->env, &r->store, number, ret);

    *ret_verdict = VERDICT_BROKEN;
    if (err)
        return err == -ENOENT || repair_is_damage(err) ? 0 : err;
    if (count_missing(r, ret) == 0) {
        *ret_verdict = VERDICT_WHOLE;
    } else if (!lost_records(r, ret)) {
        *ret_verdict = VERDICT_PARTIAL;
    } else {
        manifest_state_done(ret);
        err_raise(ERR_MANIFEST_DAMAGED, "it has lost its last records");
    }
    return 0;
}

/* What flushing must keep for named snapshots. */
static int list_snapshots(struct repair *r, const struct named_snapshots *named)
{
    r->snapshots = calloc(named->count + 1, sizeof(*r->snapshots));
    if (!r->snapshots)
        return -ENOMEM;
    for (size_t i = 0; i < named->count; i++) {
        uint64_t seqno = named->list[i].seqno;
        size_t at = r->snapshot_count;

        while (at && r->snapshots[at - 1] > seqno)
            at--;
        if (at && r->snapshots[at - 1] == seqno)
            continue;
        memmove(r->snapshots + at + 1, r->snapshots + at,
                (r->snapshot_count - at) * sizeof(*r->snapshots));
        r->snapshots[at] = seqno;
        r->snapshot_count++;
    }
    repair_saw_seqno(r, named_snapshots_newest(named));
    return 0;
}

static int take_over(struct repair *r, const struct manifest_state *s)
{
    r->state = *s;
    if (s->next_file)
        repair_saw_number(r, s->next_file - 1);
    if (s->log_numbers_end)
        repair_saw_number(r, s->log_numbers_end - 1);
    repair_saw_seqno(r, s->flushed_seqno);
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        for (size_t i = 0; i < s->version->levels[level].count; i++)
            repair_saw_seqno(r, s->version->levels[level].tables[i]->stats.seqno_max);
    }
    return list_snapshots(r, &s->snapshots);
}

/* --- All of them --- */

/* 1 when `number` is the one to use. */
static int try_manifest(struct repair *r, uint64_t number, bool partial_will_do)
{
    struct manifest_state s = {0};
    enum verdict verdict;
    int err = examine(r, number, &s, &verdict);

    if (err || verdict == VERDICT_BROKEN)
        return err;
    if (verdict == VERDICT_PARTIAL && !partial_will_do) {
        manifest_state_done(&s);
        return 0;
    }
    err = take_over(r, &s);
    return err ? err : 1;
}

/* The newest one that will do; 0 when none does. */
static int try_others(struct repair *r, uint64_t current, bool partial_will_do)
{
    int answer = 0, err;

    for (size_t i = r->manifests.count; !answer && i-- > 0;) {
        uint64_t number = r->manifests.numbers[i];
        char name[32];

        if (number == current)
            continue;
        answer = try_manifest(r, number, partial_will_do);
        manifest_file_name(number, name);
        if (answer == 1 && (err = repair_note(r, name, "this manifest takes its place")))
            answer = err;
        partial_will_do = false; /* only of the newest */
    }
    return answer;
}

/* --- What is left of manifests --- */

struct remains {
    struct repair *r;
    struct file_numbers live; /* not sorted */
    struct named_snapshots snapshots;
};

static void forget(struct file_numbers *live, uint64_t number)
{
    for (size_t i = 0; i < live->count; i++) {
        if (live->numbers[i] == number)
            live->numbers[i--] = live->numbers[--live->count];
    }
}

static int note_removed(struct remains *m, uint64_t number)
{
    forget(&m->live, number);
    return file_numbers_add(&m->r->removed, number);
}

/* What a whole state does not name is gone. */
static int begin_anew(struct remains *m)
{
    int err = 0;

    named_snapshots_done(&m->snapshots);
    while (!err && m->live.count)
        err = file_numbers_add(&m->r->removed, m->live.numbers[--m->live.count]);
    return err;
}

/* Only their names will be told. With records missing, one may be added twice, or removed never. */
static int note_snapshots(struct remains *m, const struct version_edit *e)
{
    int err = edit_apply_snapshots(e, &m->snapshots);

    repair_saw_seqno(m->r, named_snapshots_newest(&m->snapshots));
    return err == -ENOENT || err == -EEXIST ? 0 : err;
}

static int note_edit(void *arg, const struct version_edit *e, bool first)
{
    struct remains *m = arg;
    struct repair *r = m->r;
    int err = first ? begin_anew(m) : 0;

    for (size_t i = 0; !err && i < e->removed_count; i++)
        err = note_removed(m, e->removed[i].number);
    for (size_t i = 0; !err && i < e->added_count; i++) {
        /* A table that moves is removed and added by one edit. */
        forget(&r->removed, e->added[i].number);
        err = file_numbers_add(&m->live, e->added[i].number);
        repair_saw_number(r, e->added[i].number);
        repair_saw_seqno(r, e->added[i].meta->stats.seqno_max);
    }
    if (e->has_log_number && e->log_number > r->state.log_number)
        r->state.log_number = e->log_number;
    if (e->has_flushed_seqno && e->flushed_seqno > r->state.flushed_seqno)
        r->state.flushed_seqno = e->flushed_seqno;
    if (e->has_next_file && e->next_file)
        repair_saw_number(r, e->next_file - 1);
    if (e->has_log_numbers_end && e->log_numbers_end)
        repair_saw_number(r, e->log_numbers_end - 1);
    repair_saw_seqno(r, r->state.flushed_seqno);
    return err ? err : note_snapshots(m, e);
}

static int tell_lost_snapshot(struct repair *r, const struct named_snapshot *s)
{
    char name[REPAIR_KEY_TEXT_LEN];

    return repair_note(r, "", "the named snapshot \"%s\" is lost",
                       repair_key_text(named_snapshot_name(s), name));
}

/* Oldest first, so that a newer one has the last word. Those that cannot be read at all say none.
 */
static int read_remains(struct repair *r)
{
    struct remains m = {.r = r};
    int err = 0;

    for (size_t i = 0; !err && i < r->manifests.count; i++) {
        err = manifest_salvage(r->env, &r->store, r->manifests.numbers[i], note_edit, &m);
        if (repair_is_damage(err))
            err = 0;
    }
    file_numbers_sort(&r->removed);
    for (size_t i = 0; !err && i < m.snapshots.count; i++)
        err = tell_lost_snapshot(r, &m.snapshots.list[i]);
    named_snapshots_done(&m.snapshots);
    free(m.live.numbers);
    return err;
}

static int rebuild(struct repair *r)
{
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_ORDER, "");
    int err = repair_lose(r, &loss);

    r->rebuild = r->new_log = true;
    return err ? err : read_remains(r);
}

/* --- The decision --- */

static int tell_broken(struct repair *r, uint64_t current)
{
    char name[32], detail[512];
    int err;

    snprintf(detail, sizeof(detail), "%s", err_detail());
    manifest_file_name(current, name);
    if (!file_numbers_have(&r->manifests, current))
        return repair_found(r, name, "the manifest is missing, though CURRENT names it");
    err = repair_found(r, name, "the manifest cannot be used: %s", detail);
    return err ? err : repair_set_aside(r, name);
}

/* None can be used as it is. */
static int do_without(struct repair *r)
{
    int err = 0;

    for (size_t i = 0; !err && i < r->manifests.count; i++) {
        char name[32];

        manifest_file_name(r->manifests.numbers[i], name);
        err = repair_set_aside(r, name);
    }
    if (!err)
        err = repair_note(r, "",
                          "no manifest can be used: which tables there are is found out from the "
                          "tables and logs; named snapshots are lost");
    return err ? err : rebuild(r);
}

int repair_find_manifest(struct repair *r)
{
    uint64_t current = 0;
    int answer, err = manifest_current(r->env, &current);

    if (err && err != -ERR_CURRENT_DAMAGED && !repair_is_damage(err))
        return err;
    if (err) {
        err = repair_found(r, "CURRENT", "%s", err_detail());
        current = 0;
    }
    if (err)
        return err;
    answer = current ? try_manifest(r, current, true) : 0;
    if (answer)
        return answer < 0 ? answer : 0;
    r->new_manifest = true;
    if (current)
        err = tell_broken(r, current);
    answer = err ? err : try_others(r, current, current == 0);
    if (answer)
        return answer < 0 ? answer : 0;
    return do_without(r);
}
