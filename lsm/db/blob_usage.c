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
    /* So that one list has them all. */
    for (size_t i = 0; !err && i < c->memtables.count; i++)
        err = blob_uses_add(&c->tables, c->memtables.uses[i].number, 0, 0);
    return err;
}

static int describe(struct lsm_db *db, const struct counting *c, struct blob_usage *ret)
{
    ret->files = calloc(c->tables.count ? c->tables.count : 1, sizeof(*ret->files));
    if (!ret->files)
        return -ENOMEM;
    ret->cap = c->tables.count;
    for (size_t i = 0; i < c->tables.count; i++) {
        const struct blob_use *use = &c->tables.uses[i];
        const struct blob_use *mem = blob_uses_find(&c->memtables, use->number);
        struct blob_meta *m = blob_store_find(db->store.blobs, use->number);
        struct blob_file_usage *f = &ret->files[ret->count++];
        int err;

        CHECK(m); /* the superversion holds it */
        *f = (struct blob_file_usage){.number = use->number,
                                      .table_len = use->len,
                                      .memtable_len = mem ? mem->len : 0,
                                      .writing = atomic_load(&m->writing)};
        err = blob_meta_len(m, &f->len);
        if (err)
            return err;
    }
    return 0;
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
