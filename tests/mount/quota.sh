#!/bin/sh
# A quota of the disk below is a full disk: writers get ENOSPC, what is there stays readable, and when
# the quota is raised writing goes on without a remount. The quota is that of a btrfs, which counts
# for root as well and does not show in statfs(2), so that the store can keep no reserve.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a disk of its own"
need_command mkfs.btrfs btrfs
truncate -s 1G "$S/image"
mkfs.btrfs -q "$S/image" >/dev/null
mkdir "$S/disk"
mount -t btrfs -o loop "$S/image" "$S/disk" || skip "cannot mount a btrfs on a loop device"
btrfs quota enable "$S/disk" || skip "a btrfs without quotas"
btrfs subvolume create "$S/disk/sub" >/dev/null
btrfs qgroup limit 150M "$S/disk/sub"
STORE=$S/disk/sub/store
mount_fs
cd "$MNT"
: >"$S/sums"
fill_count=0
while [ "$fill_count" -lt 300 ]; do
    head -c 1048576 /dev/urandom >"$S/piece"
    dd if="$S/piece" of="a.$fill_count" bs=128k conv=fsync status=none 2>"$S/full.err" || break
    (cd "$S" && sha256sum <piece) | sed "s/-\$/a.$fill_count/" >>"$S/sums"
    fill_count=$((fill_count + 1))
done
say "$fill_count files of 1 MiB fitted"
[ "$fill_count" -lt 300 ] || fail "300 MiB fitted into a quota of 150 MiB"
[ "$fill_count" -ge 50 ] || fail "only $fill_count MiB of 150 fitted"
grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
is_ready || fail "the daemon has ended"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole within a full quota"

say "the quota is raised"
writes_again() {
    dd if="$S/piece" of=again bs=128k conv=fsync status=none 2>"$S/full.err"
}
if writes_again; then
    fail "the quota is not full"
fi
btrfs qgroup limit 400M "$S/disk/sub"
within 60 writes_again || fail "no writing a minute after the quota was raised: $(cat "$S/full.err")"
cmp "$S/piece" again || fail "what was written then differs"
rm "a.$fill_count" 2>/dev/null || :
for i in $(seq 0 2 $((fill_count - 1))); do
    rm "a.$i" || fail "rm"
done
truncate -s 1000 a.1 || fail "truncate"
sed -i '/ a\.[0-9]*[02468]$/d; / a\.1$/d' "$S/sums"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole after removing others"
cd /
umount_fs
check_store
umount "$S/disk"
