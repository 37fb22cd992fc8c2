#!/bin/sh
# The kernel's requests through io_uring, which root has to allow for all mounts of the machine. For
# that time other mounts use it as well, so this test runs alone.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to allow io_uring"
need_command getfattr fsfreeze mkfs.ext4
switch=/sys/module/fuse/parameters/enable_uring
[ -w "$switch" ] || skip "the kernel has no FUSE over io_uring"
allowed=$(cat "$switch")
frozen=
waiting=
test_cleanup() {
    echo "$allowed" >"$switch"
    if [ -n "$frozen" ]; then
        fsfreeze -u "$S/disk"
    fi
    for pid in $waiting; do
        wait "$pid"
    done
}
through() {
    getfattr --absolute-names --only-values -n system.fluxfs.transport "$MNT"
}
cpu_ticks() {
    awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"
}

say "not allowed, or not wanted: /dev/fuse"
echo N >"$switch"
mount_fs
same /dev/fuse "$(through)" "the way of requests"
umount_fs
echo Y >"$switch"
mount_fs -o no_io_uring
same /dev/fuse "$(through)" "the way of requests with no_io_uring"
umount_fs

say "allowed"
mount_fs
same io_uring "$(through)" "the way of requests"
"$FLUXFS" stat "$MNT" | grep -q 'requests through: *io_uring' || fail "fluxfs stat does not tell the way"

say "a tree, a large file, long names and lists, all kinds of requests"
sample_tar "$S/sample.tar" 300
mkdir "$S/host"
tar -C "$S/host" -xpf "$S/sample.tar"
mkdir "$MNT/tree"
tar -C "$MNT/tree" -xpf "$S/sample.tar" || fail "unpacking"
head -c 20000000 /dev/urandom >"$S/large"
dd if="$S/large" of="$MNT/large" bs=4M 2>/dev/null || fail "writing"
long=$(printf '%255s' '' | tr ' ' n)
echo long >"$MNT/$long"
ln -s "$(printf '%4000s' '' | tr ' ' t)" "$MNT/link"
setfattr -n user.big -v "$(head -c 60000 /dev/zero | tr '\0' v)" "$MNT/large"
mkdir "$MNT/many" "$MNT/clients"
(cd "$MNT/many" && seq 5000 | xargs touch)
mv "$MNT/many/1" "$MNT/many/one"
ln "$MNT/many/2" "$MNT/many/two"
rm "$MNT/many/3"
"$HELPERS/many" clients "$MNT/clients" 16 30 || fail "many clients"
refused "not empty" rmdir "$MNT/many"
looks_right() {
    diff -r --no-dereference "$S/host" "$MNT/tree" || fail "the tree differs"
    cmp "$S/large" "$MNT/large" || fail "the large file differs"
    same long "$(cat "$MNT/$long")" "the file with the longest name"
    same 4000 "$(readlink "$MNT/link" | tr -d '\n' | wc -c)" "bytes of the symlink's target"
    same 60000 "$(getfattr --absolute-names --only-values -n user.big "$MNT/large" | wc -c)" \
        "bytes of the attribute"
    same 5000 "$(find "$MNT/many" -maxdepth 1 -type f | wc -l)" "files in the large directory"
}
looks_right
remount_fs
same io_uring "$(through)" "the way of requests"
looks_right

say "idle it takes no processor time"
ticks=$(cpu_ticks)
sleep 2
[ "$(($(cpu_ticks) - ticks))" -le 2 ] || fail "an idle mount takes processor time"

say "the end: SIGTERM, and a daemon that is killed"
kill -TERM "$DAEMON"
wait_daemon
is_mounted && fail "mounted after SIGTERM"
mount_fs
looks_right
kill_daemon
"$FLUXFS" umount "$MNT" 2>>"$LOG" || fail "unmounting what a killed daemon has left"
check_store
mount_fs
looks_right
umount_fs
check_store

say "requests that wait for a disk keep no others waiting"
truncate -s 256M "$S/image"
mkfs.ext4 -q -F "$S/image"
mkdir "$S/disk"
mount -t ext4 -o loop "$S/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
mount_fs -o commit=3600
mkdir "$MNT/1" "$MNT/2" "$MNT/3" "$MNT/4"
echo there >"$MNT/there"
sync "$MNT/there"
fsfreeze -f "$S/disk" || skip "cannot freeze an ext4"
frozen=yes
for i in 1 2 3 4; do
    (echo late >"$MNT/$i/new" && sync "$MNT/$i/new") &
    waiting="$waiting $!"
done
# Names that the kernel has not asked for yet.
for i in $(seq 50); do
    timeout 20 test -e "$MNT/absent.$i" && fail "a name that is not there"
    [ "$?" -le 1 ] || fail "a look-up waits behind a write that waits for a disk"
done
fsfreeze -u "$S/disk"
frozen=
for pid in $waiting; do
    wait "$pid" || fail "a writer has failed"
done
waiting=
umount_fs
check_store
umount "$S/disk"
