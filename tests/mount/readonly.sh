#!/bin/sh
# Read-only mounts: everything is readable, nothing changes, not even in the store; a store on
# read-only media as well.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
mkdir "$MNT/d"
echo text >"$MNT/d/f"
ln -s d/f "$MNT/s"
umount_fs

store_sums() {
    (cd "$STORE" && find . -type f ! -iname '*lock*' -print0 | sort -z | xargs -0 sha256sum)
}
refused_all() {
    refused "read-only" touch "$MNT/new"
    refused "read-only" mkdir "$MNT/dir"
    refused "read-only" rm -f "$MNT/d/f"
    refused "read-only" mv "$MNT/d/f" "$MNT/g"
    refused "read-only" ln "$MNT/d/f" "$MNT/g"
    refused "read-only" ln -s x "$MNT/g"
    refused "read-only" truncate -s 0 "$MNT/d/f"
    refused "read-only" chmod 600 "$MNT/d/f"
    refused "read-only" sh -c 'echo more >>"$1"' append "$MNT/d/f"
    same text "$(cat "$MNT/s")" "contents"
}
say "mounted with -o ro"
store_sums >"$S/before"
mount_fs -o ro
refused_all
umount_fs
store_sums >"$S/after"
diff "$S/before" "$S/after" || fail "a read-only mount has changed the store"

say "killed before, so that the log must be replayed"
mount_fs
echo later >"$MNT/d/later"
kill_daemon
store_sums >"$S/before"
mount_fs -o ro
same later "$(cat "$MNT/d/later")" "what only the log holds"
refused_all
umount_fs
store_sums >"$S/after"
diff "$S/before" "$S/after" || fail "a read-only mount after a kill has changed the store"

is_root || skip "a store on read-only media needs root; the rest passed"
say "on read-only media"
mkdir "$S/media"
mount --bind "$STORE" "$S/media"
mount -o remount,ro,bind "$S/media"
STORE=$S/media
refused "read-only" "$FLUXFS" mount "$STORE" "$MNT"
mount_fs -o ro
refused_all
same later "$(cat "$MNT/d/later")" "what only the log holds"
umount_fs
check_store
umount "$S/media"
