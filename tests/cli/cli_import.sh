#!/bin/sh
# import: all kinds of archives, what has the name already, hostile and damaged archives, interrupts.
# What an export makes of it all: cli_export.sh.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"

import=
test_cleanup() {
    [ -z "$import" ] || kill "$import" 2>/dev/null
}

TAB=$(printf '\t')

# archive FILE FORMAT [COMPRESSION]: of what comes in, with | for tabs.
archive() {
    tr '|' "$TAB" | "$HELPERS/make_archive" "$@" || fail "make_archive $*"
}

# A new store in $STORE.
new_store() {
    rm -rf "$STORE"
    "$FLUXFS" mkfs -q "$STORE"
}

# names [PATH]: what is in the store, one line.
names() {
    "$FLUXFS" ls -a "$STORE" "${1:-/}" | grep -v '^\.\.\?$' | tr '\n' ' ' | sed 's/ $//'
}

# contents PATH...: of these files, with blanks between.
contents() {
    for path in "$@"; do
        printf '%s ' "$("$FLUXFS" cat "$STORE" "$path")"
    done | sed 's/ $//'
}

say "formats and compressions"
printf '%s\n' 'dir|d|750' 'file|d/a|some text|4751' 'symlink|d/l|a' 'file|d/empty||600' >"$S/plain"
for format in pax gnutar ustar v7tar newc odc zip 7zip; do
    archive "$S/a.$format" "$format" <"$S/plain"
    new_store
    exits 0 "^$S/a.$format: 2 files (9 bytes), [12] director[a-z]*, 1 symbolic link in " \
        "$FLUXFS" import --same-owner "$S/a.$format" "$STORE"
    same "some text" "$("$FLUXFS" cat "$STORE" d/a)" "contents from $format"
    exits 0 "^-rwsr-x--x .* 9 2017-07-14 02:40:00 a$" "$FLUXFS" ls -l "$STORE" d
    exits 0 "^drwxr-x--- .* 2017-07-14 02:40:00 d$" "$FLUXFS" ls -l "$STORE"
    exits 0 "^lrwx.* l -> a$" "$FLUXFS" ls -l "$STORE" d
    check_store
done
for compression in gzip bzip2 xz lzma zstd lz4 compress lzip; do
    archive "$S/a.$compression" pax "$compression" <"$S/plain"
    new_store
    exits 0 "" "$FLUXFS" import -q "$S/a.$compression" "$STORE"
    [ ! -s "$S/exits.out" ] || fail "--quiet says something"
    same "some text" "$("$FLUXFS" cat "$STORE" d/a)" "contents from $compression"
done

say "standard input, and into a directory"
"$FLUXFS" import - "$STORE" /d <"$S/a.xz" >"$S/out" || fail "import from a pipe"
grep -q '^-: 2 files' "$S/out" || fail "no totals of standard input"
same "a d empty l" "$(names d)" "what is in d"
exits 1 ": d/a: Not a directory" "$FLUXFS" import "$S/a.pax" "$STORE" d/a
exits 1 ": d/l: Not a directory" "$FLUXFS" import "$S/a.pax" "$STORE" d/l
exits 1 "nothing: No such file" "$FLUXFS" import "$S/a.pax" "$STORE" nothing
exits 1 "no archive that can be read" "$FLUXFS" import "$S/plain" "$STORE"
: >"$S/nothing"
exits 1 "no archive that can be read" "$FLUXFS" import "$S/nothing" "$STORE"
exits 1 "No such file" "$FLUXFS" import "$S/missing" "$STORE"
exits 1 "there is no store" "$FLUXFS" import "$S/a.pax" "$S/missing"
printf '#mtree\n./stolen type=file contents=%s\n' "$S/plain" >"$S/a.mtree"
exits 1 "no archive that can be read" "$FLUXFS" import "$S/a.mtree" "$STORE"
check_store

say "owners"
new_store
printf '%s\n' 'file|a|x|6755' 'dir|d|2755' | archive "$S/o.tar" pax
"$FLUXFS" import -q --no-same-owner "$S/o.tar" "$STORE"
exits 0 "^-rwxr-xr-x *1 *$(id -u) *$(id -g) " "$FLUXFS" ls -l "$STORE"
"$FLUXFS" import -q --same-owner "$S/o.tar" "$STORE"
exits 0 "^-rwsr-sr-x *1 *0 *0 " "$FLUXFS" ls -l "$STORE"

