#!/bin/sh
# ls, cat, stat and dump of a store with files in it; and what is left of them while it is mounted.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
"$FLUXFS" mkfs "$STORE" >/dev/null
fill_store

same "dir fifo link sparse" "$("$FLUXFS" ls "$STORE" | tr '\n' ' ' | sed 's/ $//')" "the root"
same ". .. .hidden dir fifo link sparse" \
    "$("$FLUXFS" ls -a "$STORE" | tr '\n' ' ' | sed 's/ $//')" "all of the root"
same "file hard numbers sub" "$("$FLUXFS" ls "$STORE" dir | tr '\n' ' ' | sed 's/ $//')" "/dir"
same "/dir/file" "$("$FLUXFS" ls "$STORE" /dir/file)" "a file"
exits 0 "^-rw-r--r-- *2 .* 6 2020-02-03 04:05:06 file$" "$FLUXFS" ls -l "$STORE" dir
exits 0 "^lrwxrwxrwx .* link -> dir/file$" "$FLUXFS" ls -l "$STORE"
exits 0 "^prw-r--r-- " "$FLUXFS" ls -l "$STORE"
exits 0 "^/dir/sub:$" "$FLUXFS" ls -R "$STORE"
exits 0 '"path": "/dir/sub/odd\\nname"' "$FLUXFS" ls -R --json "$STORE"
exits 0 '"target": "dir/file"' "$FLUXFS" ls --json "$STORE" link
exits 1 "/nothing: No such file" "$FLUXFS" ls "$STORE" /nothing
exits 1 "Not a directory" "$FLUXFS" ls "$STORE" /dir/file/x

say "cat"
same hello "$("$FLUXFS" cat "$STORE" dir/file)" "a file"
same "hello hello" "$("$FLUXFS" cat "$STORE" /dir/file /dir/hard | tr '\n' ' ' | sed 's/ $//')" "two"
seq 1 40000 | cmp - "$S/nothing" 2>/dev/null && fail "cmp"
seq 1 40000 >"$S/numbers"
"$FLUXFS" cat "$STORE" dir/numbers | cmp - "$S/numbers" || fail "a file of many blocks"
same 1048576 "$("$FLUXFS" cat "$STORE" sparse | tr -d '\000' | wc -c | tr -d ' ' |
    sed 's/^0$/1048576/')" "only zeros in a hole"
same 1048576 "$("$FLUXFS" cat "$STORE" sparse | wc -c | tr -d ' ')" "length of a hole"
exits 1 "is a directory" "$FLUXFS" cat "$STORE" dir
exits 1 "is a symbolic link to dir/file" "$FLUXFS" cat "$STORE" link
exits 1 "no regular file" "$FLUXFS" cat "$STORE" fifo
exits 1 "^hello$" "$FLUXFS" cat "$STORE" nothing dir/file
if "$FLUXFS" cat "$STORE" dir/numbers >/dev/full 2>/dev/null; then
    fail "a full disk is not told"
fi

say "dump and stat"
exits 0 '^D 1 [0-9a-f]* "dir" -> [0-9]* directory$' "$FLUXFS" dump "$STORE"
exits 0 '^B [0-9]* 0: 6 bytes "hello\\x0a"$' "$FLUXFS" dump "$STORE"
exits 0 "free" "$FLUXFS" stat "$STORE"
exits 0 "clean: 5 files, 3 directories, 1 symbolic links, 1 others" "$FLUXFS" fsck -f "$STORE"
exits 0 '"clean": true' "$FLUXFS" fsck --json "$STORE"

say "a value that claims a gibibyte"
cp -r "$STORE" "$S/harmful"
"$HELPERS/long_patch" "$S/harmful" Sx || fail "the patch cannot be written"
exits 1 "a value of 1073741824 bytes" "$FLUXFS" dump "$S/harmful"
# Nor is so much memory taken. Sanitizers map terabytes.
[ -n "$SANITIZED" ] ||
    (ulimit -v 600000 && exits 1 "a value of 1073741824 bytes" "$FLUXFS" dump "$S/harmful")
for command in "get $S/harmful Sx" "scan $S/harmful" "verify $S/harmful"; do
    # shellcheck disable=SC2086 # a command and its words
    (
        [ -n "$SANITIZED" ] || ulimit -v 600000
        exits 4 "a value of 1073741824 bytes" "$LSMCTL" $command
    )
done
exits 4 "let longer ones pass with: --value-bytes-max" "$LSMCTL" get "$S/harmful" Sx
exits 0 "nothing is to be repaired" "$LSMCTL" repair "$S/harmful"
exits 0 "1 thing was repaired" "$LSMCTL" repair --value-bytes-max 64M "$S/harmful"
exits 0 "nothing is damaged" "$LSMCTL" verify "$S/harmful"
exits 2 "from 1K to 1G" "$LSMCTL" get --value-bytes-max 1023 "$S/harmful" Sx
exits 2 "from 1K to 1G" "$LSMCTL" get --value-bytes-max 2G "$S/harmful" Sx
rm -r "$S/harmful"

say "a long value of one's own"
head -c 70000000 /dev/urandom >"$S/long"
exits 3 "let longer ones pass with: --value-bytes-max" "$LSMCTL" put --create "$S/own" k --from "$S/long"
exits 0 "" "$LSMCTL" put --value-bytes-max 1G "$S/own" k --from "$S/long"
exits 4 "let longer ones pass with: --value-bytes-max" "$LSMCTL" get "$S/own" k
exits 0 "nothing is to be repaired" "$LSMCTL" repair "$S/own"
"$LSMCTL" get --value-bytes-max 128M --raw "$S/own" k | cmp - "$S/long" || fail "a long value"
rm -r "$S/own" "$S/long"

say "while it is mounted"
mount_fs
exits 1 "in use by process $DAEMON; unmount it first (fluxfs umount $MNT)" "$FLUXFS" ls "$STORE"
exits 1 "in use by process $DAEMON" "$FLUXFS" cat "$STORE" dir/file
exits 1 "in use by process $DAEMON" "$FLUXFS" dump "$STORE"
exits 8 "in use by process $DAEMON" "$FLUXFS" fsck "$STORE"
exits 0 "$DAEMON" "$FLUXFS" stat "$STORE"
exits 0 "mounted on: *$MNT" "$FLUXFS" stat "$MNT"
exits 0 "\"used_by_process\": $DAEMON" "$FLUXFS" stat --json "$STORE"
exits 0 "." "$FLUXFS" dump "$STORE" SUPERBLOCK
exits 0 "." "$FLUXFS" stat "$MNT/."

say "umount by store"
"$FLUXFS" umount "$STORE" || fail "umount by the store's name"
wait_daemon
exits 1 "not mounted" "$FLUXFS" umount "$MNT"

say "umount of a dead daemon's mount"
mount_fs
kill_daemon
"$FLUXFS" umount "$MNT" || fail "umount of a stale mount"
is_mounted && fail "the stale mount is still there"
check_store
