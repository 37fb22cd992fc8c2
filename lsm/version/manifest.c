/*
 * The manifest: the log of edits whose sum is the current version, and CURRENT, which names it.
 * Format: lsm/FORMAT.md, "CURRENT" and "Manifest".
 *
 * A new manifest starts with one record that holds the whole state. It is complete and durable,
 * with its name, before CURRENT is switched to it: so CURRENT never names a file that a crash can
 * lose, and a manifest without its first record is damaged, not torn. Every later record is synced
 * before it is acknowledged. After a crash the last record may be torn; it was never acknowledged,
 * and is left out. A manifest is never continued after it was replayed: the next one replaces it.
 */
#include "lsm/version/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/version/manifest_format.h"

static const char current_name[] = "CURRENT";

struct manifest {
    struct env_writer *w;
    uint64_t number;
    int err; /* the first failure; never cleared */
};

void manifest_file_name(uint64_t number, char buf[32])
{
    snprintf(buf, 32, "MANIFEST-%08" PRIu64, number);
}

/* The number in a manifest's name, which has exactly the form that manifest_file_name gives it. */
static bool number_of(const char *name, uint64_t *ret)
{
    static const char prefix[] = "MANIFEST-";
    uint64_t number = 0;
    const char *p = name + sizeof(prefix) - 1;
    char again[32];

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    manifest_file_name(number, again);
    *ret = number;
    return number > 0 && strcmp(name, again) == 0;
}

/* --- Writing --- */

static int append_record(struct manifest *m, const struct version_edit *e)
{
    static const uint8_t header[MANIFEST_RECORD_HEADER_LEN];
    struct buf b = {0};
    struct slice part;
    int err = buf_append(&b, header, sizeof(header));

    if (!err)
        err = edit_encode(e, &b);
    if (!err) {
        err = manifest_record_seal(&b, m->number, m->w->len);
        if (err == -EFBIG)
            err = err_raise(EFBIG, "%s: the manifest is full", m->w->name);
    }
    part = buf_slice(&b);
    if (!err)
        err = env_writer_append(m->w, &part, 1);
    if (!err)
        err = env_writer_sync(m->w);
    buf_free(&b);
    return err;
}

int manifest_append(struct manifest *m, const struct version_edit *e)
{
    if (m->err)
        return err_raise(-m->err, "%s: refused after an earlier failure to write to it",
                         m->w->name);
    m->err = append_record(m, e);
    return m->err;
}

uint64_t manifest_len(const struct manifest *m)
{
    return m->w->len;
}

void manifest_close(struct manifest *m)
{
    if (!m)
        return;
    /* Every record was synced when it was appended: nothing can be lost here. */
    (void)env_writer_close(m->w);
    free(m);
}

static int state_edit(const struct manifest_state *state, struct version_edit *ret)
{
    int err = 0;

    *ret = (struct version_edit){
        .has_log_number = true,
        .log_number = state->log_number,
        .has_flushed_seqno = true,
        .flushed_seqno = state->flushed_seqno,
        .has_next_file = true,
        .next_file = state->next_file,
        .has_log_numbers_end = state->log_numbers_end != 0,
        .log_numbers_end = state->log_numbers_end,
    };
    for (unsigned n = 0; n < LEVEL_COUNT && state->version; n++) {
        const struct level *level = &state->version->levels[n];

        for (size_t i = 0; i < level->count && !err; i++)
            err = edit_add_table(ret, n, level->tables[i]);
    }
    if (!err)
        err = named_snapshots_copy(&state->snapshots, &ret->snapshots_added);
    return err ? err
               : time_points_choose(&state->times, 0, UINT64_MAX, TIME_POINTS_MAX, &ret->times);
}

