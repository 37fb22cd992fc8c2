#!/bin/sh
# A file system that has lost its block size: fsck finds it out where blocks and files agree on one,
# and else repairs all but that, says which sizes it may be, and can be told.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
"$FLUXFS" mkfs -q --block-size 4K "$STORE"
mount_fs
head -c 10000 /dev/urandom >"$S/file"
cp "$S/file" "$MNT/file"
cp "$S/file" "$MNT/odd"
odd=$(printf '%016x' "$(stat -c %i "$MNT/odd")")
umount_fs

# lost NAME: a copy of the store without the fact.
lost() {
    cp -a "$STORE" "$S/$1"
    "$LSMCTL" delete "$S/$1" Sblock_len
}
say "it is found out"
lost found
exits 1 "block_len" "$FLUXFS" ls "$S/found"
exits 4 "block_len" "$FLUXFS" fsck -n "$S/found"
exits 4 "block_len" "$FLUXFS" fsck -p "$S/found"
exits 1 "repaired: write the facts" "$FLUXFS" fsck -y "$S/found"
exits 0 "clean" "$FLUXFS" fsck -n "$S/found"
"$FLUXFS" cat "$S/found" file | cmp - "$S/file" || fail "contents"

say "it cannot be found out"
lost odd
# Two blocks of 8 KiB are against 4 KiB, and the ends of both files against 8 KiB.
block=$(head -c 8192 /dev/zero | od -An -v -tx1 | tr -d ' \n')
for number in 0 1; do
    "$LSMCTL" put --hex "$S/odd" "42${odd}000000000000000$number" "$block"
done
"$LSMCTL" delete "$S/odd" Suuid
exits 5 "not repaired: blocks and files do not agree on a block length, it may be any of 4K, 8K, .*--block-size" "$FLUXFS" fsck -y "$S/odd"
exits 4 "not repaired: blocks and files do not agree" "$FLUXFS" fsck -y "$S/odd"
"$LSMCTL" get --hex "$S/odd" "$(printf Suuid | od -An -tx1 | tr -d ' \n')" >"$S/uuid" || fail "another fact was not repaired"
cp -a "$S/odd" "$S/wrong"

say "it is told"
before=$(cd "$S/odd" && find . -type f ! -name LOCK -exec cksum {} + | sort)
exits 4 "longer than 4096" "$FLUXFS" fsck -n --block-size 4K "$S/odd"
same "$before" "$(cd "$S/odd" && find . -type f ! -name LOCK -exec cksum {} + | sort)" "files after -n"
exits 1 "repaired: write the facts" "$FLUXFS" fsck -y --block-size 4K "$S/odd"
exits 0 "clean" "$FLUXFS" fsck -n "$S/odd"
exits 0 "clean" "$FLUXFS" fsck -n --block-size 4096 "$S/odd"
"$FLUXFS" cat "$S/odd" file | cmp - "$S/file" || fail "contents after the block size was told"
exits 8 "the file system says that its block size is 4096, not 8192" "$FLUXFS" fsck -n --block-size 8K "$S/odd"
exits 8 "not 8192" "$FLUXFS" fsck -y --block-size 8K "$S/odd"
for size in 0 1000 2M 5K x; do
    exits 16 "power of two from 4K to 1M" "$FLUXFS" fsck -n --block-size "$size" "$S/odd"
done
