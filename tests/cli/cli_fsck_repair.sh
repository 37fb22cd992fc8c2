#!/bin/sh
# fsck repairs: its modes, exit statuses, questions on a terminal, progress on a descriptor, JSON,
# and a copy to go back to. What is damaged is made with lsmctl, behind the file system's back.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
need_command script
"$FLUXFS" mkfs "$STORE" >/dev/null
fill_store

ROOT='\x00\x00\x00\x00\x00\x00\x00\x01'

# damage STORE: an orphan that does not exist (safe to repair), a key of an unknown kind (not safe).
damage() {
    rm -rf "$1"
    cp -a "$STORE" "$1"
    "$LSMCTL" put "$1" 'O\x00\x00\x00\x00\x00\x50\x00\x00' ''
    "$LSMCTL" put "$1" 'Unknown' 'key'
}

# files STORE: what it holds, file by file.
files() {
    (cd "$1" && find . -type f ! -name LOCK -exec cksum {} + | sort)
}

say "-n finds and changes nothing"
damage "$S/bad"
before=$(files "$S/bad")
exits 4 "listed as an orphan but does not exist" "$FLUXFS" fsck -n "$S/bad"
exits 4 "unknown kind" "$FLUXFS" fsck -n "$S/bad"
exits 4 "2 errors were found; nothing was changed" "$FLUXFS" fsck -n "$S/bad"
for phase in store facts names inodes tree; do
    exits 4 "^Phase [1-5]: $phase" "$FLUXFS" fsck -n "$S/bad"
done
same "$before" "$(files "$S/bad")" "files after -n"
"$FLUXFS" fsck -n "$STORE" >"$S/phases" || fail "fsck -n"
same "1 2 3 4 5 " "$(sed -n 's/^Phase \([0-9]\): .*/\1/p' "$S/phases" | tr '\n' ' ')" "phases"

say "without a mode and without a terminal nothing is asked"
exits 8 "there is no terminal to ask at" "$FLUXFS" fsck "$S/bad"
same "$before" "$(files "$S/bad")" "files after a question that nobody could answer"
exits 0 "clean" "$FLUXFS" fsck "$STORE"

say "-p repairs what is safe, -y all"
exits 5 "repaired: take it off the list" "$FLUXFS" fsck -p "$S/bad"
exits 4 "left: -y would delete the keys" "$FLUXFS" fsck -a "$S/bad"
exits 1 "repaired: delete the keys" "$FLUXFS" fsck -y -v "$S/bad"
same 1 "$(grep -c '^Phase 1: ' "$S/exits.out")" "first phases in several rounds"
exits 0 ": clean: 5 files" "$FLUXFS" fsck -y -f -r "$S/bad"
exits 0 ": clean: 5 files" "$FLUXFS" fsck -p "$S/bad"
exits 16 "only one of" "$FLUXFS" fsck -p -y "$S/bad"
exits 16 "only one of" "$FLUXFS" fsck -n -a "$S/bad"
exits 16 "name one store" "$FLUXFS" fsck -y
exits 16 "file descriptor" "$FLUXFS" fsck -Cx "$S/bad"
exits 8 "no store" "$FLUXFS" fsck -y "$S/missing"
exits 0 "^fsck.fluxfs [0-9]" "$FLUXFS" fsck -V

say "JSON"
damage "$S/bad"
exits 4 '"status": 4' "$FLUXFS" fsck --json "$S/bad"
exits 5 '"outcome": "left"' "$FLUXFS" fsck --json -p "$S/bad"
exits 1 '"action": "delete the keys"' "$FLUXFS" fsck --json -y "$S/bad"
grep -q '"status": 1' "$S/exits.out" || fail "the exit status is not in the JSON"
grep -q '"repaired_count": 1' "$S/exits.out" || fail "the repairs are not counted"
exits 0 '"clean": true' "$FLUXFS" fsck --json -y "$S/bad"

say "a part of the tree"
damage "$S/bad"
exits 0 "only this part of the tree is checked" "$FLUXFS" fsck -n --path /dir "$S/bad"
exits 0 "/dir: clean: 3 files, 2 directories" "$FLUXFS" fsck -y --path /dir "$S/bad"
exits 0 '"subtree": "/dir/sub"' "$FLUXFS" fsck --json --path /dir/sub "$S/bad"
exits 8 "/missing: " "$FLUXFS" fsck -y --path /missing "$S/bad"
exits 4 "2 errors" "$FLUXFS" fsck -n "$S/bad"

say "a copy to go back to"
damage "$S/bad"
exits 1 "" "$FLUXFS" fsck -y --backup "$S/backup" "$S/bad"
exits 0 "clean" "$FLUXFS" fsck -n "$S/bad"
exits 4 "unknown kind" "$FLUXFS" fsck -n "$S/backup"
damage "$S/bad"
exits 8 "cannot be made, so nothing is changed" "$FLUXFS" fsck -y --backup "$S/backup" "$S/bad"
exits 4 "2 errors" "$FLUXFS" fsck -n "$S/bad"
exits 0 "clean" "$FLUXFS" fsck -y --backup "$S/backup2" "$STORE"
[ ! -e "$S/backup2" ] || fail "a copy was made without a change"
exits 16 "changes nothing" "$FLUXFS" fsck -n --backup "$S/backup2" "$S/bad"

