/*
 * The repair: a check, with a fix called for each problem as it is found.
 *
 * The check reads one moment of the store and goes on doing so while fixes write. A phase whose
 * problems were repaired is the last of its check, since the next would judge by what no longer
 * holds; then a new round begins. A round that repaired nothing ends the run: it has checked what
 * all the others made.
 *
 * Every fix is one batch of the engine, or several of which each leaves the store no worse, and the
 * engine keeps the order of batches. So a run that was killed, or lost its power, is taken up by
 * the next one. All that is counted (links, entries, blocks) is corrected by a difference: several
 * fixes of one round may change the same count in any order.
 *
 * What was told and not repaired is remembered by a hash, so that later rounds keep quiet about it.
 * What was not wanted is not asked for again. What could not be done is tried again in each round:
 * what was in its way may have been repaired meanwhile. It is told again when it succeeds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "fs/repair/repair_impl.h"

enum {
    ROUND_MAX = 100, /* damage that needs more than a few is not known */
    MEMORY_LEN_DEFAULT = 256 << 20,
    LEFT_SHARE = 8, /* of the memory for what is remembered, 8 bytes each; what comes when that is
                       full is told in each round */
};

/* The lowest bit of a hash that is remembered. */
enum left {
    LEFT_FOR_GOOD,
    LEFT_FAILED, /* try it again */
    LEFT_COUNT,
    LEFT_NOT = LEFT_COUNT
};

static const struct {
    fix_fn *fix;
    bool safe;
    bool (*is_safe)(struct repair *r, const struct check_finding *f); /* instead, when not NULL */
    const char *what;
} fixes[FIX_COUNT] = {
    [FIX_FACTS] = {fix_facts, false, NULL, "write the facts that are missing or damaged"},
    [FIX_NUMBER] = {fix_number, true, NULL, "count the number as handed out"},
    [FIX_KEY_DELETE] = {fix_key_delete, false, NULL, "delete the key"},
    [FIX_KEYS_DELETE] = {fix_keys_delete, false, NULL, "delete the keys"},
    [FIX_ENTRY_RENAME] = {fix_entry_rename, false, NULL, "give the entry a legal name"},
    [FIX_ENTRY_REHASH] = {fix_entry_rehash, false, rehash_is_safe, "move the entry to its place"},
    [FIX_ENTRY_RECORD] = {fix_entry_record, false, entry_record_is_safe,
                          "write the entry as its inode says, or remove it"},
    [FIX_ENTRY_REMOVE] = {fix_entry_remove, false, NULL, "remove the entry"},
    [FIX_ENTRY_TYPE] = {fix_entry_type, true, NULL, "write the inode's type into the entry"},
    [FIX_NAME_REMOVE] = {fix_name_remove, false, NULL, "remove the entry"},
    [FIX_ENTRIES_MOVE] = {fix_entries_move, false, NULL, "move the entries to lost+found"},
    [FIX_ROOT] = {fix_root, false, NULL, "make a root directory"},
    [FIX_REBUILD] = {fix_rebuild, false, NULL, "make an inode for what is there"},
    [FIX_RECORD_DROP] = {fix_record_drop, false, NULL, "remove the inode and its names"},
    [FIX_LINK_COUNT] = {fix_link_count, true, NULL, "correct the link count"},
    [FIX_DIR_SIZE] = {fix_dir_size, true, NULL, "correct the count"},
    [FIX_BLOCK_COUNT] = {fix_block_count, true, NULL, "correct the count"},
    [FIX_DIR_PARENT] = {fix_dir_parent, true, NULL, "correct the field"},
    [FIX_XATTR_FLAG] = {fix_xattr_flag, true, NULL, "show the attributes"},
    [FIX_ACL_FLAGS] = {fix_acl_flags, false, acl_flags_is_safe,
                       "correct the field; where a list is lost, the group's permissions go"},
    [FIX_DIR_LINKS] = {fix_dir_links, false, NULL, "remove all names but one"},
    [FIX_CONNECT] = {fix_connect, true, NULL, "give it a name in lost+found"},
    [FIX_ORPHAN_UNLIST] = {fix_orphan_unlist, true, NULL, "take it off the list"},
    [FIX_ORPHAN_NAMED] = {fix_orphan_named, true, NULL, "take it off the list"},
    [FIX_ORPHAN_CONNECT] = {fix_orphan_connect, true, NULL, "give it a name in lost+found"},
    [FIX_BLOCKS_MOVE] = {fix_blocks_move, false, NULL, "move the blocks to a file in lost+found"},
    [FIX_BLOCKS_TRIM] = {fix_blocks_trim, false, NULL, "shorten the blocks"},
    [FIX_XATTRS_DELETE] = {fix_xattrs_delete, false, NULL, "delete the attributes"},
    [FIX_GROUP_RESET] = {fix_group_reset, true, NULL, "let it take new numbers"},
    [FIX_NEXT_SLOT] = {fix_next_slot, true, NULL, "correct the next number"},
    [FIX_LOOP] = {fix_loop, false, NULL, "move the topmost directory to lost+found"},
};