/* Header, first record, sync, and the name. */
static int write_first(struct env *env, struct manifest *m, const struct manifest_state *state)
{
    uint8_t header[MANIFEST_HEADER_LEN] = {0};
    struct slice part = slice_of(header, sizeof(header));
    struct version_edit e;
    int err = state_edit(state, &e);

    manifest_header_encode(m->number, header);
    if (!err)
        err = env_writer_append(m->w, &part, 1);
    if (!err)
        err = append_record(m, &e);
    if (!err)
        err = env_sync_dir(env);
    edit_done(&e, state->version ? state->version->store : NULL);
    return err;
}

int manifest_create(struct env *env, uint64_t number, const struct manifest_state *state,
                    struct manifest **ret)
{
    struct manifest *m = calloc(1, sizeof(*m));
    char name[32], current[sizeof(name) + 1];
    int err, len;

    if (!m)
        return -ENOMEM;
    m->number = number;
    manifest_file_name(number, name);
    err = env_writer_create(env, name, &m->w);
    if (err) {
        free(m);
        return err;
    }
    err = write_first(env, m, state);
    if (err) {
        manifest_close(m);
        (void)env_remove(env, name);
        return err;
    }
    len = snprintf(current, sizeof(current), "%s\n", name);
    err = env_replace_small(env, current_name, slice_of(current, (size_t)len));
    if (err) {
        /* CURRENT may name the new file by now, so it must stay. */
        manifest_close(m);
        return err;
    }
    *ret = m;
    return 0;
}

/* --- Reading --- */

static int current_read(struct env *env, char name[32], uint64_t *ret_number)
{
    struct buf b = {0};
    int err = env_read_small(env, current_name, 64, &b);
    bool ok;

    if (err == -ENOENT)
        return err_raise(ERR_CURRENT_DAMAGED, "%s: the file is missing", current_name);
    if (err && err != -EFBIG) {
        buf_free(&b);
        return err;
    }
    ok = !err && b.len >= 2 && b.len <= 32 && b.data[b.len - 1] == '\n';
    if (ok) {
        memcpy(name, b.data, b.len - 1);
        name[b.len - 1] = 0;
        ok = strlen(name) == b.len - 1 && number_of(name, ret_number);
    }
    buf_free(&b);
    if (!ok)
        return err_raise(ERR_CURRENT_DAMAGED,
                         "%s: it must hold the name of a manifest and a "
                         "newline, and does not",
                         current_name);
    return 0;
}

static int file_read(struct env *env, const char *name, struct buf *ret)
{
    int err = env_read_small(env, name, MANIFEST_LEN_MAX, ret);

    if (err == -EFBIG)
        return err_raise(ERR_MANIFEST_DAMAGED, "%s: longer than any manifest", name);
    return err;
}

void manifest_state_done(struct manifest_state *s)
{
    version_unref(s->version);
    named_snapshots_done(&s->snapshots);
    time_points_done(&s->times);
    *s = (struct manifest_state){0};
}

static int apply_snapshots(struct manifest_state *s, const struct version_edit *e)
{
    int err = edit_apply_snapshots(e, &s->snapshots);

    if (err == -EEXIST)
        return err_raise(ERR_MANIFEST_DAMAGED, "a snapshot is added that is there already");
    if (err == -ENOENT)
        return err_raise(ERR_MANIFEST_DAMAGED, "a snapshot is removed that is not there");
    return err;
}

/* Take over what the edit says, and replace the version. */
static int state_apply(struct manifest_state *s, struct table_store *store,
                       const struct version_edit *e)
{
    struct version *v;
    int err = version_apply(store, s->version, e, &v);

    if (err)
        return err;
    version_unref(s->version);
    s->version = v;
    if (e->has_log_number)
        s->log_number = e->log_number;
    if (e->has_flushed_seqno)
        s->flushed_seqno = e->flushed_seqno;
    if (e->has_next_file)
        s->next_file = e->next_file;
    if (e->has_log_numbers_end)
        s->log_numbers_end = e->log_numbers_end;
    /* A number in use is never given out again, whatever the edits forgot to say. */
    for (size_t i = 0; i < e->added_count; i++) {
        if (e->added[i].number >= s->next_file && e->added[i].number < UINT64_MAX)
            s->next_file = e->added[i].number + 1;
    }
    for (size_t i = 0; i < e->times.count; i++)
        time_points_add(&s->times, e->times.points[i]);
    return apply_snapshots(s, e);
}

