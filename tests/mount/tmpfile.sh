#!/bin/sh
# O_TMPFILE: see tmpfile_check.c; and what is left in the store of a file that never had a name.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
mkdir "$MNT/d"
"$HELPERS/tmpfile_check" "$MNT/d" || fail "tmpfile_check, with nothing opened before"
same "linked linked2" "$(ls "$MNT/d" | tr '\n' ' ' | sed 's/ $//')" "names"
same "hello world" "$(tr '\n' ' ' <"$MNT/d/linked" | sed 's/ $//')" "contents of a linked file"
rm -r "$MNT/d"

say "again, when the kernel knows that OPEN is not spoken"
mkdir "$MNT/d"
: >"$MNT/file"
cat "$MNT/file"
"$HELPERS/tmpfile_check" "$MNT/d" || fail "tmpfile_check, after an open"
remount_fs
same 6 "$(head -c 6 "$MNT/d/linked" | wc -c)" "a linked file after a remount"

# hold BYTES: a file without a name, of random bytes, is open until release.
mkfifo "$S/in" "$S/out"
hold() {
    "$HELPERS/hold_tmpfile" "$MNT/d" "$1" <"$S/in" >"$S/out" &
    holder=$!
    exec 3>"$S/in" 4<"$S/out"
    read -r ready <&4 || fail "the holder does not get ready"
    same ready "$ready" "what the holder says"
}
release() {
    exec 3>&- 4<&-
    wait "$holder" || fail "the holder failed"
}
store_mib() {
    du -sm "$STORE" | cut -f 1
}
space_is_back() {
    [ "$(store_mib)" -lt 30 ]
}

say "its space comes back when it is closed"
hold 60000000
sync -f "$MNT"
[ "$(store_mib)" -ge 57 ] || fail "60 MB take only $(store_mib) MiB in the store"
drop_caches
[ "$(store_mib)" -ge 57 ] || fail "the contents of an open file have gone"
release
within "$WAIT_S_MAX" space_is_back || fail "$(store_mib) MiB are still in the store"

say "killed while one is open"
hold 1000000
kill_daemon
release
mount_fs
same "linked linked2" "$(ls "$MNT/d" | tr '\n' ' ' | sed 's/ $//')" "names after the kill"
umount_fs
check_store
