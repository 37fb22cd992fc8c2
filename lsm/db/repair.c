/*
 * lsm_repair: the order of things, the superblock, the switch, and what is told to the caller.
 *
 * The order: find what is wrong; build new tables, and an empty log where the old ones are used up;
 * write down what is lost (losses.c); give every file that is to go a second name in `lost`; write
 * a new manifest and switch CURRENT to it; replace the superblock; remove the first names. A repair
 * that is killed before the switch leaves the store as it was, and files that nothing names; after
 * it, the new store, and files that nothing names. Both are what opening cleans up, and what the
 * next repair starts from.
 */
#include "lsm/db/repair.h"

#include <stdarg.h>

/* --- Telling --- */

static int tell(struct repair *r, const char *file, const char *fmt, va_list ap)
{
    char text[1024];
    int answer;

    vsnprintf(text, sizeof(text), fmt, ap);
    for (char *p = text; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
    answer = r->each ? r->each(r->arg, file, text) : 0;
    return answer > 0 ? -ECANCELED : answer;
}

int repair_found(struct repair *r, const char *file, const char *fmt, ...)
{
    va_list ap;
    int err;

    r->count++;
    va_start(ap, fmt);
    err = tell(r, file, fmt, ap);
    va_end(ap);
    return err;
}

int repair_note(struct repair *r, const char *file, const char *fmt, ...)
{
    va_list ap;
    int err;

    va_start(ap, fmt);
    err = tell(r, file, fmt, ap);
    va_end(ap);
    return err;
}

int repair_lose(void *repair, const struct lsm_loss *loss)
{
    struct repair *r = repair;
    int answer = r->loss ? r->loss(r->arg, loss) : 0;

    if (answer)
        return answer > 0 ? -ECANCELED : answer;
    /* Without keys there is nothing to be acted on later. */
    return r->dry_run || loss->kind == LSM_LOSS_FACTS ? 0 : losses_add(&r->losses, loss);
}

int repair_lose_operations(struct repair *r, const char *file, uint64_t first, uint64_t last)
{
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_OPERATIONS, file);

    loss.seqno_min = first;
    loss.seqno_max = last;
    return repair_lose(r, &loss);
}

const char *repair_key_text(struct slice key, char buf[REPAIR_KEY_TEXT_LEN])
{
    size_t len = key.len < 48 ? key.len : 48, at = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = key.data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '\\';

        at += (size_t)sprintf(buf + at, plain ? "%c" : "\\x%02x", c);
    }
    snprintf(buf + at, REPAIR_KEY_TEXT_LEN - at, "%s", len < key.len ? "..." : "");
    return buf;
}

/* --- What the parts share --- */

bool repair_is_damage(int err)
{
    return err_is_damage(err) || err == -EIO;
}

int repair_set_aside(struct repair *r, const char *name)
{
    if (r->aside_count == r->aside_cap) {
        size_t cap = r->aside_cap ? r->aside_cap * 2 : 16;
        char(*grown)[32] = realloc(r->aside, cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        r->aside = grown;
        r->aside_cap = cap;
    }
    snprintf(r->aside[r->aside_count++], sizeof(*r->aside), "%s", name);
    return 0;
}

void repair_saw_number(struct repair *r, uint64_t number)
{
    if (number >= r->next_file && number < UINT64_MAX)
        r->next_file = number + 1;
}

void repair_saw_seqno(struct repair *r, uint64_t seqno)
{
    if (seqno > r->seqno_max)
        r->seqno_max = seqno;
}

uint64_t repair_new_number(void *repair)
{
    struct repair *r = repair;

    return r->next_file++;
}

int repair_add_found(struct repair *r, struct table_meta *meta)
{
    if (r->found_count == r->found_cap) {
        size_t cap = r->found_cap ? r->found_cap * 2 : 64;
        struct table_meta **grown = realloc(r->found, cap * sizeof(*grown));

        if (!grown) {
            table_meta_unref(meta, &r->store);
            return -ENOMEM;
        }
        r->found = grown;
        r->found_cap = cap;
    }
    r->found[r->found_count++] = meta;
    return 0;
}

/* --- The directory --- */

static int note_file(void *arg, const char *name)
{
    struct repair *r = arg;
    const struct {
        struct file_numbers *numbers;
        uint64_t number;
    } kinds[] = {
        {&r->tables, store_file_number(name, "", ".sst")},
        {&r->logs, store_file_number(name, "", ".wal")},
        {&r->blobs, store_file_number(name, "", ".blob")},
        {&r->manifests, store_file_number(name, "MANIFEST-", "")},
    };

    r->any_current |= strcmp(name, "CURRENT") == 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!kinds[i].number)
            continue;
        repair_saw_number(r, kinds[i].number);
        return file_numbers_add(kinds[i].numbers, kinds[i].number);
    }
    return 0;
}

