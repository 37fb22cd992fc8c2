#!/bin/sh
# However many changes wait, what needs no disk and no room is answered: names that the kernel does
# not know, attributes, contents, listings. First the store's disk is an ext4 that is frozen, then
# one that is full, where what was deleted gives nothing back, so that writers wait for room.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to make disks of its own"
need_command mkfs.ext4 fsfreeze
WRITERS=40
frozen=
writers=
test_cleanup() {
    if [ -n "$frozen" ]; then
        fsfreeze -u "$S/disk"
    fi
    rm -rf "$S/disk/filler"
    for pid in $writers; do
        wait "$pid"
    done
}
make_files() {
    mkdir "$MNT/dir" "$MNT/written"
    for i in $(seq "$WRITERS"); do
        echo "$i" >"$MNT/dir/$i"
        echo early >"$MNT/written/$i"
    done
    mkdir "$MNT/dir/empty"
}
start_writers() { # start_writers BYTES
    writers=
    for i in $(seq "$WRITERS"); do
        head -c "$1" /dev/urandom >>"$MNT/written/$i" 2>/dev/null &
        writers="$writers $!"
    done
}
writers_alive() {
    alive_count=0
    for pid in $writers; do
        if kill -0 "$pid" 2>/dev/null; then
            alive_count=$((alive_count + 1))
        fi
    done
    echo "$alive_count"
}
writes_told() {
    grep -c 'slow: WRITE .* so far' "$LOG" || :
}
workers_wait() {
    [ "$(writes_told)" -ge 16 ]
}
# Within a second or so each; a timeout shows only that somebody waits.
check_reads() { # check_reads NUMBER
    timeout 20 stat "$MNT/dir/$1" >"$S/out" || fail "a name that was not known is not answered for"
    same "$1" "$(timeout 20 cat "$MNT/dir/$1")" "contents that were not known"
    timeout 20 ls -l "$MNT/dir" >"$S/out" || fail "a listing is not answered"
    timeout 20 stat -f "$MNT" >"$S/out" || fail "statfs is not answered"
    refused "no such file" timeout 20 stat "$MNT/dir/missing$1"
}

FLUXFS_SLOW_REQUEST_MS=500
export FLUXFS_SLOW_REQUEST_MS
mkdir "$S/disk"
truncate -s 256M "$S/image"
mkfs.ext4 -q -F "$S/image"
mount -t ext4 -o loop "$S/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
mount_fs -o commit=3600
make_files
remount_fs -o commit=3600

say "a disk that stands still"
fsfreeze -f "$S/disk" || skip "cannot freeze an ext4"
frozen=yes
start_writers 100
within 60 workers_wait || fail "the writers do not wait: $(writes_told) are told"
check_reads 1
same "$WRITERS" "$(writers_alive)" "writers that wait"
fsfreeze -u "$S/disk"
frozen=
for pid in $writers; do
    wait "$pid" || fail "a writer has failed"
done
writers=
for i in $(seq "$WRITERS"); do
    same 106 "$(stat -c %s "$MNT/written/$i")" "length of what was written meanwhile"
done
umount_fs
check_store
umount "$S/disk"
: >"$LOG"

say "a full disk"
mount -t tmpfs -o size=256m,nr_inodes=1000 tmpfs "$S/disk" || skip "cannot mount a tmpfs"
mount_fs
make_files
head -c 1048576 /dev/urandom >"$S/piece"
for i in $(seq 400); do
    dd if="$S/piece" of="$MNT/a.$i" bs=128k status=none 2>"$S/full.err" || break
    head -c 100 /dev/urandom >>"$S/piece"
done
grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
# Without a file more what was deleted cannot be flushed, and so gives no room back.
mkdir "$S/disk/filler"
for i in $(seq 1000); do
    (: >"$S/disk/filler/$i") 2>/dev/null || break
done
[ "$i" -lt 1000 ] || fail "the disk takes any number of files"
echo 3 >/proc/sys/vm/drop_caches
rm "$MNT/a.1" || fail "rm on a full disk"
start_writers 100000
within 60 workers_wait || fail "the writers do not wait for room: $(writes_told) are told, $(writers_alive) writers are left"
timeout 20 stat "$MNT/dir/3" >"$S/out" || fail "a name that was not known is not answered for"
rm "$MNT/a.2" || fail "rm while writers wait"
# They give up after ten seconds.
[ "$(writers_alive)" -gt 16 ] || fail "only $(writers_alive) writers wait still, so nothing was shown"
check_reads 2
rm -r "$S/disk/filler"
for pid in $writers; do
    wait "$pid" || :
done
writers=
rm -r "$MNT"/a.*
umount_fs
check_store
umount "$S/disk"
