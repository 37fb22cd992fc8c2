/*
 * Recovery: replay the logs that the manifest still needs into memtables, in order and without
 * gaps.
 *
 * Where the records end, there are three cases. The log ends clean and the next one goes on: go on.
 * It ends torn, or the next log begins later than this one ended, and no later record says that it
 * was written after the missing ones had been synced: that is what a crash leaves; the tail is cut
 * off and reported. Otherwise something that was durable is gone: refuse to open.
 *
 * What was replayed is flushed into tables, and the manifest then forgets the old logs, so a crash
 * during recovery only makes the next one do the same again.
 */
#include "lsm/db/db.h"

struct replay {
    struct lsm_db *db;
    const struct store_files *files;
    uint64_t seqno;  /* the last that was replayed */
    uint64_t synced; /* the logs say that everything up to it was durable */
    bool ended;      /* a torn place was found: no record behind it counts */
    uint64_t end_log, end_offset;
    struct memtable *mem;                 /* being filled */
    struct memtable *full[IMM_COUNT_MAX]; /* read-only: oldest first */
    unsigned full_count;
    struct version_edit edit;
    bool named; /* a manifest may name the edit's tables */
};

/* The memtable is full: into a table, or, when nothing may be written, aside. */
static int retire(struct replay *r)
{
    int err;

    if (r->db->options.read_only) {
        if (r->full_count == IMM_COUNT_MAX)
            return 0; /* let the last one grow */
        r->full[r->full_count++] = r->mem;
        r->mem = NULL;
    } else {
        err = flush_memtable(r->db, r->mem, &r->edit, NULL);
        if (err)
            return err;
        memtable_unref(r->mem);
        r->mem = NULL;
    }
    return db_memtable_new(r->db, db_new_file(r->db), &r->mem);
}

/*
 * Is the record that an operation refers to there? Behind the synced sequence number it must be
 * whole, by the rules of repair, and so must the header of its file, which a sync of the record
 * would have made durable: or the operation never was. Before it a damaged one is an error of its
 * value only, like any damage, but the file must be there.
 */
static int check_ref(struct replay *r, const struct batch_op *op, uint64_t seqno, struct buf *buf)
{
    bool shared = r->db->superblock.incompat & FEATURE_SHARED_BLOBS;
    struct blob_meta *file;
    struct blob_ref ref;
    int err = 0;

    if (!blob_ref_decode(op->value, &ref))
        return blob_raise_ref(op->value);
    if (!file_numbers_have(&r->files->blobs, ref.file))
        return err_raise(ERR_FILE_MISSING, "%s/%08llu.blob: missing, though the log names it",
                         r->db->env->path, (unsigned long long)ref.file);
    if (seqno <= r->synced)
        return 0;
    err = blob_store_get(r->db->store.blobs, ref.file, &file);
    if (err)
        return err;
    err = blob_check_header(r->db->store.blobs, ref.file);
    if (!err)
        err = blob_check(r->db->store.blobs, &ref, shared ? NULL : &op->key, buf);
    blob_meta_unref(file, true);
    return err;
}

/*
 * 1 when all large values of a record are there, 0 when the log ends before it, or an error. A disk
 * that does not read says nothing about what is there: to end the log for it would take away what
 * was acknowledged.
 */
static int check_refs(struct replay *r, const struct wal_record *record)
{
    struct slice ops = record->payload;
    uint64_t seqno = record->first_seqno;
    struct buf buf = {0};
    struct batch_op op;
    int err = 0;

    for (; !err && batch_next(&ops, &op) > 0; seqno++) {
        if (op.kind == KIND_BLOB_REF)
            err = check_ref(r, &op, seqno, &buf);
    }
    buf_free(&buf);
    if (err_is_damage(err) && record->first_seqno > r->synced)
        return 0;
    return err ? err : 1;
}

