/* Walks over the directory of a store. */
#include "bench/kvbench/store_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/kvbench/fail.h"

enum {
    WALK_FD_COUNT = 16, /* descriptors that nftw may hold */
};

static uint64_t space_len; /* of the walk; one at a time */

static int add_space(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)ftw;
    if (type == FTW_F)
        space_len += (uint64_t)st->st_blocks * 512;
    return 0;
}

uint64_t store_dir_space_len(const char *path)
{
    space_len = 0;
    nftw(path, add_space, WALK_FD_COUNT, FTW_PHYS);
    return space_len;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    if (remove(path))
        bench_fail("%s cannot be removed: %s", path, strerror(errno));
    return 0;
}

void store_dir_remove(const char *path)
{
    nftw(path, remove_one, WALK_FD_COUNT, FTW_PHYS | FTW_DEPTH);
}

/* A descriptor; -1 when the file is gone, as an open store may remove one at any time. */
static int sync_open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0 || fsync(fd))
        bench_fail("%s cannot be synced: %s", path, strerror(errno));
    return fd;
}

static int sync_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    int fd;

    (void)st, (void)ftw;
    if (type != FTW_F)
        return 0;
    fd = sync_open_file(path);
    if (fd >= 0)
        close(fd);
    return 0;
}

void store_dir_sync(const char *path)
{
    nftw(path, sync_one, WALK_FD_COUNT, FTW_PHYS);
}

/* A page that is still dirty stays, so the file is synced first. */
static int evict_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    int fd;

    (void)st, (void)ftw;
    if (type != FTW_F)
        return 0;
    fd = sync_open_file(path);
    if (fd < 0)
        return 0;
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
        bench_fail("%s cannot be taken out of the cache", path);
    close(fd);
    return 0;
}

void store_dir_evict(const char *path)
{
    nftw(path, evict_one, WALK_FD_COUNT, FTW_PHYS);
}
