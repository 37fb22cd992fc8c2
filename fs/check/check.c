/*
 * The checker's run: the engine's checksums first, then the tree in four passes, each in key
 * order.
 *
 *   1. super:  the facts under 'S', without which nothing else can be judged;
 *   2. names:  every 'D' key; what it names goes into an array that is then sorted by inode;
 *   3. inodes: 'I', 'B', 'X', 'O' and the sorted names, joined by inode number in one sweep;
 *   4. tree:   directories hang together and reach the root; numbers were handed out.
 *
 * All is read as of one moment. Nothing is written here; but a repair that is called for a problem
 * may write, and then the check ends after the phase, to begin anew (repair.c). Damage that one
 * pass meets is counted and does not end the check: a later pass then stays silent about what the
 * damage would explain.
 */
#include "fs/check/fsck.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/check/check_impl.h"

static const char *const kind_names[CHECK_KIND_COUNT] = {
    [CHECK_STORE_DAMAGE] = "store-damage",
    [CHECK_UNREADABLE] = "unreadable",
    [CHECK_LOST] = "lost",
    [CHECK_OLD] = "old",
    [CHECK_SUPER] = "super",
    [CHECK_KEY] = "key",
    [CHECK_NAME] = "name",
    [CHECK_NAME_HASH] = "name-hash",
    [CHECK_ENTRY_RECORD] = "entry-record",
    [CHECK_ENTRY_PARENT] = "entry-parent",
    [CHECK_ENTRY_INODE] = "entry-inode",
    [CHECK_ENTRY_TYPE] = "entry-type",
    [CHECK_ROOT] = "root",
    [CHECK_INODE_RECORD] = "inode-record",
    [CHECK_INODE_NUMBER] = "inode-number",
    [CHECK_LINK_COUNT] = "link-count",
    [CHECK_DIR_LINKS] = "dir-links",
    [CHECK_DIR_PARENT] = "dir-parent",
    [CHECK_DIR_SIZE] = "dir-size",
    [CHECK_DIR_LOOP] = "dir-loop",
    [CHECK_UNREACHABLE] = "unreachable",
    [CHECK_ORPHAN] = "orphan",
    [CHECK_BLOCK_OWNER] = "block-owner",
    [CHECK_BLOCK_COUNT] = "block-count",
    [CHECK_BLOCK_PLACE] = "block-place",
    [CHECK_BLOCK_LEN] = "block-len",
    [CHECK_XATTR_OWNER] = "xattr-owner",
    [CHECK_XATTR_FLAG] = "xattr-flag",
    [CHECK_XATTR_INVALID] = "xattr-invalid",
    [CHECK_ACL] = "acl",
};

const char *check_kind_name(enum check_kind kind)
{
    return (unsigned)kind < CHECK_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *check_phase_name(enum check_phase phase)
{
    static const char *const names[CHECK_PHASE_COUNT] = {"store", "facts", "names", "inodes",
                                                         "tree"};

    return (unsigned)phase < CHECK_PHASE_COUNT ? names[phase] : "unknown";
}

void *check_array_add(struct check_array *a, size_t item_len)
{
    if (a->count == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 256;
        void *items = reallocarray(a->items, cap, item_len);

        if (!items)
            return NULL;
        a->items = items;
        a->cap = cap;
    }
    return (char *)a->items + a->count++ * item_len;
}

/* lsm_verify's callbacks. */
static int store_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    static const struct check_finding f = {.kind = CHECK_STORE_DAMAGE};
    struct check *c = arg;

    /* The engine's own words often name the place already. */
    if (strstr(text, file))
        return check_found(c, &f, "%s", text);
    if (offset)
        return check_found(c, &f, "%s at byte %llu: %s", file, (unsigned long long)offset, text);
    return check_found(c, &f, "%s: %s", file, text);
}

static void store_progress(void *arg, uint64_t done_len, uint64_t total_len)
{
    struct check *c = arg;

    if (c->options->progress)
        c->options->progress(c->options->arg, CHECK_PHASE_STORE, done_len, total_len);
}

static int check_store(struct check *c)
{
    int err = lsm_verify(c->db, store_damage, store_progress, c);

    if (lsm_is_damage(err))
        return check_found(c, &(struct check_finding){.kind = CHECK_STORE_DAMAGE}, "%s",
                           lsm_detail());
    return err < 0 ? err : 0;
}

static void tell_orphans(struct check *c)
{
    char text[128];

    if (!c->result->orphan_count || !c->options->info)
        return;
    snprintf(text, sizeof(text),
             "%llu deleted but once open %s waits to be purged at the next mount",
             (unsigned long long)c->result->orphan_count,
             c->result->orphan_count == 1 ? "file" : "files");
    c->options->info(c->options->arg, text);
}

static void tell_part(struct check *c)
{
    if (c->options->info)
        c->options->info(c->options->arg,
                         "only this part of the tree is checked, and what is read on the way; not "
                         "the store's other files, what no name leads to, links from elsewhere, "
                         "and numbers in use elsewhere");
}

/* Each phase judges by what those before it read; a repair makes that obsolete. */
static int run_phases(struct check *c)
{
    static const struct {
        enum check_phase phase;
        int (*run)(struct check *c);
        bool whole; /* not for a part of the tree */
    } phases[] = {
        {CHECK_PHASE_STORE, check_store, true},    {CHECK_PHASE_FACTS, check_super, false},
        {CHECK_PHASE_FACTS, check_keys, true},     {CHECK_PHASE_NAMES, check_names, false},
        {CHECK_PHASE_INODES, check_inodes, false}, {CHECK_PHASE_TREE, check_tree, false},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]) && !err && !c->repaired; i++) {
        if ((c->subtree && phases[i].whole) ||
            (c->options->skip_store && phases[i].phase == CHECK_PHASE_STORE))
            continue;
        if (c->options->phase && (!i || phases[i].phase != phases[i - 1].phase))
            c->options->phase(c->options->arg, phases[i].phase);
        err = phases[i].run(c);
    }
    return err;
}

static void check_free(struct check *c)
{
    lsm_snapshot_close(c->db, c->snapshot);
    check_lists_free(c);
    buf_free(&c->path);
    buf_free(&c->dir_path);
    buf_free(&c->top_path);
}

int check_run(struct lsm_db *db, const struct check_options *options, struct check_result *ret)
{
    static const struct check_options none;
    struct check c = {.db = db, .options = options ? options : &none, .result = ret};
    struct lsm_snapshot *snapshot;
    int err;

    *ret = (struct check_result){0};
    err = lsm_snapshot_open(db, &snapshot);
    if (err)
        return err;
    c.snapshot = snapshot;
    c.subtree = check_path_is_part(c.options->path);
    if (c.subtree)
        tell_part(&c);
    err = check_lists_new(&c);
    if (!err)
        err = run_phases(&c);
    if (lsm_is_damage(err))
        err = check_found(&c, &(struct check_finding){.kind = CHECK_UNREADABLE},
                          "%s; what depends on it was not checked",
                          *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    else if (!err && !c.repaired)
        tell_orphans(&c);
    check_free(&c);
    return err;
}
