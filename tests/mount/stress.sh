#!/bin/sh
# Other people's stress tests, as Debian packages them, shortly: stress-ng with --verify, fio with
# checksums of everything it writes, dbench. STRESS_SECONDS is the time for each part (4).
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command stress-ng fio dbench
: "${STRESS_SECONDS:=4}"
mount_fs
mkdir "$MNT/stress" "$MNT/fio" "$MNT/dbench"

# What --verify finds shows only in the output; the status alone is not enough for all stressors.
say "stress-ng"
# Not getdent: it walks through /tmp and other tests' mounts, which are then in use or have been read.
set --
for stressor in chdir chmod chown dentry dir fallocate fcntl fpunch hdd link \
    mknod mmap msync open rename revio seek symlink touch utime xattr; do
    set -- "$@" "--$stressor" 1
done
# In its own directory: a killed stressor may leave files.
(cd "$MNT/stress" && stress-ng "$@" --hdd-bytes 8M --fallocate-bytes 8M --seek-size 8M \
    --timeout "$STRESS_SECONDS" --verify --temp-path "$MNT/stress" --metrics-brief) >"$S/stress.out" 2>&1 || {
    cat "$S/stress.out" >&2
    fail "stress-ng"
}
if grep -E 'fail:|error:' "$S/stress.out" >&2; then
    fail "stress-ng has found something"
fi

fio_verified() { # fio_verified NAME ARG...
    fio_name=$1
    shift
    fio --directory="$MNT/fio" --name="$fio_name" --size=24M --verify=xxhash --do_verify=1 \
        --verify_fatal=1 --verify_state_save=0 --runtime="$STRESS_SECONDS" --output="$S/fio.out" "$@" || {
        cat "$S/fio.out" >&2
        fail "fio $fio_name"
    }
}
say "fio"
fio_verified random --rw=randwrite --bsrange=512-128k --bs_unaligned --numjobs=2
fio_verified mapped --rw=randwrite --bs=4k --ioengine=mmap
fio_verified direct --rw=randwrite --bs=4k --direct=1 --iodepth=16 --ioengine=libaio
fio_verified mixed --rw=randrw --bssplit=4k/40:64k/40:1m/20 --fsync=16 --fallocate=none

say "dbench"
loadfile=/usr/share/dbench/client.txt
[ -e "$loadfile" ] || skip "there is no $loadfile"
timeout 120 dbench -c "$loadfile" -D "$MNT/dbench" -t "$STRESS_SECONDS" 4 >"$S/dbench.out" 2>&1 || {
    tail -n 20 "$S/dbench.out" >&2
    fail "dbench"
}
grep '^Throughput' "$S/dbench.out" || fail "dbench has not ended"

remount_fs
find "$MNT/fio" -type f -exec cat {} + >/dev/null || fail "a file cannot be read"
umount_fs
check_store
