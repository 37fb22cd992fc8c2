#!/bin/sh
# Renames in all their forms, also with the flags of renameat2(2).
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
cd "$MNT"
rename2="$HELPERS/renameat2"

echo 1 >a
mv a b
same "b 1" "$(ls) $(cat b)" "plain rename"
echo 2 >c
ino=$(stat -c %i c)
mv -f c b
same "b 2 $ino" "$(ls) $(cat b) $(stat -c %i b)" "rename over a file"
mkdir d e
mv -T d e
same "b e" "$(ls | tr '\n' ' ' | sed 's/ $//')" "rename over an empty directory"
mkdir full
touch full/x
mkdir g
refused "not empty" mv -T g full
refused "is a directory" "$rename2" 0 b g
refused "not a directory" "$rename2" 0 g b
mkdir -p g/h/i
refused "invalid argument" "$rename2" 0 g g/h/i/j
refused "not empty" "$rename2" 0 g/h/i g
mv g/h e/
same 3 "$(stat -c %h e)" "links of the new parent"
same 2 "$(stat -c %h g)" "links of the old parent"
[ "$(stat -c %i e/h/..)" = "$(stat -c %i e)" ] || fail "'..' does not follow the rename"
ln b same_inode
"$rename2" 0 b same_inode
same "b same_inode" "$(ls b same_inode | tr '\n' ' ' | sed 's/ $//')" "rename onto another link of itself"

say "flags"
echo x >x
echo y >y
refused "exists" "$rename2" noreplace x y
same "x y" "$(cat x y | tr '\n' ' ' | sed 's/ $//')" "NOREPLACE has changed nothing"
"$rename2" noreplace x z
same x "$(cat z)" "NOREPLACE onto a free name"
"$rename2" exchange y z
same "x y" "$(cat y z | tr '\n' ' ' | sed 's/ $//')" "EXCHANGE of files"
mkdir -p p/q
echo f >file
"$rename2" exchange p file
same f "$(cat p)" "EXCHANGE of a directory and a file"
same q "$(ls file)" "EXCHANGE of a file and a directory"
"$rename2" exchange file/q p
[ -d p ] || fail "EXCHANGE across directories"
same f "$(cat file/q)" "EXCHANGE across directories"
same "2 2" "$(stat -c %h file p | tr '\n' ' ' | sed 's/ $//')" "links after EXCHANGE across directories"
refused "no such file" "$rename2" exchange p missing
echo w >w
"$rename2" whiteout w v
same "w character special file 0:0 0" "$(cat v) $(stat -c '%F %t:%T %a' w)" "WHITEOUT leaves a device 0:0"
"$rename2" whiteout v p/v
same "w 2" "$(cat p/v) $(find . -type c | wc -l | tr -d ' ')" "WHITEOUT across directories"
refused "exists" "$rename2" 5 p/v w
"$rename2" 5 p/v p/u
same "w character special file" "$(cat p/u) $(stat -c %F p/v)" "WHITEOUT with NOREPLACE"
refused "invalid argument" "$rename2" 6 p/u w

cd /
list_tree "$MNT" >"$S/before"
remount_fs
list_tree "$MNT" >"$S/after"
diff "$S/before" "$S/after" || fail "the tree has changed"
umount_fs
check_store
