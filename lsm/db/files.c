/*
 * The files of a store's directory, at open: which there are, whether those that the manifest
 * counts on are all there, and which are left over from an interrupted flush, compaction or
 * manifest switch.
 *
 * Nothing is removed before everything that the manifest names has been found: a manifest whose
 * last record has rotted away looks like one with a torn end, and describes a state whose files may
 * be gone already. Then the store refuses to open, and the newer files, which hold the data, are
 * still there.
 */
#include "lsm/db/db.h"

/*
 * The number in "NNNNNNNN.suffix" or "prefixNNNNNNNN"; 0 when the name is none of ours. Ours have
 * eight digits, or more without a leading zero: "1.wal" is somebody else's, not 00000001.wal.
 */
uint64_t store_file_number(const char *name, const char *prefix, const char *suffix)
{
    size_t len = strlen(name), plen = strlen(prefix), slen = strlen(suffix);
    uint64_t number = 0;

    if (len < plen + slen + 8 || strncmp(name, prefix, plen) || strcmp(name + len - slen, suffix))
        return 0;
    if (len > plen + slen + 8 && name[plen] == '0')
        return 0;
    for (size_t i = plen; i < len - slen; i++) {
        if (name[i] < '0' || name[i] > '9' || number > UINT64_MAX / 20)
            return 0;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    return number;
}

int file_numbers_add(struct file_numbers *n, uint64_t number)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 16;
        uint64_t *numbers = realloc(n->numbers, cap * sizeof(*numbers));

        if (!numbers)
            return -ENOMEM;
        n->numbers = numbers;
        n->cap = cap;
    }
    n->numbers[n->count++] = number;
    return 0;
}

static int cmp_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

bool file_numbers_have(const struct file_numbers *n, uint64_t number)
{
    return n->count && bsearch(&number, n->numbers, n->count, sizeof(number), cmp_number);
}

void file_numbers_sort(struct file_numbers *n)
{
    if (n->count)
        qsort(n->numbers, n->count, sizeof(*n->numbers), cmp_number);
}

struct listing {
    struct lsm_db *db;
    struct store_files *files;
};

/* No file's number is used again, whatever it is. */
static int note_file(void *arg, const char *name)
{
    struct listing *l = arg;
    uint64_t log = store_file_number(name, "", ".wal"), table = store_file_number(name, "", ".sst");
    uint64_t manifest = store_file_number(name, "MANIFEST-", "");
    uint64_t blob = store_file_number(name, "", ".blob");
    uint64_t number = log + table + blob + manifest; /* all but one of them are 0 */
    int err = 0;

    if (number >= atomic_load(&l->db->next_file))
        atomic_store(&l->db->next_file, number + 1);
    if (log)
        err = file_numbers_add(&l->files->logs, log);
    if (table)
        err = file_numbers_add(&l->files->tables, table);
    if (blob)
        err = file_numbers_add(&l->files->blobs, blob);
    return err;
}

int store_files_list(struct lsm_db *db, struct store_files *ret)
{
    struct listing l = {db, ret};
    int err = env_list(db->env, note_file, &l);

    file_numbers_sort(&ret->logs);
    file_numbers_sort(&ret->tables);
    file_numbers_sort(&ret->blobs);
    return err;
}

void store_files_done(struct store_files *files)
{
    free(files->logs.numbers);
    free(files->tables.numbers);
    free(files->blobs.numbers);
    *files = (struct store_files){0};
}

static int check_table(struct lsm_db *db, const struct store_files *files,
                       const struct table_meta *m)
{
    char name[32];

    sst_file_name(m->number, name);
    if (!file_numbers_have(&files->tables, m->number))
        return err_raise(ERR_FILE_MISSING, "%s/%s: missing, though the manifest names it",
                         db->env->path, name);
    for (size_t i = 0; i < m->blobs.count; i++) {
        char blob_name[32];

        if (file_numbers_have(&files->blobs, m->blobs.uses[i].number))
            continue;
        blob_file_name(m->blobs.uses[i].number, blob_name);
        return err_raise(ERR_FILE_MISSING, "%s/%s: missing, though values of table %s lie in it",
                         db->env->path, blob_name, name);
    }
    return 0;
}

int store_files_check(struct lsm_db *db, const struct store_files *files, const struct version *v)
{
    char name[32];

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        for (size_t i = 0; i < v->levels[level].count; i++) {
            int err = check_table(db, files, v->levels[level].tables[i]);

            if (err)
                return err;
        }
    }
    /* 0: a store that was made and never opened since. */
    if (db->log_number && !file_numbers_have(&files->logs, db->log_number)) {
        wal_file_name(db->log_number, name);
        return err_raise(ERR_FILE_MISSING, "%s/%s: missing, though the manifest names it",
                         db->env->path, name);
    }
    return 0;
}

struct cleaning {
    struct lsm_db *db;
    struct file_numbers keep; /* tables of the current version */
};

static int remove_leftover(void *arg, const char *name)
{
    const struct cleaning *c = arg;
    uint64_t table = store_file_number(name, "", ".sst"), log = store_file_number(name, "", ".wal");
    uint64_t manifest = store_file_number(name, "MANIFEST-", ""),
             blob = store_file_number(name, "", ".blob");
    bool tmp = strcmp(name, "CURRENT.tmp") == 0 || strcmp(name, "SUPERBLOCK.tmp") == 0 ||
               strcmp(name, "LOSSES.tmp") == 0 || store_file_number(name, "", ".blob.tmp");

    /* One that cannot be removed costs space and nothing else; the next open tries again. */
    if ((table && !file_numbers_have(&c->keep, table)) || (log && log < c->db->log_number) ||
        (manifest && manifest != c->db->manifest_number) || tmp ||
        (blob && !blob_store_find(c->db->store.blobs, blob)))
        env_remove(c->db->env, name);
    return 0;
}

int store_files_clean(struct lsm_db *db)
{
    struct cleaning c = {.db = db};
    const struct version *v = db->sv->version;
    int err = 0;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        for (size_t i = 0; !err && i < v->levels[level].count; i++)
            err = file_numbers_add(&c.keep, v->levels[level].tables[i]->number);
    }
    file_numbers_sort(&c.keep);
    if (!err)
        err = env_list(db->env, remove_leftover, &c);
    free(c.keep.numbers);
    return err;
}
