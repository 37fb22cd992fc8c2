#!/bin/sh
# Contents of files: big, sparse, truncated, grown, overwritten in the middle, punched.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs

big_mib=200
if [ -n "$SANITIZED" ]; then
    big_mib=40
fi

# on_both COMMAND: in a host directory and in the mount; both must end up with the same files.
mkdir "$S/host"
on_both() {
    (cd "$S/host" && eval "$1") || fail "on the host: $1"
    (cd "$MNT" && eval "$1") || fail "in the mount: $1"
}
compare() {
    diff -r "$S/host" "$MNT" || fail "contents differ $1"
    (cd "$S/host" && stat -c '%n %s' ./*) >"$S/sizes.host"
    (cd "$MNT" && stat -c '%n %s' ./*) >"$S/sizes.mnt"
    diff "$S/sizes.host" "$S/sizes.mnt" || fail "sizes differ $1"
}

head -c 3000000 /dev/urandom >"$S/random"
on_both "cp '$S/random' copied"
on_both "dd if='$S/random' of=odd bs=777 count=500 status=none"
on_both "dd if='$S/random' of=holes bs=4096 count=3 seek=100000 status=none"
on_both "truncate -s 10G huge_hole; printf end >>huge_hole; truncate -s 4097 huge_hole"
on_both "cp '$S/random' shrunk; truncate -s 70001 shrunk; truncate -s 200000 shrunk"
on_both "cp '$S/random' middle; printf MIDDLE | dd of=middle bs=1 seek=65530 conv=notrunc status=none"
on_both "cp '$S/random' small_writes; dd if='$S/random' of=small_writes bs=100 count=2000 seek=77 conv=notrunc status=none"
on_both "for i in 1 2 3 4 5 6 7 8 9; do cat '$S/random'; done >appended; printf x >>appended"
on_both "cp '$S/random' punched; fallocate -p -o 60000 -l 500000 punched"
on_both "fallocate -l 300000 preallocated; printf y >>preallocated"
on_both "cp '$S/random' zeroed; fallocate -z -o 1000 -l 200000 zeroed"
on_both "cp '$S/random' otrunc; : >otrunc; printf z >otrunc"
compare "while mounted"
cd /
remount_fs
compare "after a remount"

say "space of holes"
truncate -s 1T "$MNT/terabyte"
same 1099511627776 "$(stat -c %s "$MNT/terabyte")" "size of a file that is all hole"
same 0 "$(stat -c %b "$MNT/terabyte")" "blocks of a file that is all hole"
same 0 "$(tail -c 5 "$MNT/terabyte" | tr -d '\000' | wc -c)" "a hole reads as zeros"
rm "$MNT/terabyte"

say "a big file of $big_mib MiB"
head -c "${big_mib}M" /dev/urandom >"$S/big"
cp "$S/big" "$MNT/big"
cmp "$S/big" "$MNT/big" || fail "the big file differs"
remount_fs
cmp "$S/big" "$MNT/big" || fail "the big file differs after a remount"
rm "$MNT/big" "$S/big"
umount_fs
check_store
