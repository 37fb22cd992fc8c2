#!/bin/sh
# Requests that take too long are told in the daemon's log, once each, with what they wait for, and
# again when they have ended; also when no other request comes. The store's disk is an ext4 that is
# frozen: what would write to it waits until it is thawed.
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
LOG=$S/log
: >"$LOG"
frozen=
writer=
second=
test_cleanup() {
    if [ -n "$frozen" ]; then
        fsfreeze -u "$S/disk"
    fi
    for pid in $writer $second; do
        wait "$pid"
    done
}
told() { # told TEXT: lines of the log
    grep -c -e "$1" "$LOG" || :
}
is_told() {
    [ "$(told "$1")" -ge 1 ]
}

FLUXFS_SLOW_REQUEST_MS=500
export FLUXFS_SLOW_REQUEST_MS
mount_fs -o commit=3600
mkdir "$MNT/dir"
echo quick >"$MNT/file"
sync "$MNT/file"
same 0 "$(told 'slow:')" "requests told as slow on a disk that is not"

# Open, or who drops caches could have the kernel look for the directory again, behind the first write.
exec 9<"$MNT/dir"

say "a disk that stands still"
fsfreeze -f "$S/disk" || skip "cannot freeze an ext4"
frozen=yes
(echo late >"$MNT/new") &
writer=$!
within 30 is_told "slow: [A-Z]* of inode 1 takes .* waits for .*disk" || fail "a request that waits for the disk is not told"
# A second one, behind the first, in another directory: the kernel lets one at a time into each.
(echo late >/proc/self/fd/9/other) &
second=$!
both_are_told() {
    [ "$(told 'slow: .* so far')" -ge 2 ]
}
within 30 both_are_told || fail "the second slow request is not told"
same 2 "$(told 'slow: .* so far')" "lines about two slow requests"
is_told "slow: .* waits for another write" || fail "what the second one waits for is not told"
same 0 "$(told 'slow: .* has ended')" "requests that have ended while the disk stands still"
is_mounted || fail "the mount has gone"

say "it goes on"
fsfreeze -u "$S/disk"
frozen=
wait "$writer" || fail "the first writer has failed"
writer=
wait "$second" || fail "the second writer has failed"
second=
same late "$(cat "$MNT/new")" "what was written meanwhile"
begun=$(told 'slow: .* so far')
ended=$(told 'slow: .* has ended after')
same "$begun" "$ended" "lines about the end of slow requests"
exec 9<&-
umount_fs
check_store
umount "$S/disk"