say "what has the name already"
new_store
printf '%s\n' 'file|f|old' 'dir|e' 'dir|full' 'file|full/x|old' 'symlink|l|f' 'file|h|old' \
    'hard|h2|h' | archive "$S/old.tar" pax
"$FLUXFS" import -q "$S/old.tar" "$STORE"
printf '%s\n' 'file|f|first' 'file|f|second' 'file|e|new' 'dir|l' 'file|l/x|in it' 'file|h|new' \
    'dir|full|700' 'file|full/y|new' 'file|full|never' 'file|last|last' | archive "$S/new.tar" pax
exits 1 "new.tar: full: is a directory that is not empty, and was kept" \
    "$FLUXFS" import "$S/new.tar" "$STORE"
same "second new in it new old old new last" "$(contents f e l/x h h2 full/x full/y last)" "what was replaced"
exits 0 "^drwx------ .* full$" "$FLUXFS" ls -l "$STORE"
check_store
printf '%s\n' 'file|f|never' 'dir|full|777' 'file|full/z|new' | archive "$S/k.tar" pax
exits 1 "k.tar: f: exists, and was kept" "$FLUXFS" import -k "$S/k.tar" "$STORE"
same "second new" "$(contents f full/z)" "what was kept"
exits 0 "^drwx------ .* full$" "$FLUXFS" ls -l "$STORE"
check_store

say "hostile archives"
new_store
mkdir "$S/outside"
printf '%s\n' 'dir|target' 'symlink|target/old|../outside' 'dir|outside' 'file|outside/f|safe' |
    archive "$S/before.tar" pax
"$FLUXFS" import -q "$S/before.tar" "$STORE"
long=$(printf '%0300d' 0)
{
    printf '%s\n' 'file|../up|x' 'file|a/../../up|x' 'file|a/..|x' 'dir|..' 'hard|up|../outside/f' \
        'hard|up2|/../outside/f' 'hard|gone|outside/f' 'hard|top|.' 'symlink|link|../outside' \
        'file|link/x|x' "symlink|abs|$S/outside" 'file|abs/x|x' 'file|old/x|x' 'dir|old/sub' \
        'hard|viaold|old/f' 'file|outside|x' 'file|.|x' "file|$long|x" "file|d/$long/e|x" \
        'file|\0|x' 'symlink|nowhere|\0'
    printf '%s\n' "file|$S/outside/stripped|x" 'file|//etc//./passwd|x' 'file|./ok/./|x' 'file|ok2|fine'
} | archive "$S/hostile.tar" pax
exits 1 "" "$FLUXFS" import "$S/hostile.tar" "$STORE" target
cp "$S/exits.out" "$S/told"
for told in 'hostile.tar: ../up: ' 'hostile.tar: a/../../up: ' 'hostile.tar: a/..: ' ': \.\.: ' ': up: ' \
    ': up2: ' ': gone: a hard link to outside/f' ': top: ' ': link/x: link is no directory' \
    ': abs/x: abs is no directory' ': old/x: old is no directory' ': old/sub: ' ': viaold: ' \
    "$long.*longer than 255" 'an absolute name: leading slashes' 'names were absolute'; do
    grep -q -e "$told" "$S/told" || { cat "$S/told" >&2; fail "'$told' is not told"; }
done
same "abs etc link ok ok2 old outside $(echo "$S" | cut -d/ -f2)" "$(names target)" "what was made"
same "f" "$(names outside)" "what is outside of the target, in the store"
same "safe" "$("$FLUXFS" cat "$STORE" outside/f)" "a file outside of the target"
same "" "$(ls -A "$S/outside")" "what is outside of the store"
same "outside target" "$(names)" "the root of the store"
same "fine" "$("$FLUXFS" cat "$STORE" target/ok2)" "a good entry after bad ones"
check_store

