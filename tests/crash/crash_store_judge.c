/*
 * Looking at a store after a loss of power, and whether it may hold what it does.
 */
#include "crash/crash_store.h"

#include "lib/cmocka_all.h"

#include <stdio.h>

static const char mark_key[] = "~mark"; /* behind all others */

int crash_digest_store(struct lsm_db *db, const struct lsm_snapshot *snapshot, uint64_t *ret,
                       bool *ret_mark)
{
    uint64_t digest = KV_DIGEST_EMPTY;
    struct lsm_iter *it;
    int at = lsm_iter_new(db, snapshot, NULL, 0, NULL, 0, &it);

    *ret_mark = false;
    if (at)
        return at;
    for (at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it)) {
        size_t key_len, value_len;
        const void *key = lsm_iter_key(it, &key_len), *value = lsm_iter_value(it, &value_len);

        if (slice_eq(slice_of(key, key_len), slice_str(mark_key)))
            *ret_mark = true;
        else
            digest = kv_digest_pair(digest, slice_of(key, key_len), slice_of(value, value_len));
    }
    lsm_iter_free(it);
    *ret = digest;
    return at;
}

int crash_put_mark(struct lsm_db *db)
{
    return lsm_put(db, mark_key, strlen(mark_key), "x", 1, LSM_WRITE_SYNC);
}

void crash_outcome_fail(struct crash_outcome *o, int err, const char *doing)
{
    if (o->err)
        return;
    o->err = err;
    /* What verification has found stands there already. */
    if (!*o->text)
        snprintf(o->text, sizeof(o->text), "%.40s: %.60s (%.180s)", doing, lsm_strerror(err),
                 lsm_detail());
}

static int note_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct crash_outcome *o = arg;

    if (!*o->text)
        snprintf(o->text, sizeof(o->text), "verify: %.60s at %llu: %.180s", file,
                 (unsigned long long)offset, text);
    return 0;
}

static void look_at_snapshots(struct lsm_db *db, struct crash_outcome *ret)
{
    for (unsigned i = 0; i < CRASH_SNAPSHOT_MAX; i++) {
        char name = (char)('a' + i);
        struct lsm_snapshot *s;
        bool mark;
        int err = lsm_snapshot_find(db, &name, 1, &s);

        if (err == -ENOENT)
            continue;
        if (!err) {
            err = crash_digest_store(db, s, &ret->extra[i], &mark);
            lsm_snapshot_close(db, s);
        }
        if (err)
            crash_outcome_fail(ret, err, "read a snapshot");
    }
}

/* An unfinished checkpoint is no store; a finished one is whole. */
static void look_at_copy(const struct crash_store *s, struct env_record *disk,
                         struct crash_outcome *ret)
{
    struct env *env = env_record_env_of(disk, "copy");
    struct lsm_options o = s->options;
    struct lsm_db *db;
    bool mark;
    int err;

    if (!env)
        return;
    o.create = false;
    err = db_open(env, &o, &db);
    if (err == -ERR_STORE_NOT_ONE)
        return;
    if (err) {
        crash_outcome_fail(ret, err, "open the checkpoint");
        return;
    }
    err = crash_digest_store(db, NULL, &ret->extra[CRASH_COPY], &mark);
    if (!err)
        err = lsm_verify(db, note_damage, NULL, ret);
    if (err)
        crash_outcome_fail(ret, err, "read the checkpoint");
    lsm_close(db);
}

static void recover(void *arg, struct env_record *disk, struct crash_outcome *ret)
{
    const struct crash_store *s = arg;
    struct lsm_db *db;
    int err = db_open(env_record_env(disk), &s->options, &db);

    if (err) {
        crash_outcome_fail(ret, err, "open");
        return;
    }
    err = lsm_verify(db, note_damage, NULL, ret);
    if (err)
        crash_outcome_fail(ret, err, "verify");
    err = crash_digest_store(db, NULL, &ret->digest, &ret->mark);
    if (err)
        crash_outcome_fail(ret, err, "scan");
    look_at_snapshots(db, ret);
    err = lsm_close(db);
    if (err)
        crash_outcome_fail(ret, err, "close");
    look_at_copy(s, disk, ret);
}

static int again(void *arg, struct env_record *disk, size_t *ret_marked)
{
    const struct crash_store *s = arg;
    struct lsm_db *db;
    int err = db_open(env_record_env(disk), &s->options, &db);

    if (err)
        return err;
    err = crash_put_mark(db);
    *ret_marked = env_record_point(disk);
    if (!err)
        err = lsm_close(db);
    return err;
}

/* Something that is made once and removed at most once, and shows one state. */
static const char *judge_kept(const struct crash_store *s, const struct crash_kept *k, size_t point,
                              uint64_t found)
{
    if (!found)
        return k->made.done <= point && k->removed.begun > point ? "is gone" : NULL;
    if (k->made.begun > point || k->made.begun == SIZE_MAX)
        return "is there before it was made";
    if (k->removed.done <= point)
        return "is back after it was removed";
    return found == s->states[k->state].digest ? NULL : "shows something else";
}

static bool state_is_allowed(const struct crash_store *s, size_t point, uint64_t digest)
{
    size_t least = 0, most = s->state_count;

    for (size_t i = 0; i < s->sync_count; i++)
        if (s->syncs[i].point <= point && s->syncs[i].state > least)
            least = s->syncs[i].state;
    for (size_t n = 1; n <= s->state_count && n <= most; n++)
        if (s->states[n].begun > point)
            most = n - 1;
    for (size_t n = least; n <= most; n++)
        if (s->states[n].digest == digest)
            return true;
    return false;
}

static const char *judge(void *arg, size_t point, const struct crash_outcome *o)
{
    static char text[100];
    const struct crash_store *s = arg;
    const char *wrong;

    if (!state_is_allowed(s, point, o->digest))
        return "holds none of the states that it may hold";
    for (unsigned i = 0; i < CRASH_SNAPSHOT_MAX; i++) {
        wrong = judge_kept(s, &s->snapshots[i], point, o->extra[i]);
        if (wrong) {
            snprintf(text, sizeof(text), "snapshot %u %s", i, wrong);
            return text;
        }
    }
    wrong = judge_kept(s, &s->copy, point, o->extra[CRASH_COPY]);
    if (wrong)
        snprintf(text, sizeof(text), "the checkpoint %s", wrong);
    return wrong ? text : NULL;
}

void crash_store_sweep(struct crash_store *s, unsigned share)
{
    const struct crash_subject subject = {recover, again, judge, s, false};
    const struct crash_sweep sweep = {.scenario = s->scenario,
                                      .subject = &subject,
                                      .env_flags = s->env_flags & ENV_RECORD_RESERVES,
                                      .share = share};
    struct crash_sweep whole = sweep;

    if (s->db)
        crash_store_close(s);
    whole.record = env_record_get(s->disk);
    crash_sweep_run(&whole);
}
