/*
 * Why a store of FluxFS, or a path in it, could not be used, in words that say what to do next.
 */
#include <string.h>

#include "fs/fs.h"
#include "lsm/base/err.h"
#include "tools/commands.h"
#include "tools/mountinfo.h"
#include "tools/store_lock.h"

static int locked_error(const char *store)
{
    struct mount_entry mount;
    long pid = store_lock_pid(store);
    char who[64] = "another process";

    if (pid > 0)
        snprintf(who, sizeof(who), "process %ld", pid);
    if (mountinfo_find_store(store, &mount) == 1) {
        cli_error("%s: the store is in use by %s; unmount it first (fluxfs umount %s)", store, who,
                  mount.dir);
        mount_entry_done(&mount);
        return STATUS_FAILED;
    }
    return cli_error("%s: the store is in use by %s; unmount it first (fluxfs umount DIR), or wait "
                     "until that process has ended",
                     store, who);
}

int cli_store_error(const char *store, int err)
{
    switch (-err) {
    case ERR_STORE_LOCKED:
        return locked_error(store);
    case ERR_STORE_MISSING:
        return cli_error("%s: there is no store; make one with: fluxfs mkfs %s", store, store);
    case ERR_STORE_NOT_ONE:
        return cli_error("%s: not a FluxFS store: it has no SUPERBLOCK", store);
    case ERR_STORE_EXISTS:
        return cli_error("%s: there is a store already; it was left as it is", store);
    case ERR_NO_FILE_SYSTEM:
        return cli_error("%s: %s", store, lsm_strerror(err));
    case ENOMEM:
        return cli_error("%s: out of memory", store);
    default:
        break;
    }
    if (lsm_is_damage(err))
        return cli_error("%s: damaged: %s (see all damage with: fluxfs fsck %s)", store,
                         cli_reason(store, err), store);
    return cli_error("%s: %s", store, cli_reason(store, err));
}

int cli_path_error(const char *store, const char *path, int err)
{
    /* What a path can be guilty of has no words of the engine, which may be of an older failure. */
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ESTALE:
    case ELOOP:
    case EINVAL:
    case ENOMEM:
        return cli_error("%s: %s: %s", store, path, lsm_strerror(err));
    default:
        return cli_error("%s: %s: %s", store, path, cli_reason(store, err));
    }
}
