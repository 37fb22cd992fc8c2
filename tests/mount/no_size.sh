#!/bin/sh
# A store on a disk that tells no size and no free space (a tmpfs without limit, ramfs, a FUSE file
# system without statfs): that is not a full one. `size=` limits it all the same.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a tmpfs"
mkdir "$S/disk"
STORE=$S/disk/store

check_work() {
    same "0 0" "$(stat -f -c '%b %a' "$S/disk")" "size and free blocks of the disk"
    mount_fs
    head -c 3000000 /dev/urandom >"$S/data"
    cp "$S/data" "$MNT/data" || fail "writing"
    sync "$MNT/data" || fail "syncing"
    [ "$(stat -f -c %a "$MNT")" -gt 1000000 ] || fail "df shows no space"
    remount_fs
    cmp "$S/data" "$MNT/data" || fail "the data differ"
    umount_fs
    check_store
    mount_fs -o size=32M
    refused "no space" dd if=/dev/urandom of="$MNT/more" bs=1M count=64
    rm "$MNT/more"
    umount_fs
    check_store
}

for type in tmpfs ramfs; do
    say "on $type"
    mount -t "$type" -o size=0 disk "$S/disk" || skip "cannot mount a $type"
    check_work
    umount "$S/disk"
done