static int replay_record(struct manifest_state *s, struct table_store *store, struct slice payload,
                         bool first)
{
    struct version_edit e;
    int err = edit_decode(payload, &e, store);

    if (err)
        return err;
    if (first && !(e.has_log_number && e.has_flushed_seqno && e.has_next_file))
        err = err_raise(ERR_MANIFEST_DAMAGED, "the first record does not hold a whole state");
    if (!err)
        err = state_apply(s, store, &e);
    edit_done(&e, store);
    return err;
}

/* Bytes at `offset` are no valid record: a torn tail, or damage. */
static int judge_tail(const char *name, struct slice file, uint64_t number, size_t offset)
{
    size_t later = manifest_record_after(file, number, offset);

    if (later < file.len)
        return err_raise(ERR_MANIFEST_DAMAGED,
                         "%s: the record at offset %zu is damaged, a valid one follows at %zu",
                         name, offset, later);
    if (offset == MANIFEST_HEADER_LEN)
        return err_raise(ERR_MANIFEST_DAMAGED, "%s: the first record, at offset %zu, is damaged",
                         name, offset);
    return 0;
}

static int replay_file(const char *name, struct slice file, struct table_store *store,
                       struct manifest_state *s)
{
    const char *wrong = manifest_header_check(file, s->manifest_number);
    size_t offset = MANIFEST_HEADER_LEN, end;
    struct slice payload;
    int err = 0;

    if (wrong)
        return err_raise(ERR_MANIFEST_DAMAGED, "%s: offset 0: %s", name, wrong);
    while (!err && manifest_record_at(file, s->manifest_number, offset, &payload, &end)) {
        err = replay_record(s, store, payload, offset == MANIFEST_HEADER_LEN);
        if (err && err_is_damage(err))
            return err_raise(-err, "%s: record at offset %zu: %s", name, offset, err_detail());
        offset = end;
    }
    if (err)
        return err;
    err = offset < file.len || offset == MANIFEST_HEADER_LEN
              ? judge_tail(name, file, s->manifest_number, offset)
              : 0;
    if (err)
        return err;
    s->torn_len = file.len - offset;
    err = version_check(s->version);
    return err && err_is_damage(err) ? err_raise(-err, "%s: %s", name, err_detail()) : err;
}

int manifest_current(struct env *env, uint64_t *ret_number)
{
    char name[32];

    return current_read(env, name, ret_number);
}

int manifest_replay_number(struct env *env, struct table_store *store, uint64_t number,
                           struct manifest_state *ret)
{
    struct manifest_state s = {.manifest_number = number};
    struct buf file = {0};
    char name[32];
    int err;

    manifest_file_name(number, name);
    err = file_read(env, name, &file);
    if (!err)
        err = replay_file(name, buf_slice(&file), store, &s);
    buf_free(&file);
    if (err) {
        manifest_state_done(&s);
        return err;
    }
    if (s.next_file <= s.manifest_number && s.manifest_number < UINT64_MAX)
        s.next_file = s.manifest_number + 1;
    *ret = s;
    return 0;
}

int manifest_replay(struct env *env, struct table_store *store, struct manifest_state *ret)
{
    uint64_t number = 0;
    char name[32];
    int err = current_read(env, name, &number);

    if (!err)
        err = manifest_replay_number(env, store, number, ret);
    if (err == -ENOENT)
        err = err_raise(ERR_FILE_MISSING, "%s: CURRENT names it, but it is missing", name);
    return err;
}

