#!/bin/sh
# mount(8) and umount(8), with everything that they hand to helpers: names with blanks, fstab, flags,
# relative paths, symlinks; and what must be refused.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to call mount(8)"
need_command findmnt
make_helpers mount.fuse.fluxfs mount.fluxfs umount.fuse.fluxfs
mounted() { # mounted DIR: findmnt knows it, with its store
    same fuse.fluxfs "$(findmnt -n -o FSTYPE "$1")" "the type that findmnt tells of $1"
    same "$2" "$(findmnt -n -o SOURCE "$1")" "the source that findmnt tells of $1"
}
unmount() {
    umount "$@" || fail "umount $*"
    within 20 scratch_is_unused || fail "umount $* has left the daemon"
}

say "both types"
for type in fluxfs fuse.fluxfs; do
    mount -t "$type" "$STORE" "$MNT" || fail "mount -t $type"
    mounted "$MNT" "$STORE"
    echo "$type" >"$MNT/$type"
    unmount "$MNT"
done
say "umount by a store that is a directory is no work of umount(8)"
mount -t fluxfs "$STORE" "$MNT"
umount "$STORE" 2>/dev/null && fail "umount(8) has learnt it: say so in mount.fluxfs(8)"
mounted "$MNT" "$STORE"
"$FLUXFS" umount "$STORE" || fail "fluxfs umount STORE"
say "flags for helpers"
mount -v -n -s -t fluxfs -o rw,_netdev,x-mount.mkdir,x-other=1 "$STORE" "$S/made" || fail "mount with flags"
mounted "$S/made" "$STORE"
unmount -v -n "$S/made"
mount -f -t fluxfs "$STORE" "$MNT" || fail "mount -f"
is_mounted && fail "a fake mount has mounted"
mount -r -t fluxfs "$STORE" "$MNT" || fail "mount -r"
refused "read-only" touch "$MNT/new"
unmount "$MNT"

say "where umount(8) calls the helper, it waits for the daemon"
for how in "-c $MNT" "mnt"; do
    mount -t fluxfs "$STORE" "$MNT"
    head -c 5000000 /dev/urandom >"$MNT/data"
    # shellcheck disable=SC2086 # an option and a name
    (cd "$S" && umount $how) || fail "umount $how"
    check_store # which is refused while the daemon has it
    within 20 scratch_is_unused || fail "umount $how has left the daemon"
done
say "umount -l, and a mount that shows in two places"
mount -t fluxfs "$STORE" "$MNT"
exec 9<"$MNT/fluxfs"
refused "busy" umount "$MNT"
refused "in use" umount -c "$MNT"
umount -l "$MNT" || fail "umount -l"
is_mounted && fail "still mounted after umount -l"
exec 9<&-
within 20 scratch_is_unused || fail "the daemon was left"
mount -t fluxfs "$STORE" "$MNT"
mkdir "$S/second"
mount --bind "$MNT" "$S/second"
umount "$S/second" || fail "umount of a bind mount"
same fluxfs "$(cat "$MNT/fluxfs")" "the mount after its bind mount went"
unmount "$MNT"

say "umount -f leaves a living mount that is in use alone"
mount -t fluxfs "$STORE" "$MNT"
exec 9<"$MNT/fluxfs"
refused "in use" "$FLUXFS" umount -f "$MNT"
same fluxfs "$(cat <&9)" "a file that was open"
exec 9<&-
"$FLUXFS" umount -f "$MNT" || fail "umount -f when nobody uses it"
check_store

say "umount by the store leaves what is mounted over it alone"
mount -t fluxfs "$STORE" "$MNT"
mount -t tmpfs over "$MNT"
refused "mounted over" "$FLUXFS" umount "$STORE"
same over "$(awk -v dir="$MNT" '$2 == dir { print $1 }' /proc/self/mounts | tail -n 1)" "what is on top"
umount "$MNT"
same fluxfs "$(cat "$MNT/fluxfs")" "the mount below"
"$FLUXFS" umount "$STORE" || fail "umount by the store"
check_store

say "umount -f breaks the connection of a daemon that hangs"
mount_fs
exec 9<"$MNT/fluxfs"
kill -STOP "$DAEMON"
refused "in use" "$FLUXFS" umount -f "$MNT"
refused "not connected" stat -f "$MNT"
exec 9<&-
kill -CONT "$DAEMON"
"$FLUXFS" umount "$MNT" || fail "umount of a mount whose connection is broken"
wait "$DAEMON" || :
DAEMON=
check_store

