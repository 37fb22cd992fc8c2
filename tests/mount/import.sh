#!/bin/sh
# import into a mounted store: what the kernel knew before, what others do meanwhile, and clients that
# die, send rubbish, or stall.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command tar

test_cleanup() {
    exec 8>&-
    for pid in ${import:-} ${busy:-}; do
        kill "$pid" 2>/dev/null
    done
}

mkdir -p "$S/tree/known/sub" "$S/tree/new"
printf 'new' >"$S/tree/known/absent"
printf 'new' >"$S/tree/known/old"
printf 'new' >"$S/tree/known/sub/absent"
printf 'new' >"$S/tree/empty"
printf 'new' >"$S/tree/new/file"
chmod 750 "$S/tree/known"
touch -d '2001-01-01' "$S/tree/known"
tar -C "$S/tree" -cf "$S/tree.tar" known new empty

say "what the kernel knew before is forgotten"
mount_fs
[ "$(stat -c '%a %F' "$STORE/control")" = "600 socket" ] || fail "the control socket"
mkdir -p "$MNT/known/sub" "$MNT/empty" "$MNT/cwd"
printf 'old and longer' >"$MNT/known/old"
ln "$MNT/known/old" "$MNT/known/other"
for round in 1 2; do # so that all of it is in the kernel's caches
    [ ! -e "$MNT/known/absent" ] && [ ! -e "$MNT/known/sub/absent" ] && [ ! -e "$MNT/new" ] || fail "round $round"
    same "old other sub" "$(ls "$MNT/known" | tr '\n' ' ' | sed 's/ $//')" "a listing before"
    same "old and longer" "$(cat "$MNT/known/old")" "a file before"
    same "2 755" "$(stat -c %h "$MNT/known/old") $(stat -c %a "$MNT/known")" "attributes before"
    [ -d "$MNT/empty" ] || fail "a directory before"
done
exec 7<"$MNT/known/old"
"$FLUXFS" import --same-owner "$S/tree.tar" "$MNT" >"$S/out" || fail "import"
grep -q '^.*tree.tar: 5 files (15 bytes), 3 directories in ' "$S/out" || { cat "$S/out"; fail "totals"; }
for file in known/absent known/old known/sub/absent empty new/file; do
    same new "$(cat "$MNT/$file")" "$file after"
done
same "absent old other sub" "$(ls "$MNT/known" | tr '\n' ' ' | sed 's/ $//')" "a listing after"
same "1" "$(stat -c %h "$MNT/known/other")" "names of what was replaced"
same "old and longer" "$(cat "$MNT/known/other")" "its other name"
same "old and longer" "$(cat <&7)" "what is open"
exec 7<&-
same "750 2001-01-01" "$(stat -c '%a %y' "$MNT/known" | cut -c 1-14)" "a directory after"
remount_fs
same "absent old other sub" "$(ls "$MNT/known" | tr '\n' ' ' | sed 's/ $//')" "a listing after a mount"

say "by other names"
mkdir "$MNT/into"
"$FLUXFS" import -q "$S/tree.tar" "$MNT/into" || fail "by a directory of the mount"
(cd "$MNT/into" && "$FLUXFS" import -q - . new <"$S/tree.tar") || fail "by a relative name, from a pipe"
"$FLUXFS" import -q "$S/tree.tar" "$STORE" /into/new/new || fail "by the store"
ln -s mnt/into "$S/short"
"$FLUXFS" import -q "$S/tree.tar" "$S/short" || fail "by a symbolic link"
same new "$(cat "$MNT/into/new/new/new/file")" "the deepest"
refused "no such file" "$FLUXFS" import "$S/tree.tar" "$MNT" nothing
refused "not a directory" "$FLUXFS" import "$S/tree.tar" "$MNT/known/old"
refused "kept" "$FLUXFS" import -k "$S/tree.tar" "$MNT/into"
refused "in use by process $DAEMON; unmount it first (.*), or use tar -C $MNT" "$FLUXFS" export "$STORE" "$S/x.tar"
refused "is mounted here; unmount it first, or use tar" "$FLUXFS" export "$MNT/into" "$S/x.tar"
[ ! -e "$S/x.tar" ] || fail "a refusal made a file"

