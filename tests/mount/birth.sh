#!/bin/sh
# statx(2): the time of birth.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs -o debug
before=$(date +%s)
mkdir "$MNT/d"
echo contents >"$MNT/d/f"
ln -s target "$MNT/l"
after=$(date +%s)
for name in d d/f l; do
    birth=$(stat -c %W "$MNT/$name")
    if [ "$birth" -lt "$before" ] || [ "$birth" -gt "$after" ]; then
        fail "$name was born at $birth, not between $before and $after"
    fi
done
exact=$(stat -c %w "$MNT/d/f")
case $exact in
*.000000000*) fail "the birth has no nanoseconds: $exact" ;;
esac

say "it stays what it was"
touch -d '2001-02-03 04:05:06' "$MNT/d/f"
echo more >>"$MNT/d/f"
chmod 600 "$MNT/d/f"
mv "$MNT/d/f" "$MNT/g"
same "$exact" "$(stat -c %w "$MNT/g")" "birth after changes"
same "600 14 1" "$(stat -c '%a %s %h' "$MNT/g")" "what else statx tells"
mknod "$MNT/p" p
same "$(stat -c '%F %t %T' "$MNT/p")" "fifo 0 0" "a FIFO"
if is_root; then
    mknod "$MNT/dev" c 5 1234
    same "5 4d2" "$(stat -c '%t %T' "$MNT/dev")" "a device's number"
fi
remount_fs
same "$exact" "$(stat -c %w "$MNT/g")" "birth after a remount"

say "asked for once"
stat -c %w "$MNT/g" "$MNT/d" >/dev/null
asked=$(grep -c 'opcode: STATX' "$LOG" || :)
[ "$asked" -gt 0 ] || fail "the kernel does not ask for the birth"
umount_fs
check_store
