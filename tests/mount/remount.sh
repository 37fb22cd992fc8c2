#!/bin/sh
# mount -o remount: read-only and back, flags, and what cannot be changed.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to call mount(8)"
make_helpers mount.fuse.fluxfs
shown() {
    awk -v dir="$MNT" '$2 == dir { print $4 }' /proc/self/mounts
}
shows() {
    case ",$(shown)," in
    *",$1,"*) ;;
    *) fail "the mount does not show $1 but $(shown)" ;;
    esac
}

mount_fs -o nosuid,commit=3600,size=1G
echo 1 >"$MNT/f"
say "read-only, by mount(8) with the directory alone"
mount -o remount,ro "$MNT" || fail "remount,ro"
shows ro
shows nosuid
shows noatime
refused "read-only" touch "$MNT/new"
refused "read-only" sh -c 'echo 2 >>"$1"' append "$MNT/f"
same 1 "$(cat "$MNT/f")" "contents"
say "writable again, by store and directory"
# Without the type mount(8) would not look for a helper.
mount -t fuse.fluxfs -o remount,rw "$STORE" "$MNT" || fail "remount,rw"
shows rw
shows nosuid
echo 2 >>"$MNT/f"
say "by the command itself, again and again"
for i in 1 2 3; do
    "$FLUXFS" mount "$STORE" "$MNT" -o remount,ro || fail "remount,ro"
    shows ro
    "$FLUXFS" mount "$STORE" "$MNT" -o remount,rw,noexec || fail "remount,rw"
    shows rw
    shows noexec
    echo "$i" >>"$MNT/f"
done
say "the same options once more are no change"
mount -o remount,ro,commit=3600,size=1G,compress=lz4 "$MNT" || fail "remount with the options that it has"
mount -o remount,rw "$MNT" || fail "remount,rw"

say "what cannot be changed is refused by name, and nothing changes"
for option in commit=9 size=2G size=16M cache=1G compress=none uid=1 umask=0 sync dirsync allow_other; do
    name=${option%%=*}
    case $name in
    uid | umask) name="uid, gid or a mask" ;;
    esac
    refused "option '$name' cannot be changed" mount -o "remount,ro,$option" "$MNT"
    shows rw
done
refused "strictatime" mount -o remount,strictatime "$MNT"
refused "nonsense" mount -o remount,nonsense "$MNT"
refused "in use\|open for writing" sh -c 'exec 9>>"$1/f"; mount -o remount,ro "$1"' busy "$MNT"
shows rw
refused "not $S/other" "$FLUXFS" mount "$S/other" "$MNT" -o remount,ro
mkdir "$S/plain"
refused "no FluxFS store is mounted there" "$FLUXFS" mount "$STORE" "$S/plain" -o remount,ro
if command -v setpriv >/dev/null; then
    chmod 755 "$S"
    cp "$FLUXFS" "$S/fluxfs"
    refused "only root" setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$S/fluxfs" mount "$STORE" "$MNT" -o remount,ro
fi
shows rw
same 5 "$(wc -l <"$MNT/f")" "lines"

say "a daemon that has died"
mount -o remount,ro "$MNT"
kill_daemon
refused "died" "$FLUXFS" mount "$STORE" "$MNT" -o remount,rw
mount_fs
same 5 "$(wc -l <"$MNT/f")" "lines"
umount_fs

say "mounted read-only: it stays so"
mount_fs -o ro
refused "rw.*mounted read-only" mount -o remount,rw "$MNT"
shows ro
mount -o remount,ro,nodev "$MNT" || fail "remount,ro,nodev"
shows nodev
umount_fs
check_store
