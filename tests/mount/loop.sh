#!/bin/sh
# A loop device on a file in the mount, with a file system of its own: made, written, checked.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "a loop device"
need_command losetup mkfs.ext4 fsck.ext4
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"
LOOP=
test_cleanup() {
    umount "$S/inner" 2>/dev/null
    if [ -n "$LOOP" ]; then
        losetup -d "$LOOP" 2>/dev/null
    fi
}
mount_fs
truncate -s 200M "$MNT/image"
for direct in off on; do
    LOOP=$(losetup --find --show --direct-io="$direct" "$MNT/image" 2>"$S/losetup.err") || {
        LOOP=
        grep -qi "no such\|not permitted\|denied\|could not find" "$S/losetup.err" &&
            skip "no loop device can be set up: $(cat "$S/losetup.err")"
        fail "losetup: $(cat "$S/losetup.err")"
    }
    say "direct I/O $direct"
    mkfs.ext4 -q -F "$LOOP" || fail "mkfs.ext4"
    mkdir -p "$S/inner"
    mount -t ext4 "$LOOP" "$S/inner" || skip "this kernel mounts no ext4"
    sample_tar "$S/sample.tar" 500
    tar -x -f "$S/sample.tar" -C "$S/inner"
    sync -f "$S/inner"
    umount "$S/inner"
    fsck.ext4 -f -n "$LOOP" >"$S/fsck.ext4.out" 2>&1 || fail "fsck.ext4: $(cat "$S/fsck.ext4.out")"
    mount -t ext4 -o ro "$LOOP" "$S/inner"
    tar --compare -f "$S/sample.tar" -C "$S/inner" >"$S/compare" 2>&1 || fail "differs: $(head "$S/compare")"
    umount "$S/inner"
    losetup -d "$LOOP"
    LOOP=
done
remount_fs
fsck.ext4 -f -n "$MNT/image" >"$S/fsck.ext4.out" 2>&1 || fail "after a remount: $(cat "$S/fsck.ext4.out")"

say "what is discarded gives its room back"
LOOP=$(losetup --find --show "$MNT/image")
mount -t ext4 "$LOOP" "$S/inner"
head -c 8M /dev/urandom >"$S/inner/large"
sync -f "$S/inner"
before=$(stat -c %b "$MNT/image")
rm "$S/inner/large"
sync -f "$S/inner" # what is not committed cannot be trimmed
fstrim "$S/inner" || fail "fstrim"
umount "$S/inner"
losetup -d "$LOOP"
LOOP=
after=$(stat -c %b "$MNT/image")
# Less than 8 MiB: ext4 keeps writing its own blocks, and only whole ones of the image become holes.
[ "$after" -lt $((before - 8192)) ] || fail "of $before blocks the image keeps $after"
umount_fs
check_store
