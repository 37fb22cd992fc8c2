/*
 * A file system opened for looking at it. Nothing is written, so closing it cannot fail in a way
 * that matters.
 */
#include "tools/store_open.h"

#include "tools/commands.h"

int store_open(const char *store, struct fs **ret)
{
    struct fs_options options = {.read_only = true};
    int err = fs_open(store, &options, ret);

    return err ? cli_store_error(store, err) : STATUS_OK;
}

int store_resolve(struct fs *fs, const char *store, const char *path, struct fs_attr *ret)
{
    int err = fs_resolve(fs, path, ret);

    return err < 0 ? cli_path_error(store, path, err) : STATUS_OK;
}
