#!/bin/sh
# What goes wrong when mounting is said in plain words, by name, with an exit status, and leaves
# nothing behind.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
"$FLUXFS" mkfs "$STORE" >/dev/null

refused "missing.*no such" "$FLUXFS" mount "$STORE" "$S/missing"
touch "$S/file"
refused "no.* directory" "$FLUXFS" mount "$STORE" "$S/file"
mkdir "$S/full"
touch "$S/full/file"
refused "not empty" "$FLUXFS" mount "$STORE" "$S/full"
refused "nonsense" "$FLUXFS" mount "$STORE" "$MNT" -o nonsense
refused "." "$FLUXFS" mount "$STORE"
refused "." "$FLUXFS" mount
refused "." "$FLUXFS" no-such-subcommand
is_mounted && fail "mounted in spite of an error"

say "something else than a store"
mkdir "$S/other"
echo precious >"$S/other/file"
refused "other" "$FLUXFS" mount "$S/other" "$MNT"
refused "other" "$FLUXFS" mkfs "$S/other"
same "file precious" "$(ls "$S/other") $(cat "$S/other/file")" "a directory that is no store is left alone"
refused "." "$FLUXFS" mount "$S/file" "$MNT"
refused "already" "$FLUXFS" mkfs "$STORE"

say "in use"
mount_fs
refused "already\|busy" "$FLUXFS" mount "$S/store2" "$MNT"
mkdir "$S/mnt2"
refused "$DAEMON" "$FLUXFS" mount "$STORE" "$S/mnt2"
refused "$DAEMON" "$FLUXFS" fsck "$STORE"
same 1 "$(grep -c " $S/" /proc/self/mounts)" "mounts"
cd "$MNT"
refused "in use" "$FLUXFS" umount "$MNT"
cd /
is_ready || fail "an umount that was refused has unmounted"
umount_fs
refused "not mounted\|not a mount\|mount point" "$FLUXFS" umount "$MNT"

say "a newer format"
cp -a "$STORE" "$S/newer"
"$HELPERS/store_version" "$S/newer/SUPERBLOCK" 1 0
"$FLUXFS" mount "$S/newer" "$MNT" || fail "the unchanged version does not mount"
"$FLUXFS" umount "$MNT"
"$HELPERS/store_version" "$S/newer/SUPERBLOCK" 99 0
refused "version 99" "$FLUXFS" mount "$S/newer" "$MNT"
"$HELPERS/store_version" "$S/newer/SUPERBLOCK" 1 0x40
refused "feature.*0x40" "$FLUXFS" mount "$S/newer" "$MNT"

say "damage"
cp -a "$STORE" "$S/damaged"
: >"$S/damaged/SUPERBLOCK"
refused "superblock" "$FLUXFS" mount "$S/damaged" "$MNT"
cp -a "$STORE" "$S/damaged3"
printf 'rubbish' | dd of="$S/damaged3/SUPERBLOCK" bs=1 seek=40 conv=notrunc status=none
"$FLUXFS" mount "$S/damaged3" "$MNT" || fail "one whole copy of the superblock must do"
"$FLUXFS" umount "$MNT"
cp -a "$STORE" "$S/damaged2"
echo garbage >"$S/damaged2/CURRENT"
refused "current" "$FLUXFS" mount "$S/damaged2" "$MNT"
is_mounted && fail "mounted in spite of damage"
check_store