static int list_files(struct repair *r)
{
    int err = env_list(r->env, note_file, r);

    file_numbers_sort(&r->tables);
    file_numbers_sort(&r->logs);
    file_numbers_sort(&r->blobs);
    file_numbers_sort(&r->manifests);
    return err;
}

static bool has_files(const struct repair *r)
{
    return r->any_current || r->manifests.count || r->tables.count || r->logs.count;
}

/* --- The superblock --- */

/*
 * One whole copy is enough. Without any, the store gets a new identity; all features that this
 * program knows are then taken to be in use, so that no program may misread what needs them.
 */
static int examine_superblock(struct repair *r)
{
    unsigned damaged = 0;
    int err = superblock_read(r->env, &r->superblock, &damaged);

    if (!err && !damaged)
        return 0;
    if (!err) {
        r->new_superblock = true;
        return repair_found(r, "SUPERBLOCK", "one of its two copies is damaged and is replaced");
    }
    if ((err == -ERR_STORE_NOT_ONE || err == -ERR_SUPERBLOCK_MAGIC) && !has_files(r))
        return err_raise(ERR_STORE_NOT_ONE, "%s: not a store: it has none of a store's files",
                         r->env->path);
    if (err != -ERR_STORE_NOT_ONE && err != -ERR_SUPERBLOCK_MAGIC && !repair_is_damage(err))
        return err;
    r->new_superblock = true;
    err = repair_found(r, "SUPERBLOCK", "%s; the store gets a new identity", err_detail());
    if (!err) {
        struct lsm_loss loss = loss_of_kind(LSM_LOSS_FACTS, "SUPERBLOCK");

        err = repair_lose(r, &loss);
    }
    if (!err)
        err = superblock_init(&r->superblock);
    r->superblock.compat = FEATURES_COMPAT_KNOWN;
    r->superblock.ro_compat = FEATURES_RO_COMPAT_KNOWN;
    r->superblock.incompat = FEATURES_INCOMPAT_KNOWN;
    return err ? err : repair_set_aside(r, "SUPERBLOCK");
}

/* --- The switch --- */

/* The logs' contents are in tables: an empty log takes over. */
static int begin_log(struct repair *r)
{
    struct wal_writer *w;
    int err;

    r->state.log_number = repair_new_number(r);
    r->state.flushed_seqno = r->seqno_max;
    err = wal_writer_create(r->env, r->state.log_number, r->seqno_max, &w);
    if (err)
        return err;
    err = wal_writer_sync(w);
    wal_writer_close(w);
    return err;
}

static int keep_aside(struct repair *r)
{
    int err = 0;

    for (size_t i = 0; !err && i < r->aside_count; i++) {
        err = env_keep_aside(r->env, r->aside[i]);
        if (err == -ENOENT)
            err = 0;
    }
    return err;
}

/* The version that the edit leads to; what opening would refuse is refused here. */
static int next_version(struct repair *r, struct version **ret)
{
    int err = version_apply(&r->store, r->state.version, &r->edit, ret);

    if (err)
        return err;
    err = version_check(*ret);
    if (err) {
        version_unref(*ret);
        *ret = NULL;
    }
    return err;
}

static int switch_manifest(struct repair *r)
{
    struct manifest_state next = r->state;
    struct version *version = NULL; /* next.version is the old one, and r->state's, until then */
    struct manifest *m = NULL;
    int err = next_version(r, &version);

    if (!err)
        err = env_sync_dir(r->env);
    next.version = version;
    next.manifest_number = repair_new_number(r);
    next.next_file = r->next_file;
    if (!err) {
        /* Whatever becomes of it, CURRENT may name the new tables from here on. */
        for (size_t i = 0; i < r->edit.added_count; i++)
            atomic_store(&r->edit.added[i].meta->obsolete, false);
        err = manifest_create(r->env, next.manifest_number, &next, &m);
    }
    manifest_close(m);
    version_unref(version);
    return err;
}

