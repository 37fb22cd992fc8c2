#!/bin/sh
# Two writers and two readers at once: see two_writers.c. SECONDS_MAX says for how long.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${SECONDS_MAX:=}"
if [ -z "$SECONDS_MAX" ]; then
    case $SANITIZED in
    *thread*) SECONDS_MAX=20 ;;
    *) SECONDS_MAX=10 ;;
    esac
fi
mount_fs
mkdir "$MNT/work"
"$HELPERS/two_writers" "$MNT/work" "$SECONDS_MAX" || fail "two writers and two readers"
"$HELPERS/two_writers" "$MNT/work" verify || fail "a file is not whole afterwards"
remount_fs
"$HELPERS/two_writers" "$MNT/work" verify || fail "a file is not whole after a remount"
umount_fs
check_store
