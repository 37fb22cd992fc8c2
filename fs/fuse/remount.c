/*
 * Remounting.
 *
 * The kernel changes what is its own: read-only or not, set-id programs, devices, programs. The
 * daemon is not asked, and need not be: it refuses nothing that the kernel lets through, except
 * when it has opened the store for reading only, which no remount can change. Everything else was
 * settled when the daemon started; it tells what by an extended attribute of the root that only
 * root can read, and a list that asks for anything else is refused by name. mount(8) hands over
 * what fstab and the kernel say beside what the user asked for, so an option that would change
 * nothing is no reason to refuse.
 *
 * After a remount to read-only everything is durable: the kernel has sent all dirty pages, and a
 * sync of the root directory syncs all of the store.
 */
#include "fs/fuse/remount.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/fs.h"
#include "fs/fuse/mount_log.h"
#include "fs/fuse/mount_options.h"

static int refuse(const char *dir, const char *why)
{
    mount_log(LSM_LOG_ERROR, "remount of %s: %s", dir, why);
    return -1;
}

/* The mount on top of `dir`: its source, owned, and the kernel's flags into *now. */
static char *find(const char *dir, struct mount_options *now)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    struct mntent *m;
    char *source = NULL;

    while (f && (m = getmntent(f))) {
        if (strcmp(m->mnt_dir, dir) != 0)
            continue;
        free(source);
        source = strcmp(m->mnt_type, "fuse.fluxfs") == 0 ? strdup(m->mnt_fsname) : NULL;
        now->read_only = hasmntopt(m, "ro") != NULL;
        now->suid = !hasmntopt(m, "nosuid");
        now->dev = !hasmntopt(m, "nodev");
        now->noexec = hasmntopt(m, "noexec") != NULL;
    }
    if (f)
        endmntent(f);
    return source;
}

/* What the daemon was started with. */
static int ask_daemon(const char *dir, struct mount_options *ret)
{
    char text[MOUNT_OPTIONS_TEXT_LEN + 1];
    ssize_t len = getxattr(dir, REMOUNT_OPTIONS_XATTR, text, MOUNT_OPTIONS_TEXT_LEN);

    if (len < 0 && (errno == ENOTCONN || errno == ECONNABORTED))
        return refuse(dir, "its daemon has died; mount the store again");
    if (len < 0)
        return refuse(dir, "its daemon does not tell its options; unmount it and mount it again");
    text[len] = 0;
    return mount_options_parse(text, NULL, ret);
}

/* The first option that differs and cannot be changed; NULL for none. */
static const char *fixed_change(const struct mount_options *a, const struct mount_options *b)
{
    const struct {
        const char *name;
        bool differs;
    } fixed[] = {
        {"uid, gid or a mask", !owner_view_same(&a->view, &b->view)}, /* which brings noacl */
        {"commit", a->commit_s != b->commit_s},
        {"cache", a->cache_len != b->cache_len},
        {"size", a->size_max != b->size_max},
        {"compress", a->no_compress != b->no_compress},
        {"sync", a->sync != b->sync},
        {"dirsync", a->dirsync != b->dirsync},
        {"allow_other", a->allow_other != b->allow_other},
        {"acl", a->no_acl != b->no_acl},
        {"noexport", a->no_export != b->no_export},
        {"io_uring", a->no_io_uring != b->no_io_uring},
        {"debug", a->debug != b->debug},
    };

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (fixed[i].differs)
            return fixed[i].name;
    return NULL;
}

static unsigned long kernel_flags(const struct mount_options *o)
{
    return MS_REMOUNT | MS_NOATIME | (o->read_only ? MS_RDONLY : 0) | (o->suid ? 0 : MS_NOSUID) |
           (o->dev ? 0 : MS_NODEV) | (o->noexec ? MS_NOEXEC : 0) | (o->sync ? MS_SYNCHRONOUS : 0);
}

static int change(const char *dir, const struct mount_options *to)
{
    int fd, err = 0;

    if (mount("none", dir, "fuse.fluxfs", kernel_flags(to), NULL) < 0)
        return refuse(dir, errno == EBUSY ? "a program has a file open for writing there, or one "
                                            "that is deleted; find it with fuser -vm"
                                          : strerror(errno));
    if (!to->read_only)
        return 0;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        err = errno;
    if (fd >= 0)
        close(fd);
    if (err) {
        mount_log(LSM_LOG_ERROR, "%s is read-only now, but not everything is durable: %s", dir,
                  strerror(err));
        return -1;
    }
    return 0;
}

static int check_and_change(const char *dir, const struct mount_options *daemon,
                            const struct mount_options *now, const char *text)
{
    struct mount_options to;
    const char *name;
    int r = mount_options_parse(text, now, &to);

    if (r < 0)
        return -1;
    name = fixed_change(daemon, &to);
    if (name) {
        mount_log(LSM_LOG_ERROR,
                  "remount of %s: option '%s' cannot be changed; unmount it and "
                  "mount it again",
                  dir, name);
        r = -1;
    } else if (daemon->read_only && !to.read_only) {
        r = refuse(dir, "'rw' is not possible: it was mounted read-only, and the store is open for "
                        "reading only; unmount it and mount it again");
    }
    if (r == 0)
        r = change(dir, &to);
    mount_options_done(&to);
    return r;
}

int remount(const char *store, const char *dir, const char *text)
{
    struct mount_options daemon, now, flags = {.remount = true};
    char *source = find(dir, &flags);
    int r = -1;

    if (!source)
        return refuse(dir, "no FluxFS store is mounted there");
    if (strcmp(source, store) != 0) {
        mount_log(LSM_LOG_ERROR, "remount of %s: %s is mounted there, not %s", dir, source, store);
    } else if (geteuid() != 0) {
        refuse(dir, "only root can; unmount it and mount it again with the options that it is to "
                    "have");
    } else if (ask_daemon(dir, &daemon) == 0) {
        now = daemon;
        now.read_only = flags.read_only;
        now.suid = flags.suid;
        now.dev = flags.dev;
        now.noexec = flags.noexec;
        r = check_and_change(dir, &daemon, &now, text);
        mount_options_done(&daemon);
    }
    free(source);
    return r;
}
