#!/bin/sh
# `fluxfs mount` without -f: returns when the tree can be used; `fluxfs umount` returns when
# everything is on disk and the daemon has gone. No terminal, no standard input, another directory.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
cd "$S"
for round in 1 2 3; do
    "$FLUXFS" mount store mnt </dev/null >"$LOG" 2>&1 || fail "mount in round $round"
    is_ready || fail "mount has returned before the tree can be used"
    echo "$round" >>mnt/rounds
    head -c 5000000 /dev/urandom >mnt/data
    cp mnt/data data
    "$FLUXFS" umount mnt || fail "umount in round $round"
    is_mounted && fail "still mounted"
    within 20 scratch_is_unused || fail "umount has returned before the daemon ended"
    check_store
    mount_fs
    same "$round" "$(tail -n 1 mnt/rounds)" "contents in round $round"
    cmp data mnt/data || fail "data of round $round differ"
    umount_fs
done

say "with standard input, output and error closed"
timeout "$WAIT_S_MAX" "$FLUXFS" mount store mnt <&- >&- 2>&- || fail "mount with closed descriptors"
is_ready || fail "mount has returned before the tree can be used"
same 3 "$(tail -n 1 mnt/rounds)" "contents"
"$FLUXFS" umount mnt <&- >&- 2>&- || fail "umount with closed descriptors"
within 20 scratch_is_unused || fail "umount has returned before the daemon ended"
check_store

say "plain umount and fusermount3, and a mount right after"
for round in 1 2 3; do
    "$FLUXFS" mount store mnt </dev/null >>"$LOG" 2>&1 || fail "mount right after an unmount"
    echo "plain $round" >>mnt/rounds
    if is_root; then
        umount mnt
    else
        fusermount3 -u mnt
    fi
done
mount_fs
same 6 "$(wc -l <mnt/rounds)" "lines after all rounds"
umount_fs
check_store
