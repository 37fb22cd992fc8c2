#!/bin/sh
# fsck on a disk that is full or cannot be written: it says what is in the way, makes nothing worse,
# and repairs everything when it can.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
need_root "to mount a small tmpfs"
mkdir "$S/disk"
mount -t tmpfs -o size=24m tmpfs "$S/disk" || skip "cannot mount a tmpfs"
STORE=$S/disk/store
ORPHANS=40

"$FLUXFS" mkfs "$STORE" >/dev/null
mount_fs
mkdir "$MNT/d"
for i in $(seq 1 200); do
    echo "$i" >"$MNT/d/$i"
done
head -c 3M /dev/urandom >"$MNT/d/big"
umount_fs
for i in $(seq 1 "$ORPHANS"); do
    "$LSMCTL" put "$STORE" "O\\x00\\x00\\x00\\x00\\x00\\x50\\x00$(printf '\\x%02x' "$i")" ''
done
"$LSMCTL" put "$STORE" 'Unknown' 'key'
cp -a "$STORE" "$S/saved"
errors=$((ORPHANS + 1))

again() {
    rm -rf "$STORE"
    cp -a "$S/saved" "$STORE"
}

fill() {
    head -c 100M /dev/zero >"$S/disk/fill" 2>/dev/null && fail "the disk is not full"
    return 0
}

say "a disk that cannot be written"
mount -o remount,ro "$S/disk"
exits 4 "$errors errors were found" "$FLUXFS" fsck -n "$STORE"
for mode in -p -y; do
    exits 8 "Read-only file system" "$FLUXFS" fsck $mode "$STORE"
done
mount -o remount,rw "$S/disk"

say "a full disk"
fill
exits 4 "$errors errors were found" "$FLUXFS" fsck -n "$STORE"
for mode in -p -y; do
    exits 8 "No space left" "$FLUXFS" fsck $mode "$STORE"
    exits 4 "" "$FLUXFS" fsck -n "$STORE"
done
rm "$S/disk/fill"
exits 1 "were repaired" "$FLUXFS" fsck -y "$STORE"
exits 0 "clean: 201 files" "$FLUXFS" fsck -n "$STORE"

say "a full disk, and damage of the store"
again
largest=$(cd "$STORE" && ls -S | head -n 1)
len=$(stat -c %s "$STORE/$largest")
printf '\377\376\375' | dd of="$STORE/$largest" bs=1 seek=$((len / 2)) conv=notrunc status=none
exits 4 "/d/big: bytes .* are lost" "$FLUXFS" fsck -n "$STORE"
exits 4 "/d/big: bytes .* are lost" "$FLUXFS" fsck -p "$STORE"
fill
exits 8 "No space left" "$FLUXFS" fsck -y "$STORE"
exits 4 "" "$FLUXFS" fsck -n "$STORE"
rm "$S/disk/fill"
exits 1 "/d/big: bytes .* are lost" "$FLUXFS" fsck -y "$STORE"
exits 0 "clean: 201 files" "$FLUXFS" fsck -y "$STORE"