say "archives that are cut short"
new_store
printf '%s\n' 'file|first|whole' 'big|second|3' 'file|third|never' | archive "$S/whole.tar" pax
head -c 2000000 "$S/whole.tar" >"$S/cut.tar"
exits 1 "cut.tar: damaged or cut short: .*; 1 file (5 bytes), 0 directories before that" \
    "$FLUXFS" import "$S/cut.tar" "$STORE"
same "first" "$(names)" "what was before the cut"
for compression in gzip bzip2 xz; do
    printf '%s\n' 'file|first|whole' 'big|second|3' 'file|third|never' | archive "$S/whole" pax "$compression"
    head -c 2000000 "$S/whole" >"$S/cut"
    exits 1 "cut: damaged or cut short" "$FLUXFS" import "$S/cut" "$STORE"
    # Bytes that do not compress are there as they are: only a checksum tells.
    {
        cat "$S/cut"
        printf 'rubbish'
        tail -c +2000008 "$S/whole"
    } >"$S/bad"
    exits 1 "bad: damaged or cut short" "$FLUXFS" import "$S/bad" "$STORE"
    "$FLUXFS" cat "$STORE" first | grep -q whole || fail "what was before the damage, with $compression"
done
{
    cat "$S/a.gzip"
    head -c 1024 /dev/zero
} >"$S/padded"
exits 0 "2 files" "$FLUXFS" import "$S/padded" "$STORE"
check_store

say "interrupts"
for signal in INT TERM; do
    new_store
    mkfifo "$S/pipe"
    # The reader waits for more: the signal comes in the middle of the second file. A shell has its
    # background processes ignore INT.
    env --default-signal=INT "$FLUXFS" import "$S/pipe" "$STORE" >"$S/out" 2>&1 &
    import=$!
    exec 9>"$S/pipe"
    head -c 2000000 "$S/whole.tar" >&9
    within 20 test -e "/proc/$import/fd/0"
    # All was taken when nothing is left in the pipe; the rest is libarchive's.
    within 20 sh -c "grep -q '^read_bytes\|^rchar' /proc/$import/io &&
        [ \$(awk '/^rchar/ { print \$2 }' /proc/$import/io) -ge 2000000 ]" || fail "nothing is read"
    kill -s "$signal" "$import"
    status=0
    wait "$import" || status=$?
    import=
    exec 9>&-
    rm "$S/pipe"
    same 1 "$status" "status after $signal"
    grep -q "interrupted; 1 file (5 bytes), 0 directories are in $STORE, whole and durable" "$S/out" ||
        { cat "$S/out" >&2; fail "the interrupt is not told"; }
    same "first" "$(names)" "what was before the interrupt"
    check_store
done

say "an import that is killed"
new_store
printf '%s\n' 'file|first|whole' 'file|dir/second|whole' 'big|third|40' | archive "$S/big.tar" pax
mkfifo "$S/pipe"
"$FLUXFS" import "$S/pipe" "$STORE" >"$S/out" 2>&1 &
import=$!
exec 9>"$S/pipe"
head -c 30000000 "$S/big.tar" >&9
kill -9 "$import"
wait "$import" 2>/dev/null || :
import=
exec 9>&-
rm "$S/pipe"
exits 0 "" "$FLUXFS" import -q "$S/k.tar" "$STORE" # opening it purges what was begun
check_store
exits 1 "third: No such file" "$FLUXFS" ls "$STORE" third
same "whole whole" "$(contents first dir/second)" "what came before"

say "a store that is full"
if is_root && mount -t tmpfs -o size=40m none "$MNT" 2>/dev/null; then
    printf '%s\n' 'file|first|whole' 'big|second|60' | archive "$S/big.tar" pax
    "$FLUXFS" mkfs -q "$MNT/s"
    status=0
    "$FLUXFS" import "$S/big.tar" "$MNT/s" >"$S/out" 2>&1 || status=$?
    same 1 "$status" "status on a full disk"
    grep -q "the disk is full; 1 file (5 bytes), 0 directories had been put" "$S/out" || { cat "$S/out" >&2; fail "a full disk is not told"; }
    STORE=$MNT/s
    same "first" "$(names)" "what is in the full store"
    check_store
    umount "$MNT"
fi
