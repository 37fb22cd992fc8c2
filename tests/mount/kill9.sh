#!/bin/sh
# The daemon is killed with SIGKILL at different moments of its work, again and again. Each time it
# must mount again over the stale mount point, every file that was complete, fsynced or only closed,
# must be whole, and fsck must find nothing. The moments come from a seed, which is printed; KILL9_SEED repeats one.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
rounds=20
count=1000
if [ -n "$SANITIZED" ]; then
    rounds=6
    count=500
fi
: "${KILL9_SEED:=$(date +%s)}"
say "KILL9_SEED=$KILL9_SEED"
sample_tar "$S/sample.tar" "$count"
mkdir "$S/host"
tar -C "$S/host" -xpf "$S/sample.tar"

ms() {
    date +%s%3N
}
mount_fs
begin=$(ms)
tar -C "$MNT" -xf "$S/sample.tar"
unpack_ms=$(($(ms) - begin))
say "one unpack takes $unpack_ms ms"
rm -rf "${MNT:?}"/*

test_cleanup() {
    for pid in $unpacker $writer; do
        kill "$pid" 2>/dev/null
    done
}
unpacker=
writer=

logged_count=0
# fsync_writer logs a file once it is complete, to $S/log.ROUND outside the mount.
check_logged() {
    find "$S" -maxdepth 1 -name 'log.*' -exec cat {} + >"$S/logged"
    logged_count=$((logged_count + $(wc -l <"$S/logged")))
    "$HELPERS/fsync_writer" verify "$MNT/logged" <"$S/logged" || fail "a file that was complete is not whole"
}

round=0
random=$((KILL9_SEED % 65536))
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    # A step of a linear congruential generator: up to 1.2 times the time of an unpack.
    random=$(((random * 25173 + 13849) % 65536))
    wait_ms=$((random * unpack_ms * 12 / 655360))
    mkdir -p "$MNT/tree" "$MNT/logged"
    tar -C "$MNT/tree" -xf "$S/sample.tar" 2>/dev/null &
    unpacker=$!
    "$HELPERS/fsync_writer" write "$MNT/logged" "$round" >"$S/log.$round" 2>/dev/null &
    writer=$!
    sleep "$(awk -v ms="$wait_ms" 'BEGIN { printf "%.3f", ms / 1000 }')"
    kill_daemon
    wait "$unpacker" || :
    wait "$writer" || :
    unpacker=
    writer=
    is_mounted || fail "no stale mount point to mount over"
    begin=$(ms)
    mount_fs
    mount_ms=$(($(ms) - begin))
    check_logged
    files=$(find "$MNT" -type f -printf x | wc -c)
    # Whatever was unpacked must be readable.
    find "$MNT/tree" -type f -exec cat {} + >/dev/null || fail "a file cannot be read"
    say "round $round: killed after $wait_ms ms, mounted in $mount_ms ms, $files files, $(wc -l <"$S/logged") of them logged"
    [ -n "$SANITIZED" ] || [ "$mount_ms" -lt 10000 ] || fail "mounting took $mount_ms ms"
    if [ $((round % 3)) -eq 0 ]; then
        rm -rf "$MNT/tree"
    fi
    if [ $((round % 5)) -eq 0 ]; then
        rm -rf "$MNT/logged"
        rm "$S"/log.*
    fi
    umount_fs
    check_store
    mount_fs
done
[ "$logged_count" -gt 0 ] || fail "no file was ever logged: the test has tested nothing"

say "everything once more, whole"
rm -rf "$MNT/tree"
mkdir "$MNT/tree"
tar -C "$MNT/tree" -xpf "$S/sample.tar"
diff -r --no-dereference "$S/host" "$MNT/tree" || fail "the last unpack differs"
check_logged
umount_fs
check_store
