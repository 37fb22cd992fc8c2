#!/bin/sh
# What every tool relies on: create, read, modes, owners, links, append, truncate, remove.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
cd "$MNT"

say "files and directories"
same "" "$(ls -A)" "a new file system is empty"
echo hello >a
same hello "$(cat a)" "contents"
same "6 1 644" "$(stat -c '%s %h %a' a)" "size, links and mode"
echo more >>a
same "hello more" "$(tr '\n' ' ' <a | sed 's/ $//')" "append"
: >empty
same 0 "$(stat -c %s empty)" "size of an empty file"
mkdir -p d/e/f
same 3 "$(stat -c %h d)" "links of a directory with one below"
rmdir d/e/f
refused "not empty" rmdir d
refused "directory" cat d
refused "exists" mkdir d
refused "no such file" cat missing
refused "not a directory" ls a/b

say "modes and owners"
chmod 4751 a
same 4751 "$(stat -c %a a)" "chmod"
mkdir -m 1777 sticky
same 1777 "$(stat -c %a sticky)" "mkdir with a mode"
if is_root; then
    chown 12345:23456 a
    same 12345:23456 "$(stat -c %u:%g a)" "chown"
    same 751 "$(stat -c %a a)" "chown clears setuid"
    mkdir setgid
    chgrp 777 setgid
    chmod 2755 setgid
    touch setgid/file
    mkdir setgid/dir
    same "777 644" "$(stat -c '%g %a' setgid/file)" "group of a file in a setgid directory"
    same "777 2755" "$(stat -c '%g %a' setgid/dir)" "a directory inherits setgid"
fi
(umask 077 && touch private)
same 600 "$(stat -c %a private)" "umask"

say "links"
ln a b
same 2 "$(stat -c %h b)" "links after ln"
same "$(stat -c %i a)" "$(stat -c %i b)" "inode number of a hard link"
rm a
same "1 hello" "$(stat -c %h b) $(head -n 1 b)" "the other name stays"
ln -s "some where/else" s
same "some where/else" "$(readlink s)" "symlink"
same 15 "$(stat -c %s s)" "size of a symlink"
ln -s b t
same hello "$(head -n 1 t)" "through a symlink"
long=$(printf '%4095s' '' | tr ' ' x)
ln -s "$long" longlink
same "$long" "$(readlink longlink)" "the longest symlink"

say "special files"
mkfifo fifo
(echo through >fifo) &
same through "$(cat fifo)" "FIFO"
wait $!
if is_root; then
    mknod null c 1 3
    same "c 1 3" "$(stat -c '%A %t %T' null | cut -c1,11-)" "device numbers"
    mknod disk b 259 70000
    same "103 11170" "$(stat -c '%t %T' disk)" "large device numbers"
fi

say "all of it after a remount"
cd /
list_tree "$MNT" >"$S/before"
remount_fs
list_tree "$MNT" >"$S/after"
diff "$S/before" "$S/after" || fail "the tree has changed"
same hello "$(head -n 1 "$MNT/b")" "contents after a remount"

say "statfs and removal"
same fuseblk_or_fuse "$(stat -f -c %T "$MNT" | sed 's/^fuse.*/fuseblk_or_fuse/')" "type"
[ "$(stat -f -c %a "$MNT")" -gt 0 ] || fail "statfs shows no free space"
same 255 "$(stat -f -c %l "$MNT")" "longest name"
rm -rf "${MNT:?}"/*
same "" "$(ls -A "$MNT")" "everything is gone"
umount_fs
check_store
