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

if is_root && command -v setpriv >/dev/null; then
    say "as another user"
    umount_fs
    mount_fs -o allow_other
    chmod 711 "$S"
    mkdir -m 777 "$MNT/user"
    setpriv --reuid 1234 --regid 1234 --clear-groups "$HELPERS/tmpfile_check" "$MNT/user" ||
        fail "tmpfile_check as another user"
    same "1234 1234 600" "$(stat -c '%u %g %a' "$MNT/user/linked")" "its owner"
fi

if command -v setfacl >/dev/null && setfacl -d -m u:1234:rwx "$MNT/d" 2>/dev/null; then
    say "the default list of the directory"
    : >"$MNT/d/usual"
    "$HELPERS/hold_tmpfile" "$MNT/d" 10 nameless </dev/null >/dev/null || fail "hold_tmpfile"
    same "$(getfacl -c -p "$MNT/d/usual")" "$(getfacl -c -p "$MNT/d/nameless")" "what is inherited"
    setfacl -k "$MNT/d"
    rm "$MNT/d/usual" "$MNT/d/nameless"
fi

say "killed while one is open"
hold 1000000
kill_daemon
release
mount_fs
same "linked linked2" "$(ls "$MNT/d" | tr '\n' ' ' | sed 's/ $//')" "names after the kill"
umount_fs
check_store
