/*
 * Verification reads every table of the current version block by block, past the caches, and every
 * log that is still needed. The superblock's copies and the manifest were read when the store was
 * opened; they are read again here, so that a damaged spare copy is not overlooked, and what the
 * manifest adds up to is compared with what readers see. Files are looked for by their names: a
 * table that is open can be read long after somebody has removed it.
 *
 * The rules of levels. Deeper ones: disjoint and ascending. Level 0: newest first, and of two
 * tables that overlap one is newer as a whole. Each table's keys lie in the range that the manifest
 * says.
 *
 * A log is being written meanwhile: what it held when verification began must be readable.
 */
#include "lsm/db/losses.h"
#include "lsm/db/table_range.h"
#include "lsm/table/sst_salvage.h"

struct verify {
    struct lsm_db *db;
    int (*each)(void *arg, const char *file, uint64_t offset, const char *text);
    int (*loss)(void *arg, const struct lsm_loss *loss);
    void (*progress)(void *arg, uint64_t done_len, uint64_t total_len);
    void *arg;
    char file[32]; /* being verified */
    int damage_count;
    uint64_t done_len, total_len;
    bool shares; /* keys may share records: the feature bit has been seen */
};

static int report(struct verify *v, uint64_t offset, const char *text)
{
    v->damage_count++;
    return v->each ? v->each(v->arg, v->file, offset, text) : 0;
}

/* What the disk cannot read is damaged, and there may be more to find behind it. */
static bool is_damage(int err)
{
    return err_is_damage(err) || err == -EIO;
}

/* What an error of a whole step means: damage is counted, anything else ends the verification. */
static int judge(struct verify *v, int err)
{
    if (err >= 0 || !is_damage(err))
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

/* The name must be there, and lead to a file of the right length. */
static int verify_name(struct verify *v, const struct table_meta *m)
{
    struct env_reader *r;
    uint64_t len = 0;
    int err = env_reader_open(v->db->env, v->file, &r);

    if (err == -ENOENT)
        return judge(v, err_raise(ERR_FILE_MISSING, "%s: the manifest names it, but it is missing",
                                  v->file));
    if (err)
        return judge(v, err);
    err = env_reader_len(r, &len);
    env_reader_close(r);
    if (!err && len != m->stats.file_len)
        err = err_raise(ERR_FILE_LEN, "%s: %llu bytes, the manifest says %llu", v->file,
                        (unsigned long long)len, (unsigned long long)m->stats.file_len);
    return judge(v, err);
}

static int verify_range(struct verify *v, struct sst *sst, const struct table_meta *m)
{
    struct table_range range = {0};
    int err = table_range_of(sst, &range);

    if (!err && !table_range_within(&range, m))
        err = err_raise(ERR_LEVEL_ORDER,
                        "%s: it has keys outside of the range that the manifest "
                        "says",
                        v->file);
    table_range_done(&range);
    return judge(v, err);
}

/* --- What a damaged table has lost --- */

struct table_losses {
    struct verify *v;
    const struct table_meta *m;
    int level;
};

/* Of what can be read only a value that is too long is lost. */
static int look_at_entry(void *arg, struct slice ikey, struct slice value)
{
    struct table_losses *t = arg;
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_VALUE, t->v->file);
    struct slice user = ikey_user(ikey);

    if (ikey_kind(ikey) == KIND_BLOB_REF ||
        value_len_of(ikey_kind(ikey), value) <= t->v->db->options.value_len_max)
        return 0;
    loss.first = loss.last = user.data;
    loss.first_len = loss.last_len = user.len;
    loss.seqno_min = loss.seqno_max = ikey_seqno(ikey);
    return t->v->loss(t->v->arg, &loss);
}

static int skip_rangedel(void *arg, const struct rangedel *del)
{
    (void)arg, (void)del;
    return 0;
}

static int tell_loss(void *arg, const struct sst_loss *loss)
{
    struct table_losses *t = arg;

    return losses_each_of_table(loss, t->v->file, t->level, t->m, t->v->loss, t->v->arg);
}

