/*
 * How much of each blob file is needed: what the tables and memtables of one superversion refer to.
 * Tables say so themselves, so nothing is counted while values come and go, and nothing can be
 * counted wrong.
 */
#include <stdlib.h>

#include "lsm/db/blobs.h"
#include "lsm/db/db.h"

struct counting {
    struct blob_uses tables, memtables;
};

static int add_file(void *arg, uint64_t number, uint64_t count, uint64_t len)
{
    return blob_uses_add(arg, number, count, len);
}

static int count_all(const struct superversion *sv, struct counting *c)
{
    int err = memtable_each_file(sv->mem, add_file, &c->memtables);

    for (unsigned i = 0; !err && i < sv->imm_count; i++)
        err = memtable_each_file(sv->imms[i], add_file, &c->memtables);
    if (!err)
        err = version_blob_uses(sv->version, &c->tables);
    return err;
}

static int describe_file(const struct counting *c, struct blob_meta *m, struct blob_usage *ret)
{
    const struct blob_use *table = blob_uses_find(&c->tables, m->number);
    const struct blob_use *mem = blob_uses_find(&c->memtables, m->number);
    struct blob_file_usage *f = &ret->files[ret->count];
    int err;

    *f = (struct blob_file_usage){.number = m->number,
                                  .table_len = table ? table->len : 0,
                                  .memtable_len = mem ? mem->len : 0,
                                  .writing = atomic_load(&m->writing),
                                  .damaged = atomic_load(&m->damaged)};
    err = blob_meta_len(m, &f->len);
    /* Missing: a reader will say so. */
    f->damaged |= err && err_is_damage(err);
    if (err && !f->damaged)
        return err;
    ret->count++;
    return 0;
}

static int describe(struct lsm_db *db, const struct counting *c, struct blob_usage *ret)
{
    uint64_t *numbers;
    size_t count;
    int err = blob_store_list(db->store.blobs, &numbers, &count);

    if (err)
        return err;
    ret->files = calloc(count ? count : 1, sizeof(*ret->files));
    if (!ret->files)
        err = -ENOMEM;
    for (size_t i = 0; !err && i < count; i++) {
        struct blob_meta *m = blob_store_hold(db->store.blobs, numbers[i]);

        if (!m) /* it went meanwhile */
            continue;
        err = describe_file(c, m, ret);
        blob_meta_unref(m, false);
    }
    free(numbers);
    return err;
}

int blob_usage_of(struct lsm_db *db, const struct superversion *sv, struct blob_usage *ret)
{
    struct blob_usage u = {0};
    struct counting c = {0};
    int err = count_all(sv, &c);

    if (!err)
        err = describe(db, &c, &u);
    blob_uses_done(&c.tables);
    blob_uses_done(&c.memtables);
    if (err)
        blob_usage_done(&u);
    else
        *ret = u;
    return err;
}

void blob_usage_done(struct blob_usage *u)
{
    free(u->files);
    *u = (struct blob_usage){0};
}

uint64_t blob_garbage_len(const struct blob_file_usage *f)
{
    uint64_t used = BLOB_HEADER_LEN + f->table_len + f->memtable_len;

    return f->len > used ? f->len - used : 0;
}