say "what was written through a bind mount is on disk when that is unmounted"
mount_fs -o debug,commit=3600
mount --bind "$MNT" "$S/second"
echo bound >"$S/second/bound"
: >"$LOG"
"$FLUXFS" umount "$S/second" || fail "umount of a bind mount"
grep -qi fsyncdir "$LOG" || fail "umount of a bind mount has not synced"
umount_fs

say "a stale mount elsewhere is not the same mount"
mount_fs
mount --bind "$MNT" "$S/second"
kill_daemon
"$FLUXFS" umount -f "$MNT" 2>"$S/words" || fail "umount of a mount without a daemon"
grep -q "elsewhere" "$S/words" || fail "it does not tell of the bind mount"
"$FLUXFS" mount "$STORE" "$MNT"
head -c 5000000 /dev/urandom >"$MNT/data"
"$FLUXFS" umount "$MNT" 2>"$S/words" || fail "umount beside a stale mount"
grep "elsewhere" "$S/words" && fail "it takes the stale mount for its own"
check_store # which is refused while the daemon has it
"$FLUXFS" umount "$S/second" || fail "umount of the stale mount"

say "blanks and other letters in names, by fstab"
odd="$S/a store, with ünïcode"
mkdir "$S/mnt with blank" "$odd dir"
cat >"$S/fstab" <<END
$(echo "$odd" | sed 's/ /\\040/g') $(echo "$S/mnt with blank" | sed 's/ /\\040/g') fuse.fluxfs defaults,noatime,nofail 0 0
$STORE $MNT fluxfs ro,x-systemd.requires=/ 0 0
$S/never $S/second fluxfs noauto 0 0
END
mount -a -T "$S/fstab" || fail "mount -a"
mounted "$S/mnt with blank" "$odd"
mounted "$MNT" "$STORE"
[ ! -e "$S/never" ] || fail "mount -a has mounted what is noauto"
refused "read-only" touch "$MNT/new"
echo odd >"$S/mnt with blank/file"
mount -a -T "$S/fstab" || fail "a second mount -a"
same 2 "$(findmnt -n -r -t fuse.fluxfs -o TARGET | grep -c "^$S")" "mounts after a second mount -a"
umount "$S/mnt with blank" || fail "umount of a name with blanks"
unmount "$MNT"
"$FLUXFS" mount "$odd" "$odd dir" || fail "mount on a directory with blanks"
same odd "$(cat "$odd dir/file")" "contents"
"$FLUXFS" umount "$odd" || fail "umount by the store's name"

say "relative paths, slashes, symlinks"
ln -s mnt "$S/link"
ln -s store "$S/storelink"
cd "$S"
mount -t fluxfs store mnt || fail "relative paths"
mounted "$MNT" "$STORE"
unmount mnt
"$FLUXFS" mount ./store/ ./mnt/// || fail "slashes"
mounted "$MNT" "$STORE"
"$FLUXFS" umount ./mnt/ || fail "umount with a slash"
"$FLUXFS" mount storelink link || fail "symlinks"
mounted "$MNT" "$STORE"
"$FLUXFS" umount link || fail "umount by a symlink"
(cd mnt && "$FLUXFS" mount ../store . && cd .. && "$FLUXFS" umount mnt) || fail "mount on ."

say "what is refused"
touch "$MNT/precious"
refused "not empty.*nonempty" mount -t fluxfs "$STORE" "$MNT"
mount -t fluxfs -o nonempty "$STORE" "$MNT" || fail "nonempty"
[ ! -e "$MNT/precious" ] || fail "what nonempty hides is seen"
refused "already" "$FLUXFS" mount "$S/another" "$MNT" -o nonempty
refused "in use by process [0-9]" "$FLUXFS" mount "$STORE" "$S/second"
unmount "$MNT"
rm "$MNT/precious" || fail "what nonempty has hidden is gone"
mkdir "$S/outer" "$STORE/dir"
refused "inside" "$FLUXFS" mount "$STORE" "$STORE/dir"
refused "inside" "$FLUXFS" mount "$STORE" "$STORE"
refused "inside" "$FLUXFS" mount "$S/outer/inner" "$S/outer"
ln -s "$STORE" "$S/sly"
refused "inside" "$FLUXFS" mount "$STORE" "$S/sly/dir"
rmdir "$STORE/dir"
cd /
check_store