static int verify_losses(struct verify *v, unsigned level, const struct table_meta *m)
{
    struct table_losses t = {v, m, (int)level};
    struct sst_salvage_calls calls = {look_at_entry, skip_rangedel, tell_loss, &t};
    struct sst_loss all = {.entries = true, .deletions = m->stats.rangedel_count > 0};
    int err = sst_salvage(v->db->env, m->number, &calls);

    return err == -ENOENT ? tell_loss(&t, &all) : err;
}

/* --- Tables --- */

static int verify_table(struct verify *v, unsigned level, struct table_meta *m)
{
    int before = v->damage_count, err;
    struct sst *sst;

    sst_file_name(m->number, v->file);
    err = verify_name(v, m);
    if (!err && v->damage_count == before) {
        err = table_meta_sst(m, &v->db->store, &sst);
        err = err ? judge(v, err) : sst_verify(sst, v->db->options.value_len_max, table_damage, v);
        if (!err && v->damage_count == before)
            err = verify_range(v, sst, m);
    }
    if (!err && v->loss && v->damage_count != before)
        err = verify_losses(v, level, m);
    advance(v, m->stats.file_len);
    return err;
}

/* Which of two tables that overlap is newer is told by all of their sequence numbers. */
static int check_level0(const struct level *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct table_meta *newer = l->tables[i];

        for (size_t j = i + 1; j < l->count; j++) {
            const struct table_meta *older = l->tables[j];

            if (newer->stats.seqno_min > older->stats.seqno_max ||
                table_meta_ends_before(newer, older->smallest) ||
                table_meta_ends_before(older, newer->smallest))
                continue;
            return err_raise(ERR_LEVEL_ORDER,
                             "level 0: tables %llu and %llu overlap, and neither is newer",
                             (unsigned long long)newer->number, (unsigned long long)older->number);
        }
    }
    return 0;
}

static int verify_levels(struct verify *v, const struct version *version)
{
    int err = judge(v, version_check(version));

    return err ? err : judge(v, check_level0(&version->levels[0]));
}

/* Asked behind each entry that was found: the bit is there before the first entry that needs it. */
static bool keys_share(struct verify *v)
{
    if (!v->shares) {
        mutex_lock(&v->db->manifest_mu);
        v->shares = v->db->superblock.incompat & FEATURE_SHARED_BLOBS;
        mutex_unlock(&v->db->manifest_mu);
    }
    return v->shares;
}

static int report_ref(struct verify *v, const struct blob_ref *ref, struct slice ikey)
{
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_VALUE, v->file);
    struct slice user = ikey_user(ikey);
    int err = report(v, ref->offset, *err_detail() ? err_detail() : err_text(-ERR_BLOB_REF));

    loss.offset = ref->offset;
    loss.len = ref->len;
    loss.first = loss.last = user.data;
    loss.first_len = loss.last_len = user.len;
    loss.seqno_min = loss.seqno_max = ikey_seqno(ikey);
    return err || !v->loss ? err : v->loss(v->arg, &loss);
}

/* The large values that a source's entries refer to. */
static int verify_refs(struct verify *v, struct iter *it)
{
    struct buf buf = {0};
    int err = 0;

    for (iter_seek_first(it); it->valid && !err; iter_next(it)) {
        struct slice user = ikey_user(it->key);
        struct blob_ref ref;

        if (ikey_kind(it->key) != KIND_BLOB_REF || !blob_ref_decode(it->value, &ref))
            continue;
        blob_file_name(ref.file, v->file);
        err = blob_check(v->db->store.blobs, &ref, keys_share(v) ? NULL : &user, &buf);
        if (err && is_damage(err))
            err = report_ref(v, &ref, it->key);
        advance(v, blob_padded(ref.len));
    }
    buf_free(&buf);
    return err;
}

static int verify_table_refs(struct verify *v, struct table_meta *m)
{
    struct iter *it;
    int err;

    if (m->blobs.count == 0)
        return 0;
    err = level_iter_new(&v->db->store, &m, 1, SST_ITER_NO_CACHE | SST_ITER_READAHEAD, &it);
    if (err)
        return err;
    err = verify_refs(v, it);
    /* Damage of the table has been reported; the disk may have failed only now. */
    if (!err && it->err && !err_is_damage(it->err)) {
        sst_file_name(m->number, v->file);
        err = judge(v, it->err);
    }
    iter_free(it);
    return err;
}

