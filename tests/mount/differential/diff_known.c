/*
 * The known deviations from ext4, all in one place. fs/README.md, "What differs from ext4", has the
 * reasons.
 *
 * What the mount refuses though ext4 does not: the table. The other side is not asked, so that both
 * go on alike; had the mount done it after all, what follows would differ.
 *
 * A regular file that is setgid, but not executable by its group: a write by somebody who is not in
 * that group clears the bit on ext4; the kernel's FUSE leaves it (mode_known).
 *
 * A FIFO: writing to it changes its times on ext4; the kernel's FUSE leaves them (times_known).
 *
 * Setting an extended attribute to the value that it has: ext4 leaves the ctime (changes_known).
 * Listing them as an ordinary user: FUSE shows trusted ones, too (diff_attr.c).
 *
 * What is not compared, because it is each file system's own: the size of a directory; st_blocks
 * and st_blksize; inode numbers; where exactly a hole ends (it must read as zeros; diff_data.c);
 * the order of a listing; how much room extended attributes have (the steps' are small); files
 * beyond ext4's 16 TiB (the steps stay below). The root of ext4 is mounted with noatime, which is
 * what FluxFS always does.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdio.h>

#include "mount/differential/diff.h"

static bool is_whiteout(const struct step *st)
{
    return st->call == CALL_rename && st->flags & RENAME_WHITEOUT;
}

static const struct {
    bool (*matches)(const struct step *st);
    int err;
} refusals[] = {
    {is_whiteout, EINVAL},
};

int known_refusal(const struct step *st)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].matches(st))
            return refusals[i].err;
    return 0;
}

uint32_t mode_known(uint32_t mode)
{
    return S_ISREG(mode) && !(mode & S_IXGRP) ? mode & ~(uint32_t)S_ISGID : mode;
}

bool times_known(const struct stat *st)
{
    return !S_ISFIFO(st->st_mode);
}

bool changes_known(const struct step *st)
{
    return st->call != CALL_setxattr && st->call != CALL_fsetxattr;
}