/* What the engine would not write is damage, even where it could be carried out. */
static int check_record(const struct replay *r, const struct wal_reader *reader, uint64_t log,
                        const struct wal_record *record)
{
    uint64_t count;
    int err = batch_check(record->payload, r->db->options.value_len_max, &count);

    if (!err && count != record->op_count)
        err = err_raise(ERR_WAL_RECORD, "it claims %llu operations and has %llu",
                        (unsigned long long)record->op_count, (unsigned long long)count);
    if (!err_is_damage(err))
        return err;
    return err_raise(-err, "%s/%08llu.wal: the record that ends at offset %llu: %s",
                     r->db->env->path, (unsigned long long)log,
                     (unsigned long long)wal_reader_offset(reader), err_detail());
}

static int replay_record(struct replay *r, const struct wal_record *record)
{
    int err = batch_insert(r->mem, record->payload, record->first_seqno);

    if (err)
        return err;
    db_note_time(r->db, record->first_seqno, record->time_ns);
    r->seqno = record->first_seqno + record->op_count - 1;
    if (memtable_len(r->mem) >= r->db->options.memtable_len)
        return retire(r);
    return 0;
}

/* A record that was synced is missing: say which, and where the proof stands. */
static int damaged(const struct replay *r, uint64_t proof_log)
{
    return err_raise(
        ERR_WAL_DAMAGED,
        "%s/%08llu.wal: damaged at offset %llu: records after sequence number %llu are "
        "missing, though log %08llu says that they were on disk",
        r->db->env->path, (unsigned long long)r->end_log, (unsigned long long)r->end_offset,
        (unsigned long long)r->seqno, (unsigned long long)proof_log);
}

static void note_end(struct replay *r, uint64_t log, uint64_t offset)
{
    r->ended = true;
    r->end_log = log;
    r->end_offset = offset;
}

/* Behind the torn place nothing is replayed, but every record is asked what it knows was synced. */
static int examine_later(struct replay *r, struct wal_reader *reader, uint64_t log)
{
    struct wal_record record;
    struct wal_end end;
    uint64_t dropped = 0;
    int more;

    while ((more = wal_reader_next(reader, &record)) > 0) {
        if (record.synced_seqno > r->seqno)
            return damaged(r, log);
        dropped++;
    }
    if (!more)
        more = wal_reader_end(reader, &end);
    if (more)
        return more;
    if (end.later_synced_seqno > r->seqno)
        return damaged(r, log);
    if (dropped)
        db_log(r->db, LSM_LOG_WARN, "%s/%08llu.wal: %llu records follow a torn one and are dropped",
               r->db->env->path, (unsigned long long)log, (unsigned long long)dropped);
    return 0;
}

static int replay_log(struct replay *r, struct wal_reader *reader, uint64_t log)
{
    struct wal_record record;
    struct wal_end end;
    int more = 1, err;

    while ((more = wal_reader_next(reader, &record)) > 0) {
        /* Flushed before the crash, in the same log as records that were not. */
        if (record.first_seqno + record.op_count - 1 <= r->seqno)
            continue;
        if (record.first_seqno != r->seqno + 1) {
            note_end(r, log, 0);
            return record.synced_seqno > r->seqno ? damaged(r, log) : examine_later(r, reader, log);
        }
        err = check_record(r, reader, log, &record);
        if (err)
            return err;
        err = check_refs(r, &record);
        if (err == 0) {
            note_end(r, log, 0);
            db_log(r->db, LSM_LOG_INFO,
                   "%s/%08llu.wal: ends before sequence number %llu, whose large value was not "
                   "synced: %s",
                   r->db->env->path, (unsigned long long)log,
                   (unsigned long long)record.first_seqno, err_detail());
            return examine_later(r, reader, log);
        }
        if (err > 0)
            err = replay_record(r, &record);
        if (err)
            return err;
    }
    if (!more)
        more = wal_reader_end(reader, &end);
    if (more || end.kind == WAL_END_CLEAN)
        return more;
    note_end(r, log, end.offset);
    if (end.later_synced_seqno > r->seqno)
        return damaged(r, log);
    db_log(r->db, LSM_LOG_INFO, "%s/%08llu.wal: torn at offset %llu; what follows was not synced",
           r->db->env->path, (unsigned long long)log, (unsigned long long)end.offset);
    return 0;
}