static int verify_memtable_refs(struct verify *v, struct memtable *mt)
{
    struct iter *it;
    int err = memtable_iter_new(mt, &it);

    if (err)
        return err;
    err = verify_refs(v, it);
    iter_free(it);
    return err;
}

static int add_file_len(void *arg, uint64_t number, uint64_t count, uint64_t len)
{
    uint64_t *total = arg;

    (void)number, (void)count;
    *total += len;
    return 0;
}

static void add_total_len(struct verify *v, const struct superversion *sv)
{
    memtable_each_file(sv->mem, add_file_len, &v->total_len);
    for (unsigned i = 0; i < sv->imm_count; i++)
        memtable_each_file(sv->imms[i], add_file_len, &v->total_len);
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        const struct level *l = &sv->version->levels[n];

        v->total_len += l->len;
        for (size_t i = 0; i < l->count; i++) {
            for (size_t k = 0; k < l->tables[i]->blobs.count; k++)
                v->total_len += l->tables[i]->blobs.uses[k].len;
        }
    }
}

static int verify_blob_headers(struct verify *v, const struct superversion *sv)
{
    struct blob_usage usage;
    int err = blob_usage_of(v->db, sv, &usage);

    if (err)
        return judge(v, err);
    for (size_t i = 0; !err && i < usage.count; i++) {
        /* Others may go meanwhile. */
        if (usage.files[i].table_len + usage.files[i].memtable_len == 0)
            continue;
        blob_file_name(usage.files[i].number, v->file);
        err = judge(v, blob_check_header(v->db->store.blobs, usage.files[i].number));
    }
    blob_usage_done(&usage);
    return err;
}

static int verify_blobs(struct verify *v, const struct superversion *sv)
{
    int err = verify_blob_headers(v, sv);

    if (!err)
        err = verify_memtable_refs(v, sv->mem);

    for (unsigned i = 0; !err && i < sv->imm_count; i++)
        err = verify_memtable_refs(v, sv->imms[i]);
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; !err && i < sv->version->levels[n].count; i++)
            err = verify_table_refs(v, sv->version->levels[n].tables[i]);
    }
    return err;
}

static int verify_tables(struct verify *v, const struct version *version)
{
    int err = 0;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        const struct level *l = &version->levels[level];

        for (size_t i = 0; !err && i < l->count; i++)
            err = verify_table(v, level, l->tables[i]);
    }
    return err;
}

static bool same_tables(const struct version *a, const struct version *b)
{
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        const struct level *x = &a->levels[level], *y = &b->levels[level];

        if (x->count != y->count)
            return false;
        for (size_t i = 0; i < x->count; i++) {
            if (x->tables[i]->number != y->tables[i]->number)
                return false;
        }
    }
    return true;
}

/* What a crash may leave of a manifest is left behind when the store is opened for writing. */
static int compare_manifest(struct lsm_db *db, const struct manifest_state *state)
    REQUIRES(db->manifest_mu)
{
    struct superversion *sv = sv_get(db);
    bool same = same_tables(state->version, sv->version);

    sv_put(sv);
    if (!same || state->log_number != db->log_number || state->flushed_seqno != db->flushed_seqno)
        return err_raise(ERR_MANIFEST_DAMAGED,
                         "the manifest on disk tells another set of tables or logs than is in use");
    if (state->torn_len && !db->options.read_only)
        return err_raise(ERR_MANIFEST_DAMAGED, "the manifest's last %llu bytes are torn",
                         (unsigned long long)state->torn_len);
    return 0;
}

/* After a failure to write the manifest nobody knows what it says; the next edit makes a new one.
 */
