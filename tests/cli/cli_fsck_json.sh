#!/bin/sh
# What fsck --json prints is JSON in UTF-8 whatever bytes names have: those in the store, legal and
# illegal ones, that of the store itself, a label, what is quoted from damaged bytes. Names that are
# no UTF-8 are there byte by byte.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
need_command sqlite3
need_command iconv

BAD=$(printf 'no\377utf8 \300\257 end')
QUOTES='qu"o\te\\s'
CONTROL=$(printf 'c\001\033[31m\t\177\r\nend')

# json STATUS COMMAND...: the command ends so, and what it prints is JSON; it is then in $S/json.
json() {
    json_expected=$1
    shift
    json_status=0
    "$@" >"$S/json" 2>"$S/json.err" </dev/null || json_status=$?
    if [ "$json_status" -ne "$json_expected" ]; then
        sed 's/^/    /' "$S/json" "$S/json.err" >&2
        fail "expected status $json_expected, found $json_status: $*"
    fi
    iconv -f UTF-8 -t UTF-8 "$S/json" >"$S/json.utf8" 2>&1 || fail "no UTF-8: $*"
    same 1 "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$S/json') AS TEXT))")" "JSON of $*"
}

# field PATH: of the JSON.
field() {
    sqlite3 :memory: "SELECT json_extract(CAST(readfile('$S/json') AS TEXT), '$1')"
}

# problems COLUMN: one field of all problems, a line each, as hexadecimal digits.
problems() {
    sqlite3 :memory: "SELECT hex(json_extract(value, '$.$1')) FROM
        json_each(CAST(readfile('$S/json') AS TEXT), '$.problems')"
}

hex() {
    printf '%s' "$1" | od -An -tx1 | tr -d ' \n' | tr a-f A-F
}

# escaped NUMBER: as the eight bytes of a key, for lsmctl.
escaped() {
    printf '%016x' "$1" | sed 's/../\\x&/g'
}

"$FLUXFS" mkfs -L "$QUOTES" "$STORE" >/dev/null
mount_fs
for name in "$BAD" "$QUOTES" "$CONTROL"; do
    mkdir "$MNT/$name"
    : >"$MNT/$name/file"
    stat -c %i "$MNT/$name/file"
done >"$S/inodes"
umount_fs
while read -r ino; do
    "$LSMCTL" put "$STORE" "O$(escaped "$ino")" ''
done <"$S/inodes"

say "names of files"
json 4 "$FLUXFS" fsck --json -n "$STORE"
same 3 "$(field '$.problem_count')" "problems"
problems path >"$S/paths"
for name in "$QUOTES" "$CONTROL"; do
    grep -qx "$(hex "/$name/file")" "$S/paths" || fail "the path of $name is not there"
done
problems path_hex >"$S/paths"
grep -qix "$(hex "$(hex "/$BAD/file" | tr A-F a-f)")" "$S/paths" ||
    fail "the path that is no UTF-8 is not there in hexadecimal digits"

say "names of a part of the tree"
for name in "$BAD" "$QUOTES" "$CONTROL"; do
    json 4 "$FLUXFS" fsck --json -n --path "/$name" "$STORE"
    same 1 "$(field '$.problem_count')" "problems of a part"
done
same "$(hex "/$CONTROL")" "$(hex "$(field '$.subtree')")" "the part's name"

say "names that no file can have, and other bytes that are no text"
for name in 'a/b' '\x00\x01"' '..' '\xff\xfe/' 'a\\b\x0a/"'; do
    "$LSMCTL" put "$STORE" "D$(escaped 1)$(escaped 77)$name" 'no record \xff"\x00'
done
"$LSMCTL" put "$STORE" '\xff"\x01\x00' '\xfe'
"$LSMCTL" put "$STORE" 'Slabel' 'l"\x01\xff\x00\x1b'
"$LSMCTL" put "$STORE" "I$(escaped 99999999)" '\xff"\x01'
json 4 "$FLUXFS" fsck --json -n "$STORE"
[ "$(field '$.problem_count')" -ge 10 ] || fail "too few problems"
cp -a "$STORE" "$S/$BAD$QUOTES"
json 5 "$FLUXFS" fsck --json -p "$STORE"
json 1 "$FLUXFS" fsck --json -y "$STORE"
json 0 "$FLUXFS" fsck --json -n "$STORE"

say "the name of the store"
STORE="$S/$BAD$QUOTES"
json 4 "$FLUXFS" fsck --json -n "$STORE"
same "$(hex "$(hex "$STORE" | tr A-F a-f)")" "$(hex "$(field '$.store_hex')")" "the store's name"
json 1 "$FLUXFS" fsck --json -y "$STORE"
json 0 "$FLUXFS" fsck --json -n "$STORE"

say "damaged files of such a store"
for file in SUPERBLOCK CURRENT; do
    rm -rf "$S/other$BAD"
    cp -a "$STORE" "$S/other$BAD"
    printf '"\377\001\n"' >"$S/other$BAD/$file"
    json 4 "$FLUXFS" fsck --json -n "$S/other$BAD"
    json 1 "$FLUXFS" fsck --json -y "$S/other$BAD"
    json 0 "$FLUXFS" fsck --json -n "$S/other$BAD"
done
