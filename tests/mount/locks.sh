#!/bin/sh
# flock(2), POSIX and open-file-description locks: see lock_check.c.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command flock
mount_fs
"$HELPERS/lock_check" "$MNT/file" || fail "lock_check"

say "flock(1) excludes"
echo 0 >"$MNT/count"
add() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        flock "$MNT/lock" sh -c 'n=$(cat "$1"); echo $((n + 1)) >"$1"' add "$MNT/count"
    done
}
add &
first=$!
add &
second=$!
wait "$first"
wait "$second"
same 40 "$(cat "$MNT/count")" "two counters under one lock"
umount_fs
check_store