int manifest_salvage(struct env *env, struct table_store *store, uint64_t number,
                     int (*each)(void *arg, const struct version_edit *edit, bool first), void *arg)
{
    size_t offset = MANIFEST_HEADER_LEN, end;
    struct buf file = {0};
    struct slice payload;
    char name[32];
    int err;

    manifest_file_name(number, name);
    err = file_read(env, name, &file);
    while (!err && offset < file.len) {
        struct version_edit e;

        if (!manifest_record_at(buf_slice(&file), number, offset, &payload, &end)) {
            offset = manifest_record_after(buf_slice(&file), number, offset);
            continue;
        }
        err = edit_decode(payload, &e, store);
        if (!err) {
            err = each(arg, &e, offset == MANIFEST_HEADER_LEN);
            edit_done(&e, store);
        } else if (err_is_damage(err)) {
            err = 0;
        }
        offset = end;
    }
    buf_free(&file);
    return err;
}

/* --- Text --- */

struct text_out {
    int (*put)(void *arg, const char *line);
    void *arg;
};

static int put_line(const struct text_out *out, struct buf *b)
{
    int err = buf_append(b, "", 1);

    return err ? err : out->put(out->arg, (const char *)b->data);
}

/* The lines of text in b, each indented; b is used up. */
static int put_lines(const struct text_out *out, struct slice text)
{
    struct buf line = {0};
    int err = 0;

    while (text.len && !err) {
        const uint8_t *newline = memchr(text.data, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.data) : text.len;

        line.len = 0;
        err = buf_append(&line, "  ", 2);
        if (!err)
            err = buf_append(&line, text.data, len);
        if (!err)
            err = put_line(out, &line);
        len += newline != NULL;
        text = slice_of(text.data + len, text.len - len);
    }
    buf_free(&line);
    return err;
}

static int put_record(const struct text_out *out, size_t offset, struct slice payload)
{
    struct table_store store = {0}; /* nothing is opened, nothing is removed */
    struct version_edit e;
    struct buf text = {0};
    int err = edit_decode(payload, &e, &store);

    if (err && !err_is_damage(err))
        return err;
    if (err) {
        err = buf_printf(&text, "record at %zu, %zu bytes: %s", offset, payload.len, err_detail());
        if (!err)
            err = put_line(out, &text);
        buf_free(&text);
        return err;
    }
    err = buf_printf(&text, "record at %zu, %zu bytes", offset, payload.len);
    if (!err)
        err = put_line(out, &text);
    text.len = 0;
    if (!err)
        err = edit_to_text(&e, &text);
    if (!err)
        err = put_lines(out, buf_slice(&text));
    buf_free(&text);
    edit_done(&e, &store);
    return err;
}

static int put_damage(const struct text_out *out, size_t offset, size_t later, size_t file_len)
{
    char line[128];

    if (later < file_len)
        snprintf(line, sizeof(line), "damage at %zu: no valid record until %zu", offset, later);
    else
        snprintf(line, sizeof(line), "torn tail at %zu: %zu bytes", offset, file_len - offset);
    return out->put(out->arg, line);
}

static int put_file(const struct text_out *out, const char *name, struct slice file,
                    uint64_t number)
{
    const char *wrong = manifest_header_check(file, number);
    size_t offset = MANIFEST_HEADER_LEN;
    char line[256];
    int err;

    snprintf(line, sizeof(line), "%s: %zu bytes, header %s%s", name, file.len,
             wrong ? "damaged: " : "good", wrong ? wrong : "");
    err = out->put(out->arg, line);
    while (!err && offset < file.len) {
        struct slice payload;
        size_t next;

        if (manifest_record_at(file, number, offset, &payload, &next)) {
            err = put_record(out, offset, payload);
        } else {
            next = manifest_record_after(file, number, offset);
            err = put_damage(out, offset, next, file.len);
        }
        offset = next;
    }
    return err;
}

int manifest_to_text(struct env *env, const char *name, int (*put)(void *arg, const char *line),
                     void *arg)
{
    const struct text_out out = {put, arg};
    struct buf file = {0};
    uint64_t number;
    int err;

    if (!number_of(name, &number))
        return err_raise(EINVAL, "%s: not the name of a manifest", name);
    err = file_read(env, name, &file);
    if (!err)
        err = put_file(&out, name, buf_slice(&file), number);
    buf_free(&file);
    return err;
}
