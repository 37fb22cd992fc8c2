/*
 * The known deviations from ext4, all in one place. fs/README.md, "What differs from ext4", has the
 * reasons.
 *
 * What the mount refuses though ext4 does not: the table. The other side is not asked, so that both
 * go on alike; had the mount done it after all, what follows would differ.
 *
 * Setgid of a regular file (mode_known): a write by somebody outside of the file's group clears it
 * on ext4 also where the group may not execute the file; the kernel's FUSE leaves it then, and an
 * ACL that is set. What clears it elsewhere is tested by tests/posix.
 *
 * Root's chown that names neither user nor group takes set-id bits on ext4 (known_left_out).
 *
 * A FIFO: writing to it changes its times on ext4; the kernel's FUSE leaves them (times_known).
 *
 * Setting an extended attribute or an ACL to the value that it has, removing an ACL that is not
 * there: ext4 leaves the ctime (changes_known).
 *
 * Renaming with a whiteout is not among the steps: when it fails, ext4 has made the whiteout and
 * changed the times of its directory.
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
#include <sys/xattr.h>

#include "mount/differential/diff.h"

/* With the mount option noacl. */
static bool has_no_acls;

static bool is_acl(const struct step *st)
{
    return has_no_acls &&
           (st->call == CALL_setacl || st->call == CALL_getacl || st->call == CALL_removeacl);
}

void known_probe(const char *mounted)
{
    has_no_acls = getxattr(mounted, "system.posix_acl_access", NULL, 0) < 0 && errno == EOPNOTSUPP;
}

static const struct {
    bool (*matches)(const struct step *st);
    int err;
} refusals[] = {
    {is_acl, EOPNOTSUPP},
};

int known_refusal(const struct step *st)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].matches(st))
            return refusals[i].err;
    return 0;
}

bool known_left_out(const struct step *st)
{
    bool is_chown = st->call == CALL_chown || st->call == CALL_fchown;

    return is_chown && st->user == 0 && st->uid == (uint32_t)-1 && st->gid == (uint32_t)-1;
}

uint32_t mode_known(uint32_t mode)
{
    return S_ISREG(mode) ? mode & ~(uint32_t)S_ISGID : mode;
}

bool times_known(const struct stat *st)
{
    return !S_ISFIFO(st->st_mode);
}

bool changes_known(const struct step *st)
{
    switch (st->call) {
    case CALL_setxattr:
    case CALL_fsetxattr:
    case CALL_setacl:
    case CALL_removeacl:
        return false;
    default:
        return true;
    }
}
