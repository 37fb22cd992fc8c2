/*
 * The blob files that are appended to.
 *
 * Each pool has a few slots, and each slot at most one open file. A thread takes a free slot,
 * appends, and gives it back; while it has the slot nobody else appends to its file. The first free
 * slot is taken, so a lone writer fills one file after another. The files of compaction and
 * collection are others than those of writers: what has survived once lives longer.
 *
 * Synced are the files that have records which were not synced before, beside appends to them. A
 * file that is full stays on the list until it has been synced, and is closed then. What is durable
 * is a matter of whole files: a sync covers everything appended before it began. Not to run out of
 * descriptors, whoever appends while many files wait for a sync does one first.
 *
 * A crash leaves records, and files, that nothing refers to.
 */
#include "lsm/db/blobs.h"

#include <sched.h>
#include <stdlib.h>

#include "lsm/db/db.h"

enum {
    SLOT_COUNT_MAX = 4,
    OPEN_COUNT_MAX = 32, /* files that are open: with more, whoever appends syncs first */
    HEAT_COUNT = 2,
    SCRATCH_KEEP_COUNT = 8,
    SCRATCH_KEEP_LEN = 8 << 20
};

struct blob_file {
    struct blob_file *next; /* [mu] */
    struct blob_writer *writer;
    uint64_t synced_len; /* [mu] */
    bool name_synced;    /* [mu] */
    bool retired;        /* [mu] no slot has it any more */
};

struct blob_slot {
    struct blob_file *file; /* whoever made the slot busy may change it; NULL: none yet */
    bool busy;              /* [mu] */
};

struct blob_pool {
    struct blob_slot slots[SLOT_COUNT_MAX];
    unsigned slot_count; /* constant */
};

struct blobs {
    struct lsm_db *db; /* constant */
    struct blob_pool pools[HEAT_COUNT];

    struct mutex mu;                /* order 4; not held during I/O */
    struct cond slot_cond;          /* [mu] a slot is free */
    struct blob_file *files;        /* [mu] open: in a slot, or not synced */
    unsigned file_count;            /* [mu] */
    struct cond sync_cond;          /* [mu] a sync has ended */
    bool syncing;                   /* [mu] */
    struct blob_scratch *scratches; /* [mu] */
    unsigned scratch_count;         /* [mu] */
};

static unsigned core_count(void)
{
    cpu_set_t cores;

    return sched_getaffinity(0, sizeof(cores), &cores) ? 1 : (unsigned)CPU_COUNT(&cores);
}

int blobs_new(struct lsm_db *db, struct blobs **ret)
{
    struct blobs *b = calloc(1, sizeof(*b));
    unsigned cores = core_count();

    if (!b)
        return -ENOMEM;
    b->db = db;
    b->pools[BLOB_HOT].slot_count = cores < SLOT_COUNT_MAX ? cores : SLOT_COUNT_MAX;
    b->pools[BLOB_COLD].slot_count = cores > 1 ? 2 : 1; /* compactions are done in pieces */
    mutex_init(&b->mu);
    cond_init(&b->slot_cond);
    cond_init(&b->sync_cond);
    *ret = b;
    return 0;
}

static void file_free(struct blob_file *f)
{
    if (f)
        blob_writer_free(f->writer);
    free(f);
}

void blobs_free(struct blobs *b)
{
    struct blob_scratch *s;
    struct blob_file *f;

    if (!b)
        return;
    while ((f = b->files)) {
        b->files = f->next;
        file_free(f);
    }
    while ((s = b->scratches)) {
        b->scratches = s->next;
        blob_scratch_free(s);
    }
    cond_done(&b->sync_cond);
    cond_done(&b->slot_cond);
    mutex_done(&b->mu);
    free(b);
}

/* --- Slots --- */

static struct blob_slot *free_slot_locked(struct blob_pool *p)
{
    for (unsigned i = 0; i < p->slot_count; i++) {
        if (!p->slots[i].busy)
            return &p->slots[i];
    }
    return NULL;
}

static struct blob_slot *take_slot(struct blobs *b, enum blob_heat heat)
{
    struct blob_slot *slot;

    mutex_lock(&b->mu);
    while (!(slot = free_slot_locked(&b->pools[heat])))
        cond_wait(&b->slot_cond, &b->mu);
    slot->busy = true;
    mutex_unlock(&b->mu);
    return slot;
}

static void give_slot(struct blobs *b, struct blob_slot *slot)
{
    mutex_lock(&b->mu);
    slot->busy = false;
    cond_broadcast(&b->slot_cond);
    mutex_unlock(&b->mu);
}