int fix_cannot(struct repair *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
    return FIX_CANNOT;
}

/* --- What was told and left --- */

static int hash_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static uint64_t finding_hash(const struct check_problem *p)
{
    const struct check_finding *f = p->finding;
    const uint64_t numbers[] = {(uint64_t)f->kind, (uint64_t)f->fix, f->ino,      f->parent,
                                f->hash,           f->found,         f->expected, f->key.len};
    uint64_t h = XXH3_64bits(numbers, sizeof(numbers));

    /* Damage of the store carries no numbers that would tell one from the other. */
    if (f->fix == FIX_NONE)
        return XXH3_64bits_withSeed(p->text, strlen(p->text), h);
    return f->key.len ? XXH3_64bits_withSeed(f->key.data, f->key.len, h) : h;
}

/* How it was left in an earlier round; LEFT_NOT: it was not. */
static enum left was_left(const struct repair *r, const struct check_problem *p)
{
    uint64_t h = finding_hash(p);

    for (enum left how = 0; how < LEFT_COUNT && r->left_sorted; how++) {
        uint64_t item = (h & ~UINT64_C(1)) | how;

        if (bsearch(&item, r->left.items, r->left_sorted, sizeof(item), hash_cmp))
            return how;
    }
    return LEFT_NOT;
}

static int leave(struct repair *r, const struct check_problem *p, enum left how)
{
    uint64_t *h;

    if (r->left.count >= r->left_max)
        return 0;
    h = check_array_add(&r->left, sizeof(*h));
    if (!h)
        return -ENOMEM;
    *h = (finding_hash(p) & ~UINT64_C(1)) | how;
    return 0;
}

/* --- One problem --- */

static void on_problem(void *arg, const struct check_problem *p)
{
    struct repair *r = arg;

    r->may_tell = true;
    if (r->options->check.problem && was_left(r, p) == LEFT_NOT)
        r->options->check.problem(r->options->check.arg, p);
}

static void on_info(void *arg, const char *text)
{
    const struct check_options *o = &((struct repair *)arg)->options->check;

    if (o->info)
        o->info(o->arg, text);
}

static void on_phase(void *arg, enum check_phase phase)
{
    const struct check_options *o = &((struct repair *)arg)->options->check;

    if (o->phase)
        o->phase(o->arg, phase);
}

static void on_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total)
{
    const struct check_options *o = &((struct repair *)arg)->options->check;

    if (o->progress)
        o->progress(o->arg, phase, done, total);
}

static void tell_outcome(struct repair *r, const struct check_problem *p,
                         enum repair_outcome outcome, const char *text)
{
    if (r->options->outcome)
        r->options->outcome(r->options->check.arg, p, outcome, text);
}

/* Not to be done: nobody wants it, or damage is in the way, which no round repairs. */
static int decline(struct repair *r, const struct check_problem *p, enum repair_outcome outcome,
                   const char *text)
{
    tell_outcome(r, p, outcome, text);
    return leave(r, p, LEFT_FOR_GOOD);
}

