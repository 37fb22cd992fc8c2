/*
 * The mount point: checked before, attached to and detached from.
 */
#ifndef FS_FUSE_MOUNT_POINT_H
#define FS_FUSE_MOUNT_POINT_H

#include <stdbool.h>

/*
 * The absolute path of `path`, free of symlinks. Its last part need not exist, or may be a mount
 * whose daemon is dead. Owned. NULL with errno set.
 */
char *path_absolute(const char *path);
/* Whether `path` is `dir` or lies below it; both absolute. */
bool path_is_inside(const char *path, const char *dir);
/*
 * Make sure that something can be mounted on `dir`, an absolute path: it is a directory, nothing of
 * ours is mounted there, and it is empty unless `nonempty`. What a daemon that died has left
 * mounted is detached first. Returns 0, or -1 after writing to the log why not.
 */
int mount_point_prepare(const char *dir, bool nonempty);
/* Unmount; `lazy`: also when it is in use. 0 or a negative errno. */
int mount_point_detach(const char *dir, bool lazy);
/* Let the kernel read ahead so far; without effect unless root. */
void mount_point_set_readahead(const char *dir, unsigned len_kb);

/* Whether the store, an absolute path, is mounted somewhere. */
bool mount_point_of_store(const char *store);

#endif
