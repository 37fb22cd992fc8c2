#!/bin/sh
# mkfs makes what was asked for, says so in one line, and never touches what exists; stat and dump
# show what it made.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"

exits 0 "block size 64 KiB, UUID [0-9a-f-]*$" "$FLUXFS" mkfs "$STORE"
same 1 "$(wc -l <"$S/exits.out")" "lines"
exits 1 "a store already" "$FLUXFS" mkfs "$STORE"
exits 0 "clean" "$FLUXFS" fsck "$STORE"
exits 0 'block size 4 KiB.*label "my data"' "$FLUXFS" mkfs "$S/b" --block-size 4K --label "my data"
exits 0 "my data" "$FLUXFS" stat "$S/b"
exits 0 "block size 1 MiB" "$FLUXFS" mkfs -b 1048576 "$S/c"
"$FLUXFS" mkfs -q "$S/quiet" >"$S/out"
[ ! -s "$S/out" ] || fail "quiet is not"
mkdir "$S/empty"
exits 0 "empty file system" "$FLUXFS" mkfs "$S/empty"

say "refusals"
for size in 0 1 4095 4097 2M 64X 64KX K -1 99999999999999999999 16777216T; do
    exits 2 "block size \"$size\"" "$FLUXFS" mkfs "$S/no" --block-size="$size"
done
exits 2 "label is longer" "$FLUXFS" mkfs "$S/no" --label "$(printf '%064d' 0)"
exits 2 "control character" "$FLUXFS" mkfs "$S/no" --label "$(printf 'a\tb')"
exits 2 "name one directory" "$FLUXFS" mkfs "$S/no" "$S/no2"
[ ! -e "$S/no" ] || fail "a refusal made something"
mkdir "$S/full"
echo precious >"$S/full/file"
exits 1 "not empty: it holds file" "$FLUXFS" mkfs "$S/full"
same precious "$(cat "$S/full/file")" "what was there"
exits 1 "." "$FLUXFS" mkfs "$S/full/file"
for kind in directory symlink fifo; do
    mkdir "$S/$kind"
    case $kind in
    directory) mkdir "$S/$kind/precious" ;;
    symlink) ln -s nowhere "$S/$kind/precious" ;;
    fifo) mkfifo "$S/$kind/precious" ;;
    esac
    exits 1 "not empty: it holds precious" "$FLUXFS" mkfs "$S/$kind"
    same precious "$(ls -A "$S/$kind")" "what is in a directory with a $kind after mkfs"
done
mkdir -p "$S/odd/LOCK"
exits 1 "not empty: it holds LOCK" "$FLUXFS" mkfs "$S/odd"
exits 1 "." "$FLUXFS" mkfs "$S/missing/store"

say "stat and dump of it"
exits 0 "^block size: *64 KiB" "$FLUXFS" stat "$STORE"
exits 0 '"block_size": 65536' "$FLUXFS" stat --json "$STORE"
exits 0 '^S "uuid": 16 bytes' "$FLUXFS" dump "$STORE"
grep -q "^I 1 directory mode 0755 uid $(id -u) gid $(id -g) nlink 2 size 0" "$S/exits.out" ||
    fail "dump does not show the root directory of the caller"
exits 0 "." "$FLUXFS" dump "$STORE" SUPERBLOCK CURRENT
exits 1 "NOTHING: not a kind of file" "$FLUXFS" dump "$STORE" NOTHING
exits 1 "no file MANIFEST-99999999" "$FLUXFS" dump "$STORE" MANIFEST-99999999
exits 0 "^\.$" "$FLUXFS" ls -a "$STORE"
same "" "$("$FLUXFS" ls "$STORE")" "the listing of an empty root"
same "[]" "$("$FLUXFS" ls --json "$STORE")" "the same as JSON"
