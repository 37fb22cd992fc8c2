#!/bin/sh
# Names: long, odd, Unicode, with newlines; none is confused with another.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
cd "$MNT"

nl='
'
long=$(printf '%255s' '' | tr ' ' n)
set -- "$long" "with space" " lead" "trail " "a${nl}b" "$nl" "tab	tab" "-rf" "--" "*" "?" "[a]" \
    "back\\slash" "quote\"" "quote'" ".hidden" "..." "grün" "日本語" "🦊" "é" "$(printf 'e\314\201')" \
    "$(printf '\377\376')" "$(printf '\001\177')" "A" "a" "dir" ".snapshots2"
i=0
for name in "$@"; do
    i=$((i + 1))
    printf '%s' "$i" >"./$name"
done
check_names() {
    i=0
    for name in "$@"; do
        i=$((i + 1))
        same "$i" "$(cat "$MNT/$name")" "contents of '$name'"
    done
    same "$#" "$(find "$MNT" -mindepth 1 -printf x | wc -c)" "number of names"
}
check_names "$@"

refused "too long" touch "./${long}x"
mkdir "$S/host"
i=0
for name in "$@"; do
    i=$((i + 1))
    printf '%s' "$i" >"$S/host/$name"
done
diff -r "$S/host" "$MNT" || fail "differs from the same names on the host"

say "a path that is nearly as long as paths may be"
deep=$(printf '%200s' '' | tr ' ' p)
(
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do
        mkdir "$deep"
        cd "$deep"
    done
    echo deep >leaf
)
same deep "$(find "$MNT" -name leaf -execdir cat {} +)" "18 directories down"
rm -r "${MNT:?}/$deep"

cd /
remount_fs
check_names "$@"
cd "$MNT"
for name in "$@"; do
    rm -- "$name"
done
same "" "$(ls -A)" "everything is gone"
cd /
umount_fs
check_store