static bool is_synced_locked(const struct blob_file *f)
{
    return f->name_synced && f->synced_len == blob_writer_len(f->writer);
}

/* Take what is full, and durable or needed by nobody, off the list. */
static struct blob_file *pop_finished_locked(struct blobs *b) REQUIRES(b->mu)
{
    for (struct blob_file **at = &b->files; *at; at = &(*at)->next) {
        struct blob_file *f = *at;

        if (f->retired &&
            (is_synced_locked(f) || blob_meta_is_alone(blob_writer_meta(f->writer)))) {
            *at = f->next;
            b->file_count--;
            return f;
        }
    }
    return NULL;
}

static void close_finished(struct blobs *b)
{
    struct blob_file *f;

    do {
        mutex_lock(&b->mu);
        /* A running sync may be using it. */
        f = b->syncing ? NULL : pop_finished_locked(b);
        mutex_unlock(&b->mu);
        file_free(f);
    } while (f);
}

/* The slot's file takes no more. Whoever has the slot calls this. */
static void retire(struct blobs *b, struct blob_slot *slot)
{
    struct blob_file *f = slot->file;

    if (!f)
        return;
    slot->file = NULL;
    atomic_store(&blob_writer_meta(f->writer)->writing, false);
    mutex_lock(&b->mu);
    f->retired = true;
    mutex_unlock(&b->mu);
    close_finished(b);
}

static int open_file(struct blobs *b, struct blob_slot *slot)
{
    struct blob_file *f = calloc(1, sizeof(*f));
    /* Older programs must refuse the store before there is a file that they do not know. */
    int err = f ? db_need_features(b->db, 0, FEATURE_BLOBS) : -ENOMEM;

    if (!err)
        err = blob_writer_new(b->db->store.blobs, db_new_file(b->db), &f->writer);
    if (err) {
        free(f);
        return err;
    }
    mutex_lock(&b->mu);
    f->next = b->files;
    b->files = f;
    b->file_count++;
    mutex_unlock(&b->mu);
    slot->file = f;
    return 0;
}

static int append(struct blobs *b, struct blob_slot *slot, const struct blob_record *records,
                  unsigned count, struct blob_ref *refs, struct blob_meta **ret_file)
{
    int err = 0;

    if (slot->file && blob_writer_len(slot->file->writer) >= b->db->options.blob_file_len)
        retire(b, slot);
    if (!slot->file)
        err = open_file(b, slot);
    if (!err)
        err = blob_writer_append(slot->file->writer, records, count, refs);
    if (err)
        return err;
    *ret_file = blob_writer_meta(slot->file->writer);
    blob_meta_ref(*ret_file);
    return 0;
}

static uint64_t records_len(const struct blob_record *records, unsigned count)
{
    uint64_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += blob_padded(blob_record_len(records[i].key.len, records[i].stored.len));
    return len;
}

static bool too_many_open(struct blobs *b)
{
    bool many;

    mutex_lock(&b->mu);
    many = b->file_count > OPEN_COUNT_MAX;
    mutex_unlock(&b->mu);
    return many;
}

int blobs_append(struct lsm_db *db, enum blob_heat heat, const struct blob_record *records,
                 unsigned count, struct blob_ref *ret_refs, struct blob_meta **ret_file)
{
    atomic_uint_fast64_t *counter =
        heat == BLOB_HOT ? &db->counters.blob_write_len : &db->counters.blob_collect_write_len;
    int err = too_many_open(db->blobs) ? blobs_sync(db) : 0;
    struct blob_slot *slot;

    if (err)
        return err;
    slot = take_slot(db->blobs, heat);
    err = append(db->blobs, slot, records, count, ret_refs, ret_file);
    give_slot(db->blobs, slot);
    if (!err)
        atomic_fetch_add_explicit(counter, records_len(records, count), memory_order_relaxed);
    if (err == 0 || err == -ENOSPC || err == -ENOMEM || err == -ERR_STICKY)
        return err;
    return db_fail(db, err, "writing a blob file failed");
}

static bool retire_in(struct blobs *b, struct blob_pool *pool, uint64_t number)
{
    bool any = false;

    for (unsigned i = 0; i < pool->slot_count; i++) {
        struct blob_slot *slot = &pool->slots[i];
        bool mine;

        mutex_lock(&b->mu);
        /* One that is busy is being written to: it is not what anybody waits for. */
        mine = !slot->busy && slot->file &&
               (number == 0 || blob_writer_meta(slot->file->writer)->number == number) &&
               blob_writer_len(slot->file->writer) > BLOB_HEADER_LEN;
        slot->busy = slot->busy || mine;
        mutex_unlock(&b->mu);
        if (!mine)
            continue;
        retire(b, slot);
        give_slot(b, slot);
        any = true;
    }
    return any;
}

