#!/bin/sh
# What programs ask of a file system beside reading and writing: see vfs_check.c; and what is
# refused honestly: swapping, file flags, maps of extents.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
mkdir "$MNT/d"
"$HELPERS/vfs_check" "$MNT/d" || fail "vfs_check"
rmdir "$MNT/d" || fail "vfs_check has left something"

say "the same with caches dropped all the time"
mkdir "$MNT/d"
(while [ ! -e "$MNT/stop" ]; do drop_caches; done) &
dropper=$!
"$HELPERS/vfs_check" "$MNT/d" || fail "vfs_check with dropped caches"
: >"$MNT/stop"
wait "$dropper"
rmdir "$MNT/d" || fail "vfs_check has left something"

head -c 1000000 /dev/zero >"$MNT/swap"
chmod 600 "$MNT/swap"
if command -v lsattr >/dev/null; then
    refused "not supported\|inappropriate ioctl" lsattr "$MNT/swap"
fi
if is_root && command -v swapon >/dev/null; then
    mkswap "$MNT/swap" >/dev/null 2>&1 || fail "mkswap"
    refused "invalid argument\|not supported" swapon "$MNT/swap"
fi
umount_fs
check_store
