#!/bin/sh
# A store on a medium that cannot be written: as it was left by a clean end, and by a daemon that was
# killed with a log to replay and a file that was deleted but open. Everything is read, nothing is
# written, not even an access time.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a read-only medium"

sums() {
    (cd "$MNT" && find . -type f -exec sha256sum {} + | sort)
}
# All that changing a store would change, its access times included. The names are known from
# before: a listing would be an access.
remember() { # remember STORE
    (cd "$1" && find . >"$S/names")
    (cd "$1" && xargs touch -a -d "2001-02-03" <"$S/names")
    (cd "$1" && xargs stat -c '%n %s %X %Y %Z %i' <"$S/names") >"$S/before"
}
unchanged() { # unchanged STORE
    (cd "$1" && xargs stat -c '%n %s %X %Y %Z %i' <"$S/names") >"$S/after"
    diff "$S/before" "$S/after" || fail "the store has changed"
    (cd "$1" && find . | diff "$S/names" -) || fail "the store has other files"
}
look() { # look STORE: all that can be done without writing
    STORE=$1
    mount_fs -o ro
    same text "$(cat "$MNT/s")" "contents"
    sums >"$S/found"
    cmp "$S/sums.$kind" "$S/found" || fail "contents differ"
    refused "read-only" touch "$MNT/new"
    refused "read-only" rm "$MNT/d/f"
    stat -f "$MNT" >/dev/null || fail "statfs"
    # Two readers do no harm to each other.
    "$FLUXFS" ls "$STORE" / | grep -q large || fail "fluxfs ls of a store that is mounted read-only"
    umount_fs
    same text "$("$FLUXFS" cat "$STORE" /d/f)" "fluxfs cat"
    "$FLUXFS" stat "$STORE" >/dev/null || fail "fluxfs stat"
    "$FLUXFS" dump "$STORE" >/dev/null || fail "fluxfs dump"
    check_store
}
look_at_medium() {
    refused "read-only" "$FLUXFS" mount "$1" "$MNT"
    look "$1"
}

say "made on a disk"
mount_fs
mkdir "$MNT/d"
echo text >"$MNT/d/f"
ln -s d/f "$MNT/s"
head -c 3000000 /dev/urandom >"$MNT/large"
for i in $(seq 300); do
    echo "$i" >"$MNT/d/n$i"
done
sums >"$S/sums.clean"
umount_fs
cp -a "$STORE" "$S/clean"
mount_fs
echo later >"$MNT/d/later"
rm "$MNT/d/n7"
echo orphan >"$MNT/orphan"
exec 9<"$MNT/orphan"
rm "$MNT/orphan"
sums >"$S/sums.killed"
kill_daemon
exec 9<&-
unmount_by_force "$MNT"
cp -a "$STORE" "$S/killed"
rm -r "$STORE"

for kind in clean killed; do
    say "$kind: a writable disk, mounted with ro"
    remember "$S/$kind"
    look "$S/$kind"
    unchanged "$S/$kind"

    say "$kind: a disk that is mounted read-only"
    mkdir "$S/bind.$kind"
    remember "$S/$kind"
    mount --bind "$S/$kind" "$S/bind.$kind"
    mount -o remount,ro,bind "$S/bind.$kind"
    look_at_medium "$S/bind.$kind"
    umount "$S/bind.$kind"
    unchanged "$S/$kind"

    if ! command -v mksquashfs >/dev/null || ! grep -qw squashfs /proc/filesystems; then
        say "$kind: there is no squashfs here"
        continue
    fi
    say "$kind: a squashfs"
    mksquashfs "$S/$kind" "$S/$kind.sqfs" -quiet -no-progress >/dev/null
    mkdir "$S/squash.$kind"
    if ! mount -t squashfs -o loop,ro "$S/$kind.sqfs" "$S/squash.$kind"; then
        say "$kind: a squashfs cannot be mounted here"
        continue
    fi
    look_at_medium "$S/squash.$kind"
    umount "$S/squash.$kind"
done

say "what was killed is recovered for good when it can be written"
STORE=$S/killed
mount_fs
sums >"$S/found"
cmp "$S/sums.killed" "$S/found" || fail "contents differ"
umount_fs
check_store