/* What was moved aside has a second name by now. SUPERBLOCK was replaced. */
static int remove_aside(struct repair *r)
{
    int err = 0;

    for (size_t i = 0; !err && i < r->aside_count; i++) {
        if (strcmp(r->aside[i], "SUPERBLOCK") == 0)
            continue;
        err = env_remove(r->env, r->aside[i]);
        if (err == -ENOENT)
            err = 0;
    }
    return err ? err : env_sync_dir(r->env);
}

static int carry_out(struct repair *r)
{
    int err = 0;

    if (r->new_log)
        err = begin_log(r);
    if (!err)
        err = losses_write(r->env, &r->losses);
    if (!err)
        err = keep_aside(r);
    if (!err && r->new_manifest)
        err = switch_manifest(r);
    if (!err && r->new_superblock)
        err = superblock_write(r->env, &r->superblock);
    if (!err && r->aside_count)
        err = remove_aside(r);
    /* Last: no value depends on it. */
    return err ? err : repair_blob_headers(r);
}

static int repair_run(struct repair *r)
{
    int err = list_files(r);

    if (!err)
        err = examine_superblock(r);
    if (!err)
        err = repair_find_manifest(r);
    if (!err)
        err = repair_tables(r);
    if (!err)
        err = repair_logs(r);
    if (!err && r->rebuild && !r->dry_run)
        err = repair_place(r);
    if (!err && !r->dry_run)
        err = carry_out(r);
    return err;
}

static void repair_done(struct repair *r)
{
    repair_refs_done(r);
    losses_done(&r->losses);
    edit_done(&r->edit, &r->store);
    for (size_t i = 0; i < r->found_count; i++)
        table_meta_unref(r->found[i], &r->store);
    free(r->found);
    free(r->aside);
    manifest_state_done(&r->state);
    free(r->snapshots);
    free(r->tables.numbers);
    free(r->logs.numbers);
    free(r->blobs.numbers);
    free(r->manifests.numbers);
    free(r->removed.numbers);
}

int db_repair(struct env *env, const struct lsm_options *options, bool dry_run,
              int (*each)(void *arg, const char *file, const char *text),
              int (*loss)(void *arg, const struct lsm_loss *loss), void *arg)
{
    struct repair r = {.env = env,
                       .options = *options,
                       .builder = db_builder_options(options),
                       .store = {.env = env},
                       .dry_run = dry_run,
                       .each = each,
                       .loss = loss,
                       .arg = arg,
                       .next_file = 1};
    int err = repair_run(&r);

    repair_done(&r);
    return err ? err : r.count;
}

/* Before the lock is taken, which makes a file: a directory that is no store is left as it is. */
static int look_before(const char *path)
{
    struct repair r = {0};
    int err = env_posix_open(path, ENV_READ_ONLY | ENV_NO_LOCK, &r.env);

    if (err)
        return err;
    err = list_files(&r);
    if (!err)
        err = examine_superblock(&r);
    env_close(r.env);
    r.env = NULL;
    repair_done(&r);
    return err;
}

int lsm_repair_losses(const char *path, const struct lsm_options *options, bool dry_run,
                      int (*each)(void *arg, const char *file, const char *text),
                      int (*loss)(void *arg, const struct lsm_loss *loss), void *arg)
{
    struct lsm_options o = *options;
    struct env *env;
    int err;

    err_clear();
    o.create = o.must_create = false;
    o.read_only = dry_run;
    err = db_check_options(&o);
    if (!err)
        err = look_before(path);
    if (!err)
        err = db_open_env(path, &o, &env);
    if (err)
        return err;
    err = db_repair(env, &o, dry_run, each, loss, arg);
    env_close(env);
    return err;
}

int lsm_repair(const char *path, const struct lsm_options *options, bool dry_run,
               int (*each)(void *arg, const char *file, const char *text), void *arg)
{
    return lsm_repair_losses(path, options, dry_run, each, NULL, arg);
}
