/*
 * A directory of a mount of ours, as a store and a path in it.
 */
#ifndef TOOLS_INSIDE_MOUNT_H
#define TOOLS_INSIDE_MOUNT_H

struct inside_mount {
    char *store; /* owned, as dir */
    char *dir;   /* from the root of the file system, with a slash in front */
};

/*
 * 1 when `path` is in a mount of ours, with `below` (a path from there) appended; 0 when it is not;
 * or -errno. Symbolic links in `path` are followed, in `below` nobody follows them.
 */
int inside_mount_find(const char *path, const char *below, struct inside_mount *ret);
void inside_mount_done(struct inside_mount *where);

#endif
