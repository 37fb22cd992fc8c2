#!/bin/sh
# A full disk below the store: writers get ENOSPC, what is there stays readable, removing and
# truncating work, space returns, and writing goes on without a remount.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a small tmpfs"
mkdir "$S/disk"
mount -t tmpfs -o size=256m tmpfs "$S/disk" || skip "cannot mount a tmpfs"
STORE=$S/disk/store
mount_fs
cd "$MNT"

# Files of a MiB that neither compresses nor repeats, each with its sum outside; ends with the first
# failure and leaves what it said in $S/full.err.
fill() { # fill PREFIX
    fill_count=0
    while [ "$fill_count" -lt 400 ]; do
        head -c 1048576 /dev/urandom >"$S/piece"
        dd if="$S/piece" of="$1.$fill_count" bs=128k conv=fsync status=none 2>"$S/full.err" || return 0
        (cd "$S" && sha256sum <piece) | sed "s/-\$/$1.$fill_count/" >>"$S/sums"
        fill_count=$((fill_count + 1))
    done
    fail "400 MiB fitted into a disk of 256 MiB"
}
: >"$S/sums"
fill a
say "$fill_count files of 1 MiB fitted"
grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
[ "$fill_count" -ge 50 ] || fail "only $fill_count MiB of 256 fitted"
kill -0 "$DAEMON" || fail "the daemon has ended"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole on the full disk"

say "truncating and removing on a full disk"
truncate -s 1000 a.1 || fail "truncate on a full disk"
same 1000 "$(stat -c %s a.1)" "length after truncating"
truncate -s 0 a.3 || fail "truncate to nothing on a full disk"
sed -i '/ a\.[13]$/d' "$S/sums"
rm "a.$fill_count" 2>/dev/null || :
for i in $(seq 0 2 $((fill_count - 1))); do
    rm "a.$i" || fail "rm on a full disk"
done
sed -i '/ a\.[0-9]*[02468]$/d' "$S/sums"
sync -f . || fail "sync after removing"

say "writing again"
writes_again() {
    dd if="$S/piece" of=again bs=128k conv=fsync status=none 2>/dev/null
}
within 60 writes_again || fail "no space has returned a minute after removing half"
cmp "$S/piece" again || fail "what was written then differs"
rm again
within 30 test "$(stat -f -c '%a' .)" -gt 0 || fail "statfs shows no free space"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole after removing others"

say "full again, then a remount on the full disk"
fill b
grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
cd /
remount_fs
cd "$MNT"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole after a remount on a full disk"
rm -rf ./*
within 60 writes_again || fail "no space has returned after removing everything"
rm again

say "writing right after removing"
for round in 1 2; do
    fill "c$round"
    grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
    rm ./*
    for i in 1 2 3 4 5 6 7 8; do
        cp "$S/piece" "at_once.$i" || fail "no room in round $round for file $i after removing everything"
    done
done
cd /
umount_fs
check_store
