#!/bin/sh
# Extended attributes.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command setfattr getfattr
mount_fs
cd "$MNT"
mkdir d
touch f d/g

value() {
    getfattr --absolute-names --only-values -h -n "$2" "$1" 2>/dev/null
}

setfattr -n user.colour -v green f
same green "$(value f user.colour)" "an attribute"
setfattr -n user.colour -v blue f
same blue "$(value f user.colour)" "a changed attribute"
setfattr -n user.empty f
same "" "$(value f user.empty)" "an empty attribute"
setfattr -n user.dir -v yes d
same "user.colour user.empty" \
    "$(getfattr -d f | sed -n 's/^\(user[^=]*\).*/\1/p' | sort | tr '\n' ' ' | sed 's/ $//')" "the list"
big=$(head -c 30000 /dev/zero | tr '\000' v)
setfattr -n user.big -v "$big" f
same "$big" "$(value f user.big)" "a large attribute"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    setfattr -n "user.many$i" -v "$i" d/g
done
same 20 "$(getfattr -d d/g | grep -c ^user.many)" "many attributes"
setfattr -x user.many7 d/g
same 19 "$(getfattr -d d/g | grep -c ^user.many)" "after removing one"
refused "no such attribute" setfattr -x user.many7 d/g
refused "no such attribute" getfattr -n user.none f
refused "not supported\|not permitted" setfattr -n nonsense.x -v 1 f
longname=user.$(printf '%250s' '' | tr ' ' a)
setfattr -n "$longname" -v long f
same long "$(value f "$longname")" "the longest name"
if is_root; then
    setfattr -n trusted.t -v root f
    same root "$(value f trusted.t)" "a trusted attribute"
fi
cp --preserve=all f copy
same "$big" "$(value copy user.big)" "cp keeps attributes"
mv f d/moved
same blue "$(value d/moved user.colour)" "rename keeps attributes"

getfattr -R -d -m - . 2>/dev/null | sort >"$S/before"
cd /
remount_fs
cd "$MNT"
getfattr -R -d -m - . 2>/dev/null | sort >"$S/after"
diff "$S/before" "$S/after" || fail "attributes differ after a remount"
rm -r d copy
cd /
umount_fs
check_store