bool blobs_retire(struct lsm_db *db, uint64_t number)
{
    bool any = false;

    for (unsigned heat = 0; heat < HEAT_COUNT; heat++)
        any |= retire_in(db->blobs, &db->blobs->pools[heat], number);
    return any;
}

void blobs_retire_moved(struct lsm_db *db)
{
    (void)retire_in(db->blobs, &db->blobs->pools[BLOB_COLD], 0);
    /* Also what was full before, and what it held was given up only now. */
    close_finished(db->blobs);
}

/* --- Syncing --- */

/* The next file behind f (NULL: the first) that has something to sync. */
static struct blob_file *next_unsynced(struct blobs *b, const struct blob_file *f)
{
    struct blob_file *next;

    mutex_lock(&b->mu);
    for (next = f ? f->next : b->files; next && is_synced_locked(next); next = next->next)
        ;
    mutex_unlock(&b->mu);
    return next;
}

/* Files are only put in front while a sync runs, and none is taken away. */
static int sync_files(struct blobs *b, bool *ret_names)
{
    int err = 0;

    for (struct blob_file *f = next_unsynced(b, NULL); f && !err; f = next_unsynced(b, f)) {
        uint64_t len = blob_writer_len(f->writer);

        err = blob_writer_sync(f->writer);
        mutex_lock(&b->mu);
        if (!err)
            f->synced_len = len;
        *ret_names = *ret_names || !f->name_synced;
        mutex_unlock(&b->mu);
    }
    return err;
}

/* The directory has been synced: so have the names of files that were synced before. */
static void note_names(struct blobs *b)
{
    mutex_lock(&b->mu);
    for (struct blob_file *f = b->files; f; f = f->next)
        f->name_synced = f->name_synced || f->synced_len > 0;
    mutex_unlock(&b->mu);
}

int blobs_sync(struct lsm_db *db)
{
    struct blobs *b = db->blobs;
    bool names = false;
    int err;

    mutex_lock(&b->mu);
    while (b->syncing)
        cond_wait(&b->sync_cond, &b->mu);
    b->syncing = true;
    mutex_unlock(&b->mu);
    err = sync_files(b, &names);
    if (err)
        err = db_fail(db, err, "sync of a blob file failed");
    if (!err && names) {
        err = env_sync_dir(db->env);
        if (!err)
            note_names(b);
    }
    mutex_lock(&b->mu);
    b->syncing = false;
    cond_broadcast(&b->sync_cond);
    mutex_unlock(&b->mu);
    close_finished(b);
    return err;
}

/* --- For compaction --- */

static int append_moved(void *arg, const struct blob_record *r, struct blob_ref *ret_ref,
                        struct blob_meta **ret_file)
{
    return blobs_append(arg, BLOB_COLD, r, 1, ret_ref, ret_file);
}

struct compact_blobs db_compact_blobs(struct lsm_db *db)
{
    return (struct compact_blobs){.store = db->store.blobs,
                                  .len_min = db->options.blob_len_min,
                                  .compress = db->options.compress,
                                  .append = append_moved,
                                  .arg = db};
}

/* --- Memory --- */

struct blob_scratch *blobs_scratch_get(struct lsm_db *db)
{
    struct blobs *b = db->blobs;
    struct blob_scratch *s;

    mutex_lock(&b->mu);
    s = b->scratches;
    if (s) {
        b->scratches = s->next;
        b->scratch_count--;
    }
    mutex_unlock(&b->mu);
    return s ? s : calloc(1, sizeof(*s));
}

void blobs_scratch_put(struct lsm_db *db, struct blob_scratch *s)
{
    struct blobs *b = db->blobs;
    bool keep;

    if (!s)
        return;
    mutex_lock(&b->mu);
    keep = b->scratch_count < SCRATCH_KEEP_COUNT && s->stored.cap <= SCRATCH_KEEP_LEN &&
           s->batch.bytes.cap <= SCRATCH_KEEP_LEN;
    if (keep) {
        s->next = b->scratches;
        b->scratches = s;
        b->scratch_count++;
    }
    mutex_unlock(&b->mu);
    if (!keep)
        blob_scratch_free(s);
}
