#!/bin/sh
# The first mount makes the store. One that is killed in the middle of that leaves something that the
# next one goes on from; what is no such beginning is refused, and left as it is.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount

check_new() {
    mount_fs
    echo new >"$MNT/file" || fail "$1: writing"
    umount_fs
    check_store
}

say "an empty directory, and one with a lock"
mkdir "$STORE"
check_new "empty"
rm -rf "$STORE"
mkdir "$STORE"
: >"$STORE/LOCK"
check_new "only a lock"

say "killed while making the store"
begun=0
for ms in 002 004 006 008 010 012 015 020 030 050; do
    for round in 1 2; do
        rm -rf "$STORE"
        "$FLUXFS" mount -f "$STORE" "$MNT" </dev/null >>"$LOG" 2>&1 &
        DAEMON=$!
        sleep "0.$ms"
        kill_daemon
        unmount_below
        [ -e "$STORE/SUPERBLOCK" ] || begun=$((begun + 1))
        check_new "killed after $ms ms, round $round"
    done
done
say "$begun times there was no superblock yet"

# left ANSWER [OPTION...]: the mount is refused and says so, and changes nothing.
left() {
    left_answer=$1
    shift
    find "$STORE" -printf '%p %y %i %s %C@\n' | sort >"$S/before"
    refused "$left_answer" "$FLUXFS" mount "$@" "$STORE" "$MNT"
    find "$STORE" -printf '%p %y %i %s %C@\n' | sort >"$S/after"
    diff "$S/before" "$S/after" || fail "something has changed"
}

say "what is left alone"
rm -rf "$STORE"
mkdir "$STORE"
left "not a store" -o ro
mkdir "$STORE/directory"
left "not a store"
rmdir "$STORE/directory"
echo foreign >"$STORE/file"
left "not a store"
mv "$STORE/file" "$STORE/00000001.wal"
left "not a store"
rm -r "$STORE"

say "store and mount point exchanged"
mount_fs
echo kept >"$MNT/file"
umount_fs
refused "$(basename "$STORE")" "$FLUXFS" mount "$MNT" "$STORE"
same "" "$(ls -A "$MNT")" "what was made in the mount point"
mount_fs
same kept "$(cat "$MNT/file")" "contents"
