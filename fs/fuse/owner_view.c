/*
 * The kernel checks permissions, and it checks those that are shown: so the view is applied where
 * attributes leave for the kernel, and nowhere else. Set-id bits stay visible because the kernel
 * clears them on writing only where it sees them; that they have no effect under foreign owners is
 * the work of nosuid, which comes with every view (mount_options.c).
 *
 * What is stored will be seen without the view one day, with set-id bits that work. So no program
 * of one owner may get its contents, or its bits, from another: the bits are not given to files
 * that are stored as somebody else's, nor to new ones, and they do not survive a change of
 * contents (fs_options.clear_set_id), which the kernel may not see to where a mask hides what it
 * goes by.
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
    cred->fixed_gid = v->has_gid;
    cred->no_set_id = owner_view_any(v);
}

uint32_t owner_view_mode(const struct owner_view *v, const struct fs_attr *stored, uint32_t mode)
{
    bool is_dir = S_ISDIR(stored->mode);
    uint32_t shown = 0777 & ~(is_dir ? v->dmask : v->fmask);
    bool own = (!v->has_uid || v->uid == stored->uid) && (!v->has_gid || v->gid == stored->gid);

    if ((is_dir ? v->has_dmask : v->has_fmask) && (mode & 0777) == shown)
        mode = (mode & ~(uint32_t)0777) | (stored->mode & 0777);
    if (!own)
        mode &= ~(uint32_t)(S_ISUID | S_ISGID) | (is_dir ? stored->mode : 0);
    return mode;
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