say "progress on a descriptor"
for option in -C5 "-C 5"; do
    # shellcheck disable=SC2086
    "$FLUXFS" fsck -n $option "$STORE" >/dev/null 5>"$S/progress" || fail "fsck $option"
    grep -q "^1 [0-9]* [0-9]* $STORE$" "$S/progress" || fail "$option: no progress of phase 1"
    grep -q "^5 [0-9]* [0-9]* $STORE$" "$S/progress" || fail "$option: no progress of phase 5"
    ! grep -qv "^[1-5] [0-9]* [0-9]* $STORE$" "$S/progress" || fail "$option: other lines"
    same 1 "$(grep -c "^1 0 1 $STORE$" "$S/progress")" "$option: beginnings of phase 1"
done

# ask STATUS ANSWERS: fsck asks on a terminal.
ask() {
    asked=0
    printf "$2" | timeout 60 script -qec "exec '$FLUXFS' fsck '$S/bad'" /dev/null >"$S/asked" 2>&1 ||
        asked=$?
    if [ "$asked" -ne "$1" ]; then
        sed 's/^/    /' "$S/asked" >&2
        fail "answers '$2': status $asked, expected $1"
    fi
}

say "questions on a terminal"
damage "$S/bad"
ask 4 'n\nno\n'
grep -q "Fix<y>?" "$S/asked" || fail "nothing was asked"
same 2 "$(grep -c 'Fix<y>?' "$S/asked")" "questions"
exits 4 "2 errors" "$FLUXFS" fsck -n "$S/bad"
ask 5 'y\nn\n'
exits 4 "1 error was" "$FLUXFS" fsck -n "$S/bad"
ask 1 '\n'
exits 0 "clean" "$FLUXFS" fsck -n "$S/bad"

say "an interrupt at a question"
damage "$S/bad"
: >"$S/asked"
asked=0
{
    i=0
    until grep -q 'Fix<y>' "$S/asked" || [ "$i" -ge 600 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    printf '\003'
} | timeout 100 script -qefc "exec '$FLUXFS' fsck '$S/bad'" /dev/null >"$S/asked" 2>&1 || asked=$?
same 32 "$asked" "status after an interrupt"
grep -q "cancelled; what was repaired stays so" "$S/asked" || fail "the interrupt is not told"
exits 4 "2 errors" "$FLUXFS" fsck -n "$S/bad"

say "yes to all"
damage "$S/bad"
ask 1 'what\na\n'
same 2 "$(grep -c 'Fix<y>?' "$S/asked")" "questions before yes to all"
exits 0 "clean" "$FLUXFS" fsck -n "$S/bad"

say "a progress bar on a terminal"
script -qec "exec '$FLUXFS' fsck -n -C0 '$STORE'" /dev/null >"$S/bar" 2>&1 || fail "fsck -C0"
grep -q "store .*\[.*%" "$S/bar" || fail "no progress bar"

say "a lost root"
rm -rf "$S/bad"
cp -a "$STORE" "$S/bad"
"$LSMCTL" delete "$S/bad" "I$ROOT"
exits 4 "root directory" "$FLUXFS" fsck -p "$S/bad"
exits 1 "make a root directory" "$FLUXFS" fsck -y "$S/bad"
exits 0 "^dir$" "$FLUXFS" ls "$S/bad"
exits 0 "clean" "$FLUXFS" fsck -n "$S/bad"

say "losses that nobody has looked at"
rm -rf "$S/bad"
cp -a "$STORE" "$S/bad"
printf 'FLUXLOS1 and then nothing of use' >"$S/bad/LOSSES"
for mode in -n -p -y; do
    exits 8 "not completed; run fsck.fluxfs -y" "$FLUXFS" fsck $mode --path /dir "$S/bad"
done
exits 4 "needs -y" "$FLUXFS" fsck -p "$S/bad"
exits 1 "1 error was repaired" "$FLUXFS" fsck -y "$S/bad"
exits 0 "clean" "$FLUXFS" fsck -p "$S/bad"

say "features of a newer program"
FORMAT='\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00'
damage "$S/bad"
"$LSMCTL" put "$S/bad" Sformat "$FORMAT"
for mode in -p -y; do
    exits 8 "check, but not repair" "$FLUXFS" fsck $mode "$S/bad"
done
exits 4 "2 errors were found" "$FLUXFS" fsck -n "$S/bad"

say "in use"
mount_fs
for mode in -n -p -y; do
    exits 8 "in use by process $DAEMON" "$FLUXFS" fsck $mode "$STORE"
done
umount_fs

say "by fsck(8)"
if command -v fsck >/dev/null && is_root; then
    mkdir "$S/bin"
    ln -s "$FLUXFS" "$S/bin/fsck.fluxfs"
    damage "$S/bad"
    exits 4 "2 errors" env PATH="$S/bin:$PATH" fsck -t fluxfs "$S/bad" -n
    exits 5 "" env PATH="$S/bin:$PATH" fsck -C -t fluxfs "$S/bad" -p
    exits 1 "" env PATH="$S/bin:$PATH" fsck -T -V -t fluxfs "$S/bad" -y
    exits 0 "" env PATH="$S/bin:$PATH" fsck -t fluxfs "$S/bad" -y
fi
