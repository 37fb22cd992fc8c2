/*
 * Collection: giving back the space of blob files that hold little but garbage.
 *
 * A file goes by itself with the last table and memtable that refer to it. One that is mostly
 * garbage is emptied: tables that refer to it are rewritten, and what they still need of it moves
 * to a file of its own kind. Every compaction does so with what it meets; when there is nothing
 * else to do, tables are picked for it (pick_garbage.h). What old versions and snapshots need, they
 * hold: their tables keep the old file until they are gone.
 *
 * A file that is still appended to is closed first when it has become mostly garbage. One that
 * memtables refer to waits for them.
 */
#include "lsm/db/db.h"

enum {
    RETIRE_LEN_MIN = 1 << 20,
    RETIRE_PART = 16 /* of a full file: below both of these a file is not worth closing */
};

static bool is_garbage(const struct lsm_db *db, const struct blob_file_usage *f)
{
    return blob_garbage_len(f) > 0 &&
           blob_garbage_len(f) * 100 >= f->len * db->options.blob_garbage_percent;
}

static bool worth_closing(const struct lsm_db *db, const struct blob_file_usage *f)
{
    uint64_t part = db->options.blob_file_len / RETIRE_PART;

    return f->len >= (part < RETIRE_LEN_MIN ? part : RETIRE_LEN_MIN);
}

int garbage_find(struct lsm_db *db, struct garbage_list *ret)
{
    struct superversion *sv = sv_get(db);
    struct blob_usage usage = {0};
    struct garbage_list list = {0};
    int err = blob_usage_of(db, sv, &usage);

    sv_put(sv);
    if (!err) {
        list.files = calloc(usage.count + 1, sizeof(*list.files));
        list.numbers = calloc(usage.count + 1, sizeof(*list.numbers));
        if (!list.files || !list.numbers)
            err = -ENOMEM;
    }
    for (size_t i = 0; !err && i < usage.count; i++) {
        const struct blob_file_usage *f = &usage.files[i];

        if (!is_garbage(db, f) || f->damaged || f->memtable_len)
            continue;
        if (f->writing) {
            list.retired |= worth_closing(db, f) && blobs_retire(db, f->number);
            continue;
        }
        list.numbers[list.count] = f->number;
        list.files[list.count++] = (struct garbage_file){f->number, f->len, blob_garbage_len(f)};
    }
    blob_usage_done(&usage);
    if (err)
        garbage_done(&list);
    else
        *ret = list;
    return err;
}

void garbage_done(struct garbage_list *list)
{
    free(list->files);
    free(list->numbers);
    *list = (struct garbage_list){0};
}

/* One table after the other, until none in the range refers to a file that is mostly garbage. */
int collect_range(struct lsm_db *db, const struct slice *start, const struct slice *end)
{
    int picked = 1, err = 0;

    blobs_retire(db, 0);
    while (!err && picked > 0) {
        struct garbage_list list = {0};
        struct compaction c = {0};

        err = garbage_find(db, &list);
        if (err)
            break;
        mutex_lock(&db->mu);
        picked = atomic_load(&db->sticky_err)
                     ? 0
                     : pick_garbage(db->sv->version, list.files, list.count, start, end, 0, &c);
        mutex_unlock(&db->mu);
        garbage_done(&list);
        if (picked > 0) {
            err = compact_awaited(db, &c);
            compaction_done(&c, &db->store);
        }
    }
    return err ? err : picked < 0 ? picked : 0;
}
