#!/bin/sh
# copy_file_range and cp: see copy_check.c; copies take no room, and live on without the original.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs -o debug
"$HELPERS/copy_check" "$MNT" || fail "copy_check"
grep -q 'COPY_FILE_RANGE' "$LOG" || fail "the kernel never asked the daemon to copy"

if is_root && command -v setpriv >/dev/null; then
    say "as another user"
    umount_fs
    mount_fs -o allow_other
    mkdir -m 777 "$MNT/user"
    chmod 711 "$S"
    setpriv --reuid 1234 --regid 1234 --clear-groups "$HELPERS/copy_check" "$MNT/user" ||
        fail "copy_check as another user"
    rmdir "$MNT/user"
fi

store_mib() {
    du -sm "$STORE" | cut -f 1
}

say "cp of a large file takes no room"
head -c 60000000 /dev/urandom >"$S/random"
cp "$S/random" "$MNT/original"
sync -f "$MNT"
before=$(store_mib)
cp "$MNT/original" "$MNT/copy"
cp --reflink=auto "$MNT/original" "$MNT/copy2"
refused "not supported" cp --reflink=always "$MNT/original" "$MNT/refused"
rm -f "$MNT/refused"
[ "$(store_mib)" -lt $((before + 10)) ] || fail "$(store_mib) MiB instead of $before after two copies"
for name in copy copy2; do
    cmp "$S/random" "$MNT/$name" || fail "$name differs"
    same "$(stat -c '%s %b' "$MNT/original")" "$(stat -c '%s %b' "$MNT/$name")" "size of $name"
done

say "each is changed on its own"
printf CHANGED | dd of="$MNT/copy" bs=1 seek=100000 conv=notrunc status=none
cmp "$S/random" "$MNT/original" || fail "the original has changed with the copy"
rm "$MNT/original"
remount_fs
cmp "$S/random" "$MNT/copy2" || fail "copy2 differs without the original"
printf CHANGED | dd of="$S/random" bs=1 seek=100000 conv=notrunc status=none
cmp "$S/random" "$MNT/copy" || fail "the changed copy differs"

say "a sparse file"
truncate -s 1G "$MNT/sparse"
printf middle | dd of="$MNT/sparse" bs=1 seek=500000000 conv=notrunc status=none
cp "$MNT/sparse" "$MNT/sparse2"
cmp "$MNT/sparse" "$MNT/sparse2" || fail "the copy of a sparse file differs"
[ "$(stat -c %b "$MNT/sparse2")" -le 4096 ] || fail "the copy of a sparse file has no holes"

say "a kill after a copy"
cp "$MNT/copy2" "$MNT/copy3"
rm "$MNT/copy2"
kill_daemon
mount_fs
same "$(md5sum <"$S/random" | cut -c 1-32)" "$(md5sum <"$MNT/copy" | cut -c 1-32)" "the changed copy after the kill"
same 60000000 "$(stat -c %s "$MNT/copy3")" "size of copy3"
umount_fs
check_store