if is_root; then
    say "other users"
    # Whoever gets through to the socket all the same is hung up on.
    chmod 711 "$S" && chmod 755 "$STORE" && chmod 666 "$STORE/control"
    cp "$HELPERS/control_client" "$S/client"
    # Nothing is said to it, while it is told why to us.
    status=0
    setpriv --reuid 12345 --regid 12345 --clear-groups "$S/client" "$STORE" early 2>"$S/err" || status=$?
    same "1 " "$status $(cat "$S/err")" "what another user gets"
    "$S/client" "$STORE" early || fail "nothing is said to the mount's own user"
    chmod 600 "$STORE/control" && chmod 700 "$STORE"
fi

say "bad clients"
for what in rubbish early long die; do
    "$HELPERS/control_client" "$STORE" "$what" || fail "the client $what"
    is_ready || fail "the daemon does not answer after $what"
done
within 20 test -e "$MNT/w" || fail "what came whole is not there"
[ ! -e "$MNT/h" ] || fail "half a file is there"
"$FLUXFS" import -q "$S/tree.tar" "$MNT/into" || fail "import after bad clients"
mkfifo "$S/stall"
exec 8<>"$S/stall"
for i in 1 2 3 4; do
    "$HELPERS/control_client" "$STORE" stall <"$S/stall" >"$S/stalled.$i" 8>&- &
done
for i in 1 2 3 4; do
    within 20 grep -q stalled "$S/stalled.$i" || fail "client $i does not stall"
done
refused "hung up: .* four are at it" "$FLUXFS" import "$S/tree.tar" "$MNT"
echo x >"$MNT/served" || fail "others are not served while clients stall"
say "the end of the mount does not wait for them"
umount_fs
exec 8>&-
check_store
[ ! -e "$STORE/control" ] || fail "the socket is left"

say "a real tree, beside others"
sample_tar "$S/sample.tar" 2000
mkdir "$S/host"
tar -xpf "$S/sample.tar" -C "$S/host"
mount_fs
mkdir "$MNT/target" "$MNT/beside"
(
    while :; do
        find "$MNT" >/dev/null
        mkdir -p "$MNT/beside/a/b" && echo x >"$MNT/beside/a/b/c" && rm -r "$MNT/beside/a"
        cat "$MNT"/target/usr/include/*.h >/dev/null 2>&1 || :
    done
) >/dev/null 2>&1 &
busy=$!
"$FLUXFS" import -q --same-owner "$S/sample.tar" "$MNT/target" || fail "import beside others"
kill "$busy"
wait "$busy" 2>/dev/null || :
busy=
list_tree "$S/host/usr" >"$S/host.list"
list_tree "$MNT/target/usr" | cmp - "$S/host.list" || fail "the tree is another"
diff -r --no-dereference "$S/host" "$MNT/target" || fail "contents differ"
umount_fs
check_store
mount_fs
list_tree "$MNT/target/usr" | cmp - "$S/host.list" || fail "the tree is another after a mount"
umount_fs

say "a daemon that is killed"
mount_fs
mkfifo "$S/pipe"
"$FLUXFS" import "$S/pipe" "$MNT/beside" >"$S/out" 2>&1 &
import=$!
exec 9>"$S/pipe"
head -c 3000000 "$S/sample.tar" >&9
within 20 test -e "$MNT/beside/usr" || fail "nothing comes"
kill_daemon
(tail -c +3000001 "$S/sample.tar" >&9) 2>/dev/null || :
exec 9>&-
status=0
wait "$import" || status=$?
import=
same 1 "$status" "status of import without a daemon"
grep -q "the daemon has hung up" "$S/out" || { cat "$S/out" >&2; fail "the end of the daemon is not told"; }
"$FLUXFS" umount "$MNT" || fail "umount of what is left"
check_store

say "read-only mounts"
mount_fs -o ro
[ ! -S "$STORE/control" ] || refused "takes no imports" "$FLUXFS" import "$S/tree.tar" "$MNT"
refused "takes no imports\|read-only" "$FLUXFS" import "$S/tree.tar" "$MNT"
umount_fs