static int verify_manifest(struct verify *v)
{
    struct lsm_db *db = v->db;
    /* Tables that are only compared hold no blob files: what lets go of those last decides. */
    struct table_store store = {.env = db->store.env, .cache = db->store.cache};
    struct manifest_state state = {0};
    bool in_doubt;
    int err;

    mutex_lock(&db->manifest_mu);
    in_doubt = !db->manifest && !db->options.read_only;
    manifest_file_name(db->manifest_number, v->file);
    err = in_doubt ? 0 : manifest_replay(db->env, &store, &state);
    if (err == -ERR_CURRENT_DAMAGED)
        snprintf(v->file, sizeof(v->file), "CURRENT");
    if (!err && !in_doubt)
        err = compare_manifest(db, &state);
    mutex_unlock(&db->manifest_mu);
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

static int verify_record(const struct verify *v, const struct wal_record *record)
{
    uint64_t count;
    int err = batch_check(record->payload, v->db->options.value_len_max, &count);

    if (!err && count != record->op_count)
        err = err_raise(ERR_WAL_RECORD, "%s: a record claims %llu operations and has %llu", v->file,
                        (unsigned long long)record->op_count, (unsigned long long)count);
    return err;
}

/*
 * The log was `len` bytes long: so far it must consist of records. What is behind is not looked at:
 * when the log is closed, which may be now, space that was reserved there is given back. 0: nobody
 * writes to it, and all of it is read. `oldest` as for wal_reader_open_since.
 */
static int verify_log(struct verify *v, uint64_t number, uint64_t oldest, uint64_t len)
{
    struct wal_reader *reader;
    struct wal_record record;
    uint64_t offset = 0;
    int err, more = 0;

    wal_file_name(number, v->file);
    err = wal_reader_open_since(v->db->env, number, oldest, &reader);
    if (err)
        return judge(v, err);
    if (len)
        wal_reader_limit(reader, len);
    if (wal_reader_header(reader) == WAL_HEADER_DAMAGED)
        err = report(v, 0, "the log's header is damaged; its records can be read");
    while (!err && (more = wal_reader_next(reader, &record)) > 0)
        err = judge(v, verify_record(v, &record));
    offset = wal_reader_offset(reader);
    wal_reader_close(reader);
    if (!err)
        err = judge(v, more);
    if (!err && offset < len)
        err = report(v, offset, "no record can be read here, though the log goes on");
    return err;
}

/*
 * Of a store that is only read: where the logs end was judged by recovery, whose rule is needed to
 * tell a torn end from damage.
 */
static int verify_logs_read_only(struct verify *v)
{
    struct store_files files = {0};
    int err = store_files_list(v->db, &files);

    for (size_t i = 0; !err && i < files.logs.count; i++) {
        if (files.logs.numbers[i] >= v->db->log_number)
            err = verify_log(v, files.logs.numbers[i], v->db->log_number, 0);
    }
    store_files_done(&files);
    return err;
}

static int verify_logs(struct verify *v)
{
    uint64_t numbers[IMM_COUNT_MAX + 2], lens[IMM_COUNT_MAX + 2];
    size_t count = 0;
    int err = 0;

    if (v->db->options.read_only)
        return verify_logs_read_only(v);
    mutex_lock(&v->db->mu);
    for (struct wal_ref *w = v->db->wals_oldest; w && count < IMM_COUNT_MAX + 2; w = w->next) {
        numbers[count] = wal_writer_number(w->writer);
        lens[count++] = wal_writer_len(w->writer);
    }
    mutex_unlock(&v->db->mu);
    for (size_t i = 0; !err && i < count; i++) {
        err = verify_log(v, numbers[i], 0, lens[i]);
        if (err == -ENOENT) /* flushed meanwhile */
            err = 0;
    }
    return err;
}

int lsm_verify_losses(struct lsm_db *db,
                      int (*each)(void *arg, const char *file, uint64_t offset, const char *text),
                      int (*loss)(void *arg, const struct lsm_loss *loss),
                      void (*progress)(void *arg, uint64_t done_len, uint64_t total_len), void *arg)
{
    struct verify v = {.db = db, .each = each, .loss = loss, .progress = progress, .arg = arg};
    struct superversion *sv = sv_get(db);
    int err;

    err_clear();
    add_total_len(&v, sv);
    err = verify_superblock(&v);
    if (!err)
        err = verify_manifest(&v);
    if (!err)
        err = verify_levels(&v, sv->version);
    if (!err)
        err = verify_tables(&v, sv->version);
    if (!err)
        err = verify_blobs(&v, sv);
    if (!err)
        err = verify_logs(&v);
    sv_put(sv);
    return err < 0 ? err : v.damage_count;
}

int lsm_verify(struct lsm_db *db,
               int (*each)(void *arg, const char *file, uint64_t offset, const char *text),
               void (*progress)(void *arg, uint64_t done_len, uint64_t total_len), void *arg)
{
    return lsm_verify_losses(db, each, NULL, progress, arg);
}
