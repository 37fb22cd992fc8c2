#!/bin/sh
# `fluxfs umount` returns when everything is on disk, however long that takes, and says for whom it
# waits; it does not wait for a daemon that has died. What a dead daemon leaves is cleaned up by the
# next mount or umount.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to freeze a disk of its own"
need_command mkfs.ext4 fsfreeze
truncate -s 256M "$S/image"
mkfs.ext4 -q -F "$S/image"
mkdir "$S/disk"
mount -t ext4 -o loop "$S/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
frozen=
waiting=
test_cleanup() {
    if [ -n "$frozen" ]; then
        fsfreeze -u "$S/disk"
    fi
    if [ -n "$DAEMON" ]; then
        kill -CONT "$DAEMON" 2>/dev/null
    fi
    if [ -n "$waiting" ]; then
        wait "$waiting"
    fi
}
begin_umount() {
    "$FLUXFS" umount "$MNT" 2>"$S/words" &
    waiting=$!
    within 60 grep -q "waiting for process $DAEMON" "$S/words" || fail "umount does not say for whom it waits: $(cat "$S/words")"
    kill -0 "$waiting" || fail "umount has returned"
}
end_umount() {
    umount_status=0
    wait "$waiting" || umount_status=$?
    waiting=
    same 0 "$umount_status" "exit status of umount"
    is_mounted && fail "still mounted"
    return 0
}

say "a disk that stands still"
mount_fs -o commit=3600
head -c 3000000 /dev/urandom >"$S/data"
cp "$S/data" "$MNT/data"
fsfreeze -f "$S/disk" || skip "cannot freeze an ext4"
frozen=yes
begin_umount
kill -0 "$DAEMON" || fail "the daemon has ended while the disk stands still"
fsfreeze -u "$S/disk"
frozen=
end_umount
wait_daemon
"$HELPERS/shutdown_disk" "$S/disk" || fail "the disk does not stop"
umount "$S/disk"
cp --sparse=always "$S/image" "$S/image.new"
rm "$S/image"
mv "$S/image.new" "$S/image"
mount -t ext4 -o loop "$S/image" "$S/disk" || fail "the disk cannot be mounted again"
check_store
mount_fs
cmp "$S/data" "$MNT/data" || fail "umount has returned before everything was on disk"

say "a daemon that stands still, and is killed"
kill -STOP "$DAEMON"
begin_umount
kill_daemon
end_umount

say "what a dead daemon leaves: the next mount"
mount_fs
kill_daemon
is_mounted || fail "the mount of a dead daemon has gone by itself"
mount_fs
grep -q "unmounted what a dead daemon left" "$LOG" || fail "not told"
same 1 "$(grep -c " $MNT " /proc/self/mounts)" "mounts on the mount point"
cmp "$S/data" "$MNT/data" || fail "contents after a dead daemon"

say "and umount"
kill_daemon
timeout "$WAIT_S_MAX" "$FLUXFS" umount "$MNT" || fail "umount of the mount of a dead daemon"
is_mounted && fail "still mounted"
check_store
umount "$S/disk"
