/*
 * Finding the mount that a directory is in: the nearest above it that is one, if that is ours.
 *
 * A part of a mount that is bound elsewhere shows less than the whole, and the table of mounts does
 * not tell us which; such a place is refused rather than guessed.
 */
#include "tools/inside_mount.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/mountinfo.h"

enum {
    ROOT_INO = 1
};

/* The store of the mount on `dir`: 1, 0 when nothing of ours is mounted just there, or -errno. */
static int store_of(const char *dir, char **ret)
{
    struct mount_entry mount = {.dir = NULL};
    struct stat st;
    int found = mountinfo_find_dir(dir, &mount);

    if (found == 1 && strcmp(mount.type, MOUNT_TYPE))
        found = 0;
    if (found == 1 && (stat(dir, &st) || st.st_ino != ROOT_INO))
        found = -EXDEV;
    if (found == 1) {
        *ret = mount.source;
        mount.source = NULL;
    }
    mount_entry_done(&mount);
    return found;
}

/* Cut the absolute path to the nearest mount point, if that is ours: as store_of. */
static int cut_to_mount(char *path, char **ret_store)
{
    struct stat at, above;

    if (stat(path, &at))
        return -errno;
    while (path[1]) {
        char *slash = strrchr(path, '/');

        *slash = 0;
        if (stat(*path ? path : "/", &above) || above.st_dev != at.st_dev) {
            *slash = '/';
            return store_of(path, ret_store);
        }
        if (!*path)
            return 0;
    }
    return 0;
}

static int find(const char *real, char *cut, const char *below, struct inside_mount *ret)
{
    char *store;
    int found = cut_to_mount(cut, &store);

    if (found != 1)
        return found;
    if (asprintf(&ret->dir, "%s/%s", real + strlen(cut), below + strspn(below, "/")) < 0) {
        free(store);
        return -ENOMEM;
    }
    ret->store = store;
    return 1;
}

int inside_mount_find(const char *path, const char *below, struct inside_mount *ret)
{
    char *real = realpath(path, NULL), *cut;
    int found;

    if (!real)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    cut = strdup(real);
    found = cut ? find(real, cut, below, ret) : -ENOMEM;
    free(cut);
    free(real);
    return found;
}

void inside_mount_done(struct inside_mount *where)
{
    free(where->store);
    free(where->dir);
}
