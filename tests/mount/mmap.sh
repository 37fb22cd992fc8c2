#!/bin/sh
# Memory maps, shared and private: see mmap_check.c.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
"$HELPERS/mmap_check" write "$MNT/file" || fail "mmap_check write"
"$HELPERS/mmap_check" verify "$MNT/file" || fail "mmap_check verify while mounted"
remount_fs
"$HELPERS/mmap_check" verify "$MNT/file" || fail "mmap_check verify after a remount"

say "a program that runs from the mount"
cp /bin/true "$MNT/true"
"$MNT/true" || fail "a program on the mount does not run"
umount_fs
check_store
