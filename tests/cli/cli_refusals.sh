#!/bin/sh
# What is no usable store is refused by every command that reads one, with the reason, and is left
# exactly as it was.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"

# refused_by_all STORE TEXT [STATUS [TEXT]]: by each command that opens a store; fsck has a status
# of its own, and may have a text.
refused_by_all() {
    before=$(cd "$1" 2>/dev/null && find . -type f ! -name LOCK -exec cksum {} + | sort) || :
    exits 1 "$2" "$FLUXFS" ls "$1"
    exits 1 "$2" "$FLUXFS" cat "$1" /file
    exits 1 "$2" "$FLUXFS" dump "$1"
    exits 1 "$2" "$FLUXFS" stat "$1"
    exits "${3:-8}" "${4:-$2}" "$FLUXFS" fsck -n "$1"
    same "$before" "$(cd "$1" 2>/dev/null && find . -type f ! -name LOCK -exec cksum {} + | sort)" \
        "the files of $1"
}

refused_by_all "$S/missing" "there is no store"
[ ! -e "$S/missing" ] || fail "a look has made something"

mkdir "$S/other"
echo precious >"$S/other/file"
refused_by_all "$S/other" "not a FluxFS store"
same file "$(ls "$S/other")" "files of a directory that is no store"
: >"$S/file"
refused_by_all "$S/file" "$S/file"

"$FLUXFS" mkfs "$STORE" >/dev/null
say "no superblock"
cp -a "$STORE" "$S/nosuper"
rm "$S/nosuper/SUPERBLOCK"
refused_by_all "$S/nosuper" "not a FluxFS store" 4 "it has no file SUPERBLOCK"

say "one damaged copy of the superblock does no harm, two do"
cp -a "$STORE" "$S/half"
printf rubbish | dd of="$S/half/SUPERBLOCK" bs=1 seek=40 conv=notrunc status=none
exits 0 "" "$FLUXFS" ls "$S/half"
printf rubbish | dd of="$S/half/SUPERBLOCK" bs=1 seek=4136 conv=notrunc status=none
refused_by_all "$S/half" "SUPERBLOCK" 4

if [ -x "$HELPERS/store_version" ]; then
    say "a newer format"
    cp -a "$STORE" "$S/newer"
    "$HELPERS/store_version" "$S/newer/SUPERBLOCK" 99 0
    refused_by_all "$S/newer" "version 99"
    "$HELPERS/store_version" "$S/newer/SUPERBLOCK" 1 0x40
    refused_by_all "$S/newer" "0x40"
fi

say "damage to CURRENT and to the manifest"
cp -a "$STORE" "$S/current"
echo rubbish >"$S/current/CURRENT"
refused_by_all "$S/current" "CURRENT" 4
cp -a "$STORE" "$S/manifest"
rm "$S/manifest"/MANIFEST-*
refused_by_all "$S/manifest" "MANIFEST" 4

exits 1 "not mounted" "$FLUXFS" umount "$STORE"
exits 1 "not mounted" "$FLUXFS" umount "$S"
exits 1 "No such file" "$FLUXFS" umount "$S/missing"
exits 1 "not a FluxFS mount: its type is proc" "$FLUXFS" umount /proc
