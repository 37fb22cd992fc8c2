#!/bin/sh
# fsck finds damaged bytes wherever they are, names the file where it can, and exits with 4. Nothing
# that is damaged crashes any command.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
"$FLUXFS" mkfs "$STORE" >/dev/null
fill_store
mount_fs
# More than a memtable holds, so that there are tables, of bytes that do not compress.
mkdir "$MNT/big"
i=0
while [ "$i" -lt 40 ]; do
    head -c 1M /dev/urandom >"$MNT/big/$i"
    i=$((i + 1))
done
umount_fs
check_store
largest=$(cd "$STORE" && ls -S | head -n 1)
len=$(stat -c %s "$STORE/$largest")

# flip STORE FILE OFFSET: invert one byte.
flip() {
    byte=$(od -An -tu1 -j "$3" -N 1 "$1/$2" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((255 - byte)))" |
        dd of="$1/$2" bs=1 seek="$3" conv=notrunc status=none
}

say "a byte in the middle of $largest, $len bytes"
cp -a "$STORE" "$S/bad"
flip "$S/bad" "$largest" $((len / 2))
exits 4 "$largest" "$FLUXFS" fsck -n "$S/bad"
exits 4 "big/.*are lost\|$largest" "$FLUXFS" fsck -n "$S/bad"
cp "$S/exits.out" "$S/report"
grep -q "/big/[0-9]*: bytes [0-9]* to [0-9]* are lost" "$S/report" || {
    sed 's/^/    /' "$S/report" >&2
    fail "the damaged file is not named"
}
exits 4 '"clean": false' "$FLUXFS" fsck --json "$S/bad"
exits 4 '"path": "/big/' "$FLUXFS" fsck --json "$S/bad"
exits 4 '"first_byte": ' "$FLUXFS" fsck --json "$S/bad"
exits 0 "^/big:$" "$FLUXFS" ls -R "$S/bad"
exits 4 "needs -y" "$FLUXFS" fsck -p "$S/bad"
grep -q "/big/[0-9]*: bytes [0-9]* to [0-9]* are lost" "$S/exits.out" || fail "-p names no file"
exits 1 "/big/[0-9]*: bytes [0-9]* to [0-9]* are lost" "$FLUXFS" fsck -y "$S/bad"
exits 0 "lost since an earlier repair" "$FLUXFS" fsck -n "$S/bad"
damaged=$(sed -n 's|^/big/\([0-9]*\): bytes .* are lost.*|\1|p' "$S/report" | head -n 1)
i=0
while [ "$i" -lt 40 ]; do
    status=0
    "$FLUXFS" cat "$S/bad" "/big/$i" >"$S/out" 2>"$S/err" || status=$?
    if [ "$i" = "$damaged" ]; then
        [ "$status" -ne 0 ] || fail "a lost block was read without an error"
    else
        [ "$status" -eq 0 ] || fail "/big/$i cannot be read, and only /big/$damaged is damaged"
    fi
    i=$((i + 1))
done

say "a byte here and there in each file"
for file in "$STORE"/*; do
    name=$(basename "$file")
    [ "$name" != LOCK ] || continue
    file_len=$(stat -c %s "$file")
    [ "$file_len" -gt 0 ] || continue
    for share in 0 1 5 9; do
        offset=$((file_len * share / 10 + share))
        [ "$offset" -lt "$file_len" ] || continue
        rm -rf "$S/bad"
        cp -a "$STORE" "$S/bad"
        flip "$S/bad" "$name" "$offset"
        for command in fsck "ls -lR" dump stat; do
            status=0
            # shellcheck disable=SC2086
            timeout 60 "$FLUXFS" $command "$S/bad" >"$S/out" 2>&1 || status=$?
            case $command:$status in
            fsck:[048] | ls*:[01] | dump:[01] | stat:[01]) ;;
            *)
                tail -n 5 "$S/out" >&2
                fail "$command exits with $status: $name damaged at $offset"
                ;;
            esac
        done
    done
done

say "a table that is cut off, and one that is gone"
rm -rf "$S/bad"
cp -a "$STORE" "$S/bad"
truncate -s $((len / 2)) "$S/bad/$largest"
exits 4 "$largest" "$FLUXFS" fsck -n "$S/bad"
rm "$S/bad/$largest"
exits 4 "$largest" "$FLUXFS" fsck -n "$S/bad"
