/*
 * The kernel checks permissions, and it checks those that are shown: so the view is applied where
 * attributes leave for the kernel, and nowhere else. Set-id bits stay visible because the kernel
 * clears them on writing only where it sees them; that they have no effect under foreign owners is
 * the work of nosuid, which comes with every view (mount_options.c).
 */
#include "fs/fuse/owner_view.h"

#include <errno.h>

bool owner_view_any(const struct owner_view *v)
{
    return v->has_uid || v->has_gid || v->has_fmask || v->has_dmask;
}

static bool same(bool has_a, uint32_t a, bool has_b, uint32_t b)
{
    return has_a == has_b && (!has_a || a == b);
}

bool owner_view_same(const struct owner_view *a, const struct owner_view *b)
{
    return same(a->has_uid, a->uid, b->has_uid, b->uid) &&
           same(a->has_gid, a->gid, b->has_gid, b->gid) &&
           same(a->has_fmask, a->fmask, b->has_fmask, b->fmask) &&
           same(a->has_dmask, a->dmask, b->has_dmask, b->dmask);
}

void owner_view_show(const struct owner_view *v, struct stat *st)
{
    bool masked = S_ISDIR(st->st_mode) ? v->has_dmask : v->has_fmask;
    uint32_t mask = S_ISDIR(st->st_mode) ? v->dmask : v->fmask;

    if (v->has_uid)
        st->st_uid = v->uid;
    if (v->has_gid)
        st->st_gid = v->gid;
    if (masked && !S_ISLNK(st->st_mode))
        st->st_mode = (st->st_mode & ~(mode_t)0777) | (0777 & ~mask);
}

void owner_view_cred(const struct owner_view *v, struct fs_cred *cred)
{
    if (v->has_uid)
        cred->uid = v->uid;
    if (v->has_gid)
        cred->gid = v->gid;
}

int owner_view_set(const struct owner_view *v, const struct fs_attr *attr, unsigned *which)
{
    if (v->has_uid && *which & FS_SET_UID) {
        if (attr->uid != v->uid)
            return -EPERM;
        *which &= ~(unsigned)FS_SET_UID;
    }
    if (v->has_gid && *which & FS_SET_GID) {
        if (attr->gid != v->gid)
            return -EPERM;
        *which &= ~(unsigned)FS_SET_GID;
    }
    return 0;
}
