#!/bin/sh
# A mount that shows in another mount namespace as well: umount says so and returns, whether the
# kernel's list of connections can be seen or not.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to make mount namespaces"
need_command unshare

# in_namespace COMMAND: by sh, in a copy of the mounts that nothing leaves.
in_namespace() {
    timeout 60 unshare --mount --propagation private sh -c "$1" sh "$FLUXFS" "$MNT" >"$S/out" 2>&1
}

for hide in : "umount /sys/fs/fuse/connections 2>/dev/null || :"; do
    mount_fs
    echo kept >"$MNT/file"
    in_namespace "$hide; \"\$1\" umount \"\$2\"" || fail "umount in a namespace: $(cat "$S/out")"
    grep -q "still mounted elsewhere" "$S/out" || fail "it is not told: $(cat "$S/out")"
    is_ready || fail "the mount of the first namespace has gone"
    same kept "$(cat "$MNT/file")" "contents"
    umount_fs
    check_store
done
