#!/bin/sh
# SIGTERM, SIGINT and SIGHUP end the daemon in order: everything is written, the mount has gone, the
# exit status is 0.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
# A shell starts its background commands with SIGINT ignored; HUP and TERM are what services get.
for signal in TERM HUP; do
    mount_fs
    echo "$signal" >"$MNT/$signal"
    kill "-$signal" "$DAEMON"
    wait_daemon
    if is_mounted; then
        fail "still mounted after SIG$signal"
    fi
    check_store
    mount_fs
    same "$signal" "$(cat "$MNT/$signal")" "contents after SIG$signal"
    umount_fs
done
check_store