/* Before anything is replayed: how far do the logs say that they were synced? */
static int find_synced(struct replay *r)
{
    int err = 0;

    r->synced = r->seqno;
    for (size_t i = 0; !err && i < r->files->logs.count; i++) {
        struct wal_reader *reader;
        struct wal_record record;
        struct wal_end end = {0};

        if (r->files->logs.numbers[i] < r->db->log_number)
            continue;
        err = wal_reader_open_since(r->db->env, r->files->logs.numbers[i], r->db->log_number,
                                    &reader);
        if (err)
            return err;
        while ((err = wal_reader_next(reader, &record)) > 0)
            r->synced = record.synced_seqno > r->synced ? record.synced_seqno : r->synced;
        if (!err)
            err = wal_reader_end(reader, &end);
        r->synced = end.later_synced_seqno > r->synced ? end.later_synced_seqno : r->synced;
        wal_reader_close(reader);
    }
    return err;
}

static int replay_all(struct replay *r)
{
    int err = r->db->superblock.incompat & FEATURE_BLOBS ? find_synced(r) : 0;

    for (size_t i = 0; !err && i < r->files->logs.count; i++) {
        struct wal_reader *reader;
        uint64_t log = r->files->logs.numbers[i];

        if (log < r->db->log_number)
            continue;
        err = wal_reader_open_since(r->db->env, log, r->db->log_number, &reader);
        if (err)
            return err;
        if (wal_reader_header(reader) == WAL_HEADER_DAMAGED)
            db_log(r->db, LSM_LOG_WARN, "%s/%08llu.wal: the log's header is torn or damaged",
                   r->db->env->path, (unsigned long long)log);
        if (!r->ended && wal_reader_last_seqno(reader) > r->seqno)
            note_end(r, log, 0);
        err = r->ended ? examine_later(r, reader, log) : replay_log(r, reader, log);
        if (r->db->options.read_only)
            r->db->replayed_len += wal_reader_file_len(reader);
        wal_reader_close(reader);
    }
    return err;
}

/* Make the replayed memtables and the version what readers see; db->sv is set. */
static int install(struct replay *r, struct version *version)
{
    struct memtable *imms[IMM_COUNT_MAX];
    struct superversion *sv = sv_new();

    if (!sv)
        return -ENOMEM;
    for (unsigned i = 0; i < r->full_count; i++)
        imms[i] = r->full[r->full_count - 1 - i];
    sv_fill(sv, r->mem, imms, r->full_count, version);
    mutex_lock(&r->db->mu);
    (void)sv_install_locked(r->db, sv);
    mutex_unlock(&r->db->mu);
    r->db->lead_mem = r->mem;
    return 0;
}

/*
 * What a log refers to was perhaps only handed to the kernel by the process that is gone. Before
 * tables count on it, it must be durable.
 */
static int sync_replayed(struct replay *r)
{
    struct blob_uses uses = {0};
    int err = 0;

    for (size_t i = 0; i < r->edit.added_count; i++) {
        const struct blob_uses *u = &r->edit.added[i].meta->blobs;

        for (size_t k = 0; !err && k < u->count; k++)
            err = blob_uses_add(&uses, u->uses[k].number, 1, 0);
    }
    for (size_t i = 0; !err && i < uses.count; i++) {
        char name[32];

        blob_file_name(uses.uses[i].number, name);
        err = env_sync_file(r->db->env, name);
    }
    blob_uses_done(&uses);
    return err;
}

