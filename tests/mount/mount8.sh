#!/bin/sh
# mount(8) and umount(8) drive the file system: by type, with options, by fstab.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to call mount(8)"
make_helpers mount.fuse.fluxfs

"$FLUXFS" mkfs "$STORE" >/dev/null
mount -t fuse.fluxfs "$STORE" "$MNT" </dev/null || fail "mount"
is_ready || fail "not mounted"
same "$STORE" "$(awk -v dir="$MNT" '$2 == dir { print $1 }' /proc/self/mounts)" "source of the mount"
same fuse.fluxfs "$(awk -v dir="$MNT" '$2 == dir { print $3 }' /proc/self/mounts)" "type of the mount"
echo 1 >"$MNT/f"
umount "$MNT" || fail "umount by directory"

say "with options, at once after the unmount"
mount -t fuse.fluxfs "$STORE" "$MNT" -o rw,noatime,nodev,nosuid,noexec || fail "mount with options"
options=$(awk -v dir="$MNT" '$2 == dir { print $4 }' /proc/self/mounts)
for option in noatime nodev nosuid noexec rw; do
    case ",$options," in
    *",$option,"*) ;;
    *) fail "option $option is not among $options" ;;
    esac
done
cp /bin/true "$MNT/true"
refused "permission denied" "$MNT/true"
# umount(8) takes any directory for a mount point, also one that is the source of a mount.
"$FLUXFS" umount "$STORE" || fail "umount by source"

say "read-only, as fstab does it"
echo "$STORE $MNT fuse.fluxfs ro,noauto,_netdev 0 0" >"$S/fstab"
mount -T "$S/fstab" "$MNT" || fail "mount by fstab"
refused "read-only" touch "$MNT/new"
same 1 "$(cat "$MNT/f")" "contents"
umount "$MNT" || fail "umount"
within 20 scratch_is_unused || fail "a daemon was left"

say "errors reach mount(8)"
refused "missing" mount -t fuse.fluxfs "$STORE" "$S/missing"
if mount -t fuse.fluxfs "$STORE" "$MNT" -o nonsense=1 2>/dev/null; then
    fail "an unknown option was accepted"
fi
is_mounted && fail "mounted in spite of an error"
check_store
