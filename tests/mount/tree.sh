#!/bin/sh
# Real trees: unpacked by tar, compared in every detail with the host, before and after a remount.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
count=3000
if [ -n "$SANITIZED" ]; then
    count=1000
fi
sample_tar "$S/sample.tar" "$count"
mkdir "$S/host"
tar -C "$S/host" -xpf "$S/sample.tar"
list_tree "$S/host" >"$S/host.list"
say "$(wc -l <"$S/host.list") objects, $(du -sm "$S/host" | cut -f1) MiB on the host"

compare() {
    list_tree "$MNT" | sed '1{/^\. /d}' >"$S/mnt.list"
    sed '1{/^\. /d}' "$S/host.list" | diff - "$S/mnt.list" || fail "modes, owners, times or links differ $1"
    diff -r --no-dereference "$S/host" "$MNT" || fail "contents differ $1"
}
mount_fs
tar -C "$MNT" -xpf "$S/sample.tar"
compare "while mounted"
remount_fs
compare "after a remount"

say "packed from the mount again"
tar -C "$MNT" --format=posix -cf "$S/again.tar" .
mkdir "$S/again"
tar -C "$S/again" -xpf "$S/again.tar"
diff -r --no-dereference "$S/host" "$S/again" || fail "differs after a way there and back"
rm -rf "$S/again" "$S/again.tar"

say "read-only"
umount_fs
drop_caches
mount_fs -o ro
compare "in a read-only mount"
umount_fs
check_store

store_kib=$(du -sk "$STORE" | cut -f1)
host_kib=$(du -sk "$S/host" | cut -f1)
say "the store takes $store_kib KiB, the host's copy $host_kib KiB"
[ $((store_kib * 2)) -lt "$host_kib" ] || fail "the store takes more than half of the host's copy"
