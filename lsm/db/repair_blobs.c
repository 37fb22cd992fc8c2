/*
 * Blob files that are missing. The values in them are lost, and nobody knows what they were: to
 * drop the references would bring older values back, or none, as if that had been written. So an
 * empty file takes the place of the missing one: the store opens, and reading one of those values
 * is an error until it is written anew.
 *
 * An empty file made before the switch does no harm to the old state, in which it was missing too.
 */
#include "lsm/db/repair.h"

static int put_empty(struct repair *r, const char *name, uint64_t number)
{
    uint8_t header[BLOB_HEADER_LEN];
    struct slice part = slice_of(header, sizeof(header));
    struct env_writer *w;
    int err = env_writer_create(r->env, name, &w), close_err;

    if (err)
        return err;
    blob_header_encode(number, header);
    err = env_writer_append_sync(w, &part, 1);
    close_err = env_writer_close(w);
    if (!err)
        err = close_err;
    return err ? err : env_sync_dir(r->env);
}

static int replace_missing(struct repair *r, const struct blob_use *use)
{
    char name[32];
    int err;

    blob_file_name(use->number, name);
    err =
        repair_found(r, name, "missing; lost: %llu large values, which cannot be read from now on",
                     (unsigned long long)use->count);
    if (err || r->dry_run)
        return err;
    return put_empty(r, name, use->number);
}

int repair_blobs(struct repair *r, const struct version *v)
{
    struct blob_uses uses = {0};
    int err = version_blob_uses(v, &uses);

    for (size_t i = 0; !err && i < uses.count; i++) {
        if (!file_numbers_have(&r->blobs, uses.uses[i].number))
            err = replace_missing(r, &uses.uses[i]);
    }
    blob_uses_done(&uses);
    return err;
}
