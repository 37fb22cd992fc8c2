#!/bin/sh
# A daemon that may have 64 files open, and a store with many more tables: everything works, and
# nothing is refused for want of descriptors.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
ulimit -n 64
count=45
mount_fs -o cache=1M
same 64 "$(awk '/^Max open files/ { print $5 }' "/proc/$DAEMON/limits")" "the daemon's limit"
cd "$MNT"

# Each daemon makes a blob file of its own, so each round adds one, and tables.
say "$count rounds of writing"
round=0
while [ "$round" -lt "$count" ]; do
    round=$((round + 1))
    mkdir "d$round"
    head -c 300000 /dev/urandom >"$S/piece"
    cp "$S/piece" "d$round/piece"
    (cd "$S" && sha256sum <piece) | sed "s,-\$,d$round/piece," >>"$S/sums"
    for i in 1 2 3 4 5 6 7 8; do
        echo "$round $i" >"d$round/$i"
    done
    cd /
    umount_fs
    mount_fs -o cache=1M
    cd "$MNT"
done
tables=$(find "$STORE" -name '*.sst' -o -name '*.blob' | wc -l)
say "$tables tables and blob files"
[ "$tables" -ge 40 ] || fail "only $tables files, which may all be open"
sha256sum --quiet -c "$S/sums" || fail "a file is not whole"
round=0
while [ "$round" -lt "$count" ]; do
    round=$((round + 1))
    for i in 1 2 3 4 5 6 7 8; do
        same "$round $i" "$(cat "d$round/$i")" "d$round/$i"
    done
done
rm -rf d1 d2 d3
say "checking"
cd /
umount_fs
check_store
if grep -i "too many open files" "$LOG" "$S/fsck.out"; then
    fail "descriptors have run out"
fi
