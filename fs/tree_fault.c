/*
 * Faults of paths and objects. Nothing that passes here can lead out of a directory.
 */
#include "fs/tree_fault.h"

#include <errno.h>
#include <string.h>

const char *tree_path_fault(const char *path, int *ret_err)
{
    *ret_err = -EINVAL;
    while (*path) {
        size_t len = strcspn(path, "/");

        if (!len)
            return "the path has an empty component";
        if (len == 1 && path[0] == '.')
            return "the path has a component \".\"";
        if (len == 2 && path[0] == '.' && path[1] == '.')
            return "the path has a component \"..\"";
        if (len > FS_NAME_LEN_MAX) {
            *ret_err = -ENAMETOOLONG;
            return "a component of the path is longer than 255 bytes";
        }
        path += len;
        if (*path == '/' && !*++path)
            return "the path ends with a slash";
    }
    return NULL;
}

static const char *type_fault(const struct tree_entry *e, int *ret_err)
{
    *ret_err = -EINVAL;
    if (e->hard_link)
        return e->link ? tree_path_fault(e->link, ret_err) : "a hard link to nothing";
    switch (e->mode & S_IFMT) {
    case S_IFLNK:
        if (!e->link || !*e->link)
            return "a symbolic link to nothing";
        *ret_err = -ENAMETOOLONG;
        return strlen(e->link) > FS_SYMLINK_LEN_MAX ? "the target is longer than 4095 bytes" : NULL;
    case S_IFREG:
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        break;
    default:
        return "an object of an unknown type";
    }
    return NULL;
}

bool tree_time_ok(const struct timespec *t)
{
    return t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

const char *tree_entry_fault(const struct tree_entry *e, int *ret_err)
{
    const char *fault = type_fault(e, ret_err);

    if (fault || (tree_time_ok(&e->atime) && tree_time_ok(&e->mtime)))
        return fault;
    *ret_err = -EINVAL;
    return "a time has more than a second of nanoseconds";
}

bool tree_xattr_refused(int err)
{
    switch (-err) {
    case E2BIG:
    case EACCES:
    case EINVAL:
    case ENOSPC: /* for its name; a full disk will say so again */
    case EOPNOTSUPP:
    case EPERM:
    case ERANGE:
        return true;
    default:
        return false;
    }
}
