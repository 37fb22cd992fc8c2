#!/bin/sh
# A directory of 20,000 entries: listed whole, seen by find, removed while it is being listed.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
count=20000
if [ -n "$SANITIZED" ]; then
    count=5000
fi
mount_fs
mkdir "$MNT/many"
cd "$MNT/many"
seq -f 'entry-%06g' "$count" >"$S/names"
xargs touch <"$S/names"
ls >"$S/listed"
diff "$S/names" "$S/listed" || fail "ls does not show each entry once"
find . -type f -printf '%f\n' | sort >"$S/listed"
diff "$S/names" "$S/listed" || fail "find does not show each entry once"
same "$count" "$(find . -mindepth 1 -printf '%i\n' | sort -u | wc -l)" "distinct inode numbers"

cd /
remount_fs
cd "$MNT/many"
ls -U -l | sed 1d | awk '{ print $NF }' | sort >"$S/listed"
diff "$S/names" "$S/listed" || fail "after a remount ls does not show each entry once"

say "entries made and removed during a listing do not hide others"
find . -type f -name 'entry-*' -printf '%f\n' | while read -r name; do
    case $name in
    *0) rm "$name" ;;
    *5) : >"new-$name" ;;
    esac
    echo "$name"
done | sort >"$S/listed"
diff "$S/names" "$S/listed" || fail "removing entries hid others from a listing"
same "$count" "$(find . -type f | wc -l)" "entries, a tenth removed and a tenth new"

say "rm -rf"
cd "$MNT"
find many -delete
same "" "$(ls -A)" "everything is gone"
cd /
umount_fs
check_store
