/*
 * Verification reads every table of the current version block by block, past the caches, and every
 * log that is still needed. The superblock's copies and the manifest were read when the store was
 * opened; they are read again here, so that a damaged spare copy is not overlooked.
 */
#include "lsm/db/db.h"

struct verify {
    struct lsm_db *db;
    int (*each)(void *arg, const char *file, uint64_t offset, const char *text);
    void (*progress)(void *arg, uint64_t done_len, uint64_t total_len);
    void *arg;
    char file[32]; /* being verified */
    int damage_count;
    uint64_t done_len, total_len;
};

static int report(struct verify *v, uint64_t offset, const char *text)
{
    v->damage_count++;
    return v->each ? v->each(v->arg, v->file, offset, text) : 0;
}

/* What an error of a whole step means: damage is counted, anything else ends the verification. */
static int judge(struct verify *v, int err)
{
    if (err >= 0 || !err_is_damage(err))
        return err;
    return report(v, 0, *err_detail() ? err_detail() : err_text(err));
}

static int table_damage(void *arg, int err, uint64_t offset, uint64_t len)
{
    struct verify *v = arg;

    (void)len;
    return report(v, offset, *err_detail() ? err_detail() : err_text(err));
}

static void advance(struct verify *v, uint64_t len)
{
    v->done_len += len;
    if (v->progress)
        v->progress(v->arg, v->done_len, v->total_len);
}

static int verify_table(struct verify *v, struct table_meta *m)
{
    struct sst *sst;
    int err;

    sst_file_name(m->number, v->file);
    err = table_meta_sst(m, &v->db->store, &sst);
    err = err ? judge(v, err) : sst_verify(sst, table_damage, v);
    advance(v, m->stats.file_len);
    return err;
}

static int verify_tables(struct verify *v, const struct version *version)
{
    int err = 0;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        const struct level *l = &version->levels[level];

        for (size_t i = 0; !err && i < l->count; i++)
            err = verify_table(v, l->tables[i]);
    }
    return err;
}

/* The version as the manifest on disk tells it must be readable; its tables are the current ones.
 */
static int verify_manifest(struct verify *v)
{
    struct manifest_state state = {0};
    int err;

    mutex_lock(&v->db->manifest_mu);
    manifest_file_name(v->db->manifest_number, v->file);
    err = manifest_replay(v->db->env, &v->db->store, &state);
    mutex_unlock(&v->db->manifest_mu);
    if (!err)
        manifest_state_done(&state);
    return judge(v, err);
}

static int verify_superblock(struct verify *v)
{
    struct superblock sb;
    unsigned damaged = 0;
    int err;

    snprintf(v->file, sizeof(v->file), "SUPERBLOCK");
    err = judge(v, superblock_read(v->db->env, &sb, &damaged));
    if (!err && damaged)
        err = report(v, 0, "one of the two copies of the superblock is damaged");
    return err;
}

/* A log may end torn, never be damaged before a record that was synced: recovery has judged that.
 */
static int verify_log(struct verify *v, uint64_t number)
{
    struct wal_reader *reader;
    struct wal_record record;
    int err, more = 0;

    wal_file_name(number, v->file);
    err = wal_reader_open(v->db->env, number, &reader);
    if (err)
        return judge(v, err);
    if (wal_reader_header(reader) == WAL_HEADER_DAMAGED)
        err = report(v, 0, "the log's header is damaged; its records can be read");
    while (!err && (more = wal_reader_next(reader, &record)) > 0) {
        uint64_t count;

        err = batch_check(record.payload, &count);
        if (err) {
            err = judge(v, err);
            break;
        }
    }
    wal_reader_close(reader);
    return err ? err : judge(v, more);
}

static int verify_logs(struct verify *v)
{
    uint64_t numbers[IMM_COUNT_MAX + 2];
    size_t count = 0;
    int err = 0;

    mutex_lock(&v->db->mu);
    for (struct wal_ref *w = v->db->wals_oldest; w && count < IMM_COUNT_MAX + 2; w = w->next)
        numbers[count++] = wal_writer_number(w->writer);
    mutex_unlock(&v->db->mu);
    for (size_t i = 0; !err && i < count; i++) {
        err = verify_log(v, numbers[i]);
        if (err == -ENOENT) /* flushed meanwhile */
            err = 0;
    }
    return err;
}

int lsm_verify(struct lsm_db *db,
               int (*each)(void *arg, const char *file, uint64_t offset, const char *text),
               void (*progress)(void *arg, uint64_t done_len, uint64_t total_len), void *arg)
{
    struct verify v = {.db = db, .each = each, .progress = progress, .arg = arg};
    struct superversion *sv = sv_get(db);
    int err;

    err_clear();
    for (unsigned level = 0; level < LEVEL_COUNT; level++)
        v.total_len += sv->version->levels[level].len;
    err = verify_superblock(&v);
    if (!err)
        err = verify_manifest(&v);
    if (!err)
        err = verify_tables(&v, sv->version);
    if (!err)
        err = verify_logs(&v);
    sv_put(sv);
    return err < 0 ? err : v.damage_count;
}