/* Flush what is left, begin a new log, and make the manifest say so. */
static int settle(struct replay *r, struct version *version)
{
    struct lsm_db *db = r->db;
    struct wal_writer *wal = NULL;
    int err = 0;

    if (!memtable_empty(r->mem))
        err = retire(r); /* there may be no memtable afterwards */
    if (!err)
        err = install(r, version);
    if (err)
        return err;
    db->last_seqno = r->seqno;
    err = wal_writer_create(db->env, memtable_number(r->mem), r->seqno, &wal);
    if (!err) {
        err = wals_add(db, wal, r->seqno);
        if (err)
            wal_writer_close(wal);
    }
    r->edit.has_log_number = r->edit.has_flushed_seqno = true;
    r->edit.log_number = memtable_number(r->mem);
    r->edit.flushed_seqno = r->seqno;
    if (!err)
        err = sync_replayed(r);
    if (!err)
        err = env_sync_dir(db->env);
    if (err)
        return err;
    err = db_commit_edit(db, &r->edit, NULL);
    r->named = err != -ENOSPC;
    return err;
}

static void replay_done(struct replay *r)
{
    /* An opening that fails on a full disk must not make it fuller each time. */
    for (size_t i = 0; !r->named && i < r->edit.added_count; i++)
        atomic_store(&r->edit.added[i].meta->obsolete, true);
    edit_done(&r->edit, &r->db->store);
    for (unsigned i = 0; i < r->full_count; i++)
        memtable_unref(r->full[i]);
    memtable_unref(r->mem);
}

/*
 * The log was synced up to a snapshot before the manifest named it. So if it ends before, something
 * that was durable is gone, and going on would give the snapshot's numbers to other operations.
 */
static int check_named(const struct replay *r)
{
    uint64_t newest = named_snapshots_newest(&r->db->named);

    if (newest <= r->seqno)
        return 0;
    return err_raise(ERR_WAL_DAMAGED,
                     "%s: records after sequence number %llu are missing, though a named snapshot "
                     "says that they were on disk up to %llu",
                     r->db->env->path, (unsigned long long)r->seqno, (unsigned long long)newest);
}

static int replay_logs(struct lsm_db *db, const struct store_files *files, struct version *version)
{
    struct replay r = {.db = db, .files = files, .seqno = db->flushed_seqno};
    int err = db_memtable_new(db, db_new_file(db), &r.mem);

    if (!err)
        err = replay_all(&r);
    if (!err)
        err = check_named(&r);
    if (!err)
        err = db->options.read_only ? install(&r, version) : settle(&r, version);
    if (!err) {
        db->last_seqno = r.seqno;
        atomic_store(&db->visible_seqno, r.seqno);
        atomic_store(&db->synced_seqno, db->options.read_only ? db->flushed_seqno : r.seqno);
    }
    replay_done(&r);
    return err;
}

int db_recover(struct lsm_db *db)
{
    struct manifest_state state = {0};
    struct store_files files = {0};
    int err = manifest_replay(db->env, &db->store, &state);

    if (err)
        return err;
    db->log_number = state.log_number;
    db->flushed_seqno = state.flushed_seqno;
    db->manifest_number = state.manifest_number;
    /* From here on: recovery's own flushes must keep what named snapshots show. */
    db->named = state.snapshots;
    state.snapshots = (struct named_snapshots){0};
    db->times = state.times;
    state.times = (struct time_points){0};
    atomic_store(&db->next_file, state.next_file ? state.next_file : 1);
    /* Also above logs whose names a loss of power has taken. */
    if (state.log_numbers_end > state.next_file)
        atomic_store(&db->next_file, state.log_numbers_end);
    if (state.torn_len)
        db_log(db, LSM_LOG_WARN, "%s: the manifest's last record is torn and was cut off",
               db->env->path);
    err = store_files_list(db, &files);
    if (!err)
        err = store_files_check(db, &files, state.version);
    if (!err)
        err = replay_logs(db, &files, state.version);
    if (!err && !db->options.read_only)
        err = store_files_clean(db);
    store_files_done(&files);
    manifest_state_done(&state);
    if (!err && !db->options.read_only)
        blob_store_settle(db->store.blobs);
    return err;
}
