#!/bin/sh
# Files that have lost their last name while they are open: readable and writable until they are
# closed, gone afterwards, also when the daemon is killed meanwhile.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs

echo first >"$MNT/a"
exec 3<>"$MNT/a"
rm "$MNT/a"
[ ! -e "$MNT/a" ] || fail "the name is still there"
same first "$(cat <&3)" "contents of an unlinked file"
echo second >&3
drop_caches
same "first second" "$(tr '\n' ' ' <"/proc/$$/fd/3" | sed 's/ $//')" "writing to an unlinked file"
same 0 "$(stat -L -c %h "/proc/$$/fd/3")" "links of an unlinked file"
truncate -s 3 "/proc/$$/fd/3"
same fir "$(cat "/proc/$$/fd/3")" "truncating an unlinked file"
exec 3>&-

say "the name is used again while the old file is open"
echo old >"$MNT/b"
exec 3<"$MNT/b"
rm "$MNT/b"
echo new >"$MNT/b"
same "old new" "$(cat <&3) $(cat "$MNT/b")" "two files that had one name"
exec 3<&-

say "replaced by rename while it is open"
echo old >"$MNT/c"
echo new >"$MNT/d"
exec 3<"$MNT/c"
mv "$MNT/d" "$MNT/c"
same "old new" "$(cat <&3) $(cat "$MNT/c")" "rename over an open file"
exec 3<&-

say "a removed working directory"
mkdir "$MNT/cwd"
(
    cd "$MNT/cwd"
    rmdir "$MNT/cwd"
    same "" "$(ls -A)" "listing of a removed directory"
    refused "no such file" touch "./x"
)

say "killed with an unlinked file open"
head -c 1000000 /dev/urandom >"$MNT/e"
exec 3<"$MNT/e"
rm "$MNT/e"
kill_daemon
exec 3<&-
mount_fs
same "b c" "$(ls -A "$MNT" | tr '\n' ' ' | sed 's/ $//')" "names after the kill"
umount_fs
check_store
