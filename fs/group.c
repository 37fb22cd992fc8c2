/*
 * Inode numbers. A number is `group << 16 | slot`; a directory owns a group and gives its slots to
 * its children, so that what lies in one directory lies together in the store.
 *
 * Groups are leased: the fact "group_next" is moved on by 1024 before the first group of the lease
 * is handed out, so taking one seldom writes. The engine keeps the order of writes: whatever
 * survives a crash, the lease survives with every inode made from it, and the next run begins
 * behind it. The rest of a lease is lost at close; there are 2^36 groups.
 */
#include "fs/impl.h"
#include "fs/super.h"

enum {
    GROUP_LEASE_COUNT = 1024
};

static int lease_extend(struct fs *fs) REQUIRES(fs->group_mu)
{
    uint64_t until = fs->group_leased_until + GROUP_LEASE_COUNT;
    int err;

    if (until > INODE_GROUP_END)
        return err_raise(ENOSPC, "no inode numbers are left");
    err = super_write_group_next(fs->db, until);
    if (!err)
        fs->group_leased_until = until;
    return err;
}

int group_take(struct fs *fs, uint64_t *ret)
{
    int err = 0;

    mutex_lock(&fs->group_mu);
    if (fs->group_next >= fs->group_leased_until)
        err = lease_extend(fs);
    if (!err)
        *ret = fs->group_next++;
    mutex_unlock(&fs->group_mu);
    return err;
}

int inode_number_take(struct fs *fs, struct inode *parent, uint64_t *ret)
{
    if (!parent->group || parent->next_slot >= INODE_SLOT_COUNT) {
        uint64_t group;
        int err = group_take(fs, &group);

        if (err)
            return err;
        parent->group = group;
        parent->next_slot = 0;
    }
    *ret = parent->group << 16 | parent->next_slot++;
    return 0;
}
