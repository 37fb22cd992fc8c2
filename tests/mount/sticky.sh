#!/bin/sh
# A sync that fails makes the store read-only, and everybody can see it: the daemon's log, `fluxfs
# stat`, and programs, which get an error from then on, while what was there can be read. The store
# lies on an ext4 of its own, which is stopped as if its device had gone.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a disk of its own"
need_command mkfs.ext4
truncate -s 256M "$S/image"
mkfs.ext4 -q -F "$S/image"
mkdir "$S/disk"
mount -t ext4 -o loop "$S/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
mount_fs -o commit=3600
cd "$MNT"
echo synced >synced
sync synced
"$FLUXFS" stat "$MNT" >"$S/stat" || fail "stat"
grep -qi "read only after" "$S/stat" && fail "a failure is told before there is one"
"$FLUXFS" stat --json "$MNT" >"$S/stat" || fail "stat --json"
grep -q '"read_only_after": ""' "$S/stat" || fail "stat --json does not tell that there was no failure"
echo unsynced >unsynced

say "the disk goes"
"$HELPERS/shutdown_disk" "$S/disk" || fail "the disk does not stop"
refused "read-only file system\|input/output error" sync unsynced
grep -q "the store is read-only from now on: .*sync failed.*$STORE" "$LOG" || fail "not in the log: $(cat "$LOG")"
same synced "$(cat synced)" "what was written before"
refused "read-only file system\|input/output error" mkdir dir
refused "read-only file system\|i/o error" sh -c 'echo more >>synced' # dash says so of any error
refused "read-only file system\|input/output error" rm synced
refused "read-only file system\|input/output error" sync synced
is_ready || fail "the mount does not answer any more"
cd /
# What the daemon alone can know must be told, though the store's files cannot be looked at.
"$FLUXFS" stat "$MNT" >"$S/stat" 2>&1 || :
grep -qi "read only after.*sync failed.*$STORE" "$S/stat" || fail "not in fluxfs stat: $(cat "$S/stat")"
"$FLUXFS" stat --json "$MNT" >"$S/stat" 2>&1 || :
grep -q '"read_only_after": ".*sync failed' "$S/stat" || fail "not in fluxfs stat --json: $(cat "$S/stat")"
same 1 "$(grep -c "read-only from now on" "$LOG")" "lines of the log about it"

say "the daemon ends with a status that says so"
timeout "$WAIT_S_MAX" "$FLUXFS" umount "$MNT" 2>>"$LOG" || :
is_mounted && fail "still mounted"
status=0
wait "$DAEMON" || status=$?
DAEMON=
[ "$status" -ne 0 ] || fail "the daemon ends as if all were well"
umount "$S/disk" || fail "the stopped disk cannot be unmounted"
cp --sparse=always "$S/image" "$S/image.new"
rm "$S/image"
mv "$S/image.new" "$S/image"
mount -t ext4 -o loop "$S/image" "$S/disk" || fail "the disk cannot be mounted again"
check_store
mount_fs
same synced "$(cat "$MNT/synced")" "what was synced"
mkdir "$MNT/dir" || fail "not writable after a new mount"
"$FLUXFS" stat "$MNT" >"$S/stat" || fail "stat"
grep -qi "read only after" "$S/stat" && fail "a failure is told after a new mount"
umount_fs
check_store
umount "$S/disk"
