/*
 * A store that is open for one command, and what is said when it is not.
 */
#include <string.h>

#include "lsm/base/err.h"
#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"

int lsmctl_error(const char *store, int err)
{
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
