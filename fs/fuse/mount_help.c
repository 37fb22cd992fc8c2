/*
 * The options of a mount, for `fluxfs mount --help`. The same list, in more words, is in the manual
 * page mount.fluxfs(8).
 */
#include "fs/fuse/mount_options.h"

const char *mount_options_help(void)
{
    return "Options, with what holds without them in parentheses:\n"
           "  ro, rw              read-only or not (rw)\n"
           "  commit=SECONDS      make writes durable at least so often, 1 to 3600 (5)\n"
           "  cache=SIZE          memory for recent changes and for blocks read (160M)\n"
           "  size=SIZE           the store may take so much of its disk, at least 16M (all of "
           "it)\n"
           "  compress=lz4|none   compress what is written from now on, or not (lz4)\n"
           "  acl, noacl          access control lists or none (acl, unless uid=, gid= or a mask\n"
           "                      is given); ls -l is quicker without\n"
           "  noexport            no file handles, as an overlay with all directories here needs\n"
           "                      (they are given)\n"
           "  no_io_uring         no requests through io_uring (it is used where the kernel's "
           "module\n"
           "                      fuse has its parameter enable_uring set)\n"
           "  allow_other         let other users in; permissions are always checked (only the\n"
           "                      user who mounts)\n"
           "  uid=USER            show this owner for everything (the stored owners)\n"
           "  gid=GROUP           show this group for everything (the stored groups)\n"
           "  umask=MASK          show permissions 0777 without these, octal (the stored ones);\n"
           "  fmask=, dmask=      the same for files, for directories\n"
           "  suid, nosuid        set-id programs work or not (suid for root, unless uid=, gid= "
           "or\n"
           "                      a mask is given; nosuid for others)\n"
           "  dev, nodev          device files work or not (as suid)\n"
           "  exec, noexec        programs may be run or not (exec)\n"
           "  sync, async         every change is durable when it returns or not (async)\n"
           "  dirsync             changes of names are durable when they return (not)\n"
           "  noatime             as always: reading does not change access times\n"
           "  nonempty            the mount point may hold files; they are hidden (refused)\n"
           "  remount             change ro, suid, dev or exec of a mount; as root\n"
           "  debug               log every request of the kernel (not)\n"
           "relatime and atime are taken for noatime, strictatime is refused. What only mount(8)\n"
           "and fstab(5) use (defaults, noauto, nofail, _netdev, user, x-...) is accepted.\n";
}