/* It was wanted, and could not be done. */
static int fail(struct repair *r, const struct check_problem *p, bool again, const char *text)
{
    if (again)
        return 0;
    tell_outcome(r, p, REPAIR_FAILED, text);
    return leave(r, p, LEFT_FAILED);
}

/* again: it failed in an earlier round, and nothing was told of it in this one. */
static int apply(struct repair *r, const struct check_problem *p, bool again)
{
    enum check_fix fix = p->finding->fix;
    int rc;

    rc = fixes[fix].fix(r, p->finding);
    if (rc == FIX_CANNOT)
        return fail(r, p, again, r->why);
    if (lsm_is_damage(rc)) {
        snprintf(r->why, sizeof(r->why), "%s", *lsm_detail() ? lsm_detail() : lsm_strerror(rc));
        check_make_printable(r->why);
        return fail(r, p, again, r->why);
    }
    if (rc)
        return rc;
    if (again && r->may_tell && r->options->check.problem)
        r->options->check.problem(r->options->check.arg, p);
    p->check->repaired = true;
    r->round_repaired++;
    r->result->repaired_count++;
    r->result->repaired[p->kind]++;
    tell_outcome(r, p, REPAIR_DONE, fixes[fix].what);
    return 0;
}

static bool is_wanted(struct repair *r, const struct check_problem *p)
{
    enum check_fix fix = p->finding->fix;
    bool safe = fixes[fix].is_safe ? fixes[fix].is_safe(r, p->finding) : fixes[fix].safe;

    return !r->options->decide ||
           r->options->decide(r->options->check.arg, p, safe, fixes[fix].what);
}

static int on_repair(void *arg, const struct check_problem *p)
{
    struct repair *r = arg;
    enum check_fix fix = p->finding->fix;
    enum left how = was_left(r, p);
    int rc = 0;

    r->check = p->check;
    if (how == LEFT_NOT)
        r->result->found_count++;
    if (how == LEFT_FAILED)
        rc = p->check->damaged ? 0 : apply(r, p, true);
    else if (how == LEFT_NOT && fix == FIX_NONE)
        rc = decline(r, p, REPAIR_FAILED, "damaged bytes cannot be repaired here");
    else if (how == LEFT_NOT && p->check->damaged)
        rc = decline(r, p, REPAIR_FAILED, "not while parts of the store cannot be read");
    else if (how == LEFT_NOT)
        rc = is_wanted(r, p) ? apply(r, p, false) : decline(r, p, REPAIR_DECLINED, fixes[fix].what);
    r->may_tell = false;
    return rc;
}

/* --- Rounds --- */

static int run_round(struct repair *r, const struct check_options *options)
{
    int err;

    r->round_repaired = r->round_steps = 0;
    memset(r->round_good, 0, sizeof(r->round_good));
    r->result->round_count++;
    err = check_run(r->db, options, &r->result->last);
    if (r->left.count)
        qsort(r->left.items, r->left.count, sizeof(uint64_t), hash_cmp);
    r->left_sorted = r->left.count;
    if (err || !r->round_repaired)
        return err;
    return lsm_sync(r->db);
}

int repair_run(struct lsm_db *db, const struct repair_options *options, struct repair_result *ret)
{
    size_t memory_len = options->check.memory_len ? options->check.memory_len : MEMORY_LEN_DEFAULT;
    struct repair r = {.db = db,
                       .options = options,
                       .result = ret,
                       .left_max = memory_len / LEFT_SHARE / sizeof(uint64_t)};
    struct check_options check = {
        .skip_store = options->check.skip_store,
        .block_len = options->check.block_len,
        .problem_max = options->check.problem_max,
        .memory_len = options->check.memory_len,
        .path = options->check.path,
        .problem = on_problem,
        .repair = on_repair,
        .info = on_info,
        .phase = on_phase,
        .progress = on_progress,
        .arg = &r,
    };
    int err;

    *ret = (struct repair_result){0};
    err = run_round(&r, &check);
    check.skip_store = true;
    while (!err && r.round_repaired && ret->round_count < ROUND_MAX)
        err = run_round(&r, &check);
    ret->gave_up = r.round_repaired > 0;
    free(r.left.items);
    return err;
}
