/*
 * A store that is open for one command, and what is said when it is not.
 */
#include <errno.h>
#include <string.h>

#include "lsm/base/err.h"
#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"

int lsmctl_error(const char *store, int err)
{
    if (err == -ERR_VALUE_LEN || err == -EFBIG) {
        cli_error("%s: %s; if that is as it should be, let longer ones pass with: "
                  "--value-bytes-max SIZE",
                  store, cli_reason(store, err));
        return err == -EFBIG ? LSMCTL_FAILED : LSMCTL_DAMAGED;
    }
    if (lsm_is_damage(err)) {
        cli_error("%s: damaged: %s (see all damage with: lsmctl verify %s)", store,
                  cli_reason(store, err), store);
        return LSMCTL_DAMAGED;
    }
    switch (-err) {
    case ERR_STORE_MISSING:
        return cli_error("%s: there is no store; put and load make one with --create", store);
    case ERR_STORE_LOCKED:
        return cli_error("%s: %s; wait for its end with --wait SECONDS", store,
                         cli_reason(store, err));
    default:
        return cli_error("%s: %s", store, cli_reason(store, err));
    }
}

int lsmctl_not_found(const char *store, const char *what)
{
    cli_error("%s: %s", store, what);
    return LSMCTL_NOT_FOUND;
}

static int open_store(const struct args *args, bool read_only, struct lsm_db **ret)
{
    struct lsm_options options = args->options;
    int err;

    options.read_only = read_only;
    err = lsm_open(args->store, &options, ret);
    return err ? lsmctl_error(args->store, err) : STATUS_OK;
}

int lsmctl_open_to_read(const struct args *args, struct lsm_db **ret)
{
    return open_store(args, true, ret);
}

int lsmctl_open_to_write(const struct args *args, struct lsm_db **ret)
{
    return open_store(args, false, ret);
}

int lsmctl_find_snapshot(const struct args *args, struct lsm_db *db, struct lsm_snapshot **ret)
{
    struct buf name = {0};
    int status, err;

    *ret = NULL;
    if (!args->snapshot)
        return STATUS_OK;
    status = lsmctl_parse(args, "name", args->snapshot, &name);
    if (!status) {
        err = lsm_snapshot_find(db, name.data, name.len, ret);
        if (err == -ENOENT)
            status = lsmctl_not_found(args->store, "there is no such snapshot");
        else if (err)
            status = lsmctl_error(args->store, err);
    }
    buf_free(&name);
    return status;
}

int lsmctl_close(const struct args *args, struct lsm_db *db, int status)
{
    int err = lsm_close(db);

    return err && !status ? lsmctl_error(args->store, err) : status;
}

int lsmctl_parse(const struct args *args, const char *what, const char *text, struct buf *ret)
{
    const char *why = "";
    int err;

    ret->len = 0;
    err = bytes_parse(slice_str(text), args->hex, ret, &why);
    if (err == -EINVAL)
        return cli_usage_error("the %s \"%s\" cannot be read: %s", what, text, why);
    return err ? cli_error("out of memory") : STATUS_OK;
}

int lsmctl_parse_key(const struct args *args, const char *text, struct buf *ret)
{
    int status = lsmctl_parse(args, "key", text, ret);

    if (!status && (!ret->len || ret->len > LSM_KEY_LEN_MAX))
        status =
            cli_usage_error("a key of %zu bytes; it must have 1 to %d", ret->len, LSM_KEY_LEN_MAX);
    return status;
}
