#!/bin/sh
# File handles, as NFS uses them: they stay what they are while the file does, whatever the kernel
# has forgotten, and across mounts; see handle_check.c.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "open_by_handle_at(2)"
mount_fs
mkdir -p "$MNT/a/b/c"
echo "in the file" >"$MNT/a/b/c/file"
echo "another" >"$MNT/a/other"
ln -s target "$MNT/a/link"
mknod "$MNT/a/fifo" p
for name in a a/b/c a/b/c/file a/other; do
    "$HELPERS/handle_check" save "$MNT/$name" "$S/$(basename "$name").handle" || fail "no handle of $name"
done
by() {
    "$HELPERS/handle_check" "$1" "$MNT" "$S/$2.handle" || fail "$1 of the handle of $2"
}
check_all() {
    same "in the file" "$(by cat file)" "a file by its handle $1"
    same "another" "$(by cat other)" "another file by its handle $1"
    same "$(stat -c %i "$MNT/a/b/c/file") 100000" "$(by stat file)" "number of the file $1"
    same "$(stat -c %i "$MNT/a/b/c") 40000" "$(by stat c)" "number of a directory $1"
    same ". .. file" "$(by list c | sort | tr '\n' ' ' | sed 's/ $//')" "a directory by its handle $1"
    same ". .. b fifo link other" "$(by list a | sort | tr '\n' ' ' | sed 's/ $//')" "another $1"
}
check_all "at once"
drop_caches
check_all "with dropped caches"
remount_fs
check_all "after a remount"
drop_caches
by cat file >/dev/null
kill_daemon
mount_fs
check_all "after a kill"

say "moved and changed"
mv "$MNT/a/b/c" "$MNT/moved"
echo "in the changed file" >"$MNT/moved/file"
drop_caches
same "in the changed file" "$(by cat file)" "a changed file by its handle"
same ". .. file" "$(by list c | sort | tr '\n' ' ' | sed 's/ $//')" "a moved directory by its handle"
"$HELPERS/handle_check" save "$MNT/moved" "$S/again.handle"
cmp "$S/again.handle" "$S/c.handle" || fail "moving has changed the handle"

say "deleted"
rm "$MNT/a/other"
same stale "$(by cat other)" "a deleted file by its handle"
echo new >"$MNT/a/other"
same stale "$(by cat other)" "a deleted file's handle when the name is used again"
exec 3<"$MNT/moved/file"
rm "$MNT/moved/file"
same "in the changed file" "$(by cat file)" "an unlinked open file by its handle"
exec 3<&-
drop_caches
same stale "$(by cat file)" "an unlinked file that was closed"
rmdir "$MNT/moved"
same stale "$(by list c)" "a removed directory"
remount_fs
for name in other file c; do
    same stale "$(by stat "$name")" "the handle of $name after a remount"
done
same ". .. b fifo link other" "$(by list a | sort | tr '\n' ' ' | sed 's/ $//')" "what is left"

say "handles that nobody gave out"
"$HELPERS/handle_check" crafted "$MNT" "$S/a.handle" || fail "crafted handles"
is_ready || fail "the daemon does not answer any more"
umount_fs
check_store
