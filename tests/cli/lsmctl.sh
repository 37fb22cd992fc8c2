#!/bin/sh
# lsmctl: every command, keys and values of any bytes, and what it says when it cannot.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
: "${LSMCTL:?names the lsmctl command to test}"

say "help and wrong usage"
exits 0 "^Usage: lsmctl" "$LSMCTL" --help
exits 0 "^lsmctl [0-9]" "$LSMCTL" --version
exits 2 "^Usage: lsmctl" "$LSMCTL"
exits 2 'no command "frobnicate"' "$LSMCTL" frobnicate
for command in get put delete delete-range scan load stats verify repair dump flush compact snapshot \
    checkpoint time bench; do
    exits 0 "^Usage: lsmctl $command" "$LSMCTL" "$command" --help
    exits 0 "^  $command " "$LSMCTL" help
    exits 2 "lsmctl $command: unknown option --frob" "$LSMCTL" "$command" --frob
    exits 2 "name " "$LSMCTL" "$command"
    [ "$command" = dump ] || exits 2 "needs a value" "$LSMCTL" "$command" "$STORE" --wait
    [ "$command" = dump ] || exits 2 "not a number of bytes" "$LSMCTL" "$command" --cache-bytes x "$STORE"
done
exits 2 "not a whole number" "$LSMCTL" scan --limit -1 "$STORE"
exits 2 "or --from" "$LSMCTL" put "$STORE" key
exits 2 "not both" "$LSMCTL" put "$STORE" key value --from file
exits 2 "not both" "$LSMCTL" scan "$STORE" a --prefix b
exits 2 "1 to 4096" "$LSMCTL" get "$STORE" ""
exits 2 'a backslash must begin' "$LSMCTL" get "$STORE" 'a\q'
exits 2 'a backslash must begin' "$LSMCTL" get "$STORE" 'a\x1'
exits 2 "hexadecimal" "$LSMCTL" get --hex "$STORE" 123
[ ! -e "$STORE" ] || fail "wrong usage made a store"

say "a store that is missing, or is none"
exits 3 "there is no store" "$LSMCTL" put "$STORE" key value
exits 3 "there is no store" "$LSMCTL" scan "$STORE"
mkdir "$S/other"
: >"$S/other/file"
exits 3 "not a store" "$LSMCTL" scan "$S/other"
exits 3 "not a store" "$LSMCTL" put --create "$S/other" key value
same file "$(ls "$S/other")" "files of a directory that is no store"

say "put, get, delete"
exits 0 "" "$LSMCTL" put --create "$STORE" apple red
same red "$("$LSMCTL" get "$STORE" apple)" "a value"
exits 0 "" "$LSMCTL" put "$STORE" apple green
same green "$("$LSMCTL" get "$STORE" apple)" "a value that was replaced"
exits 0 "" "$LSMCTL" put "$STORE" empty ""
same "" "$("$LSMCTL" get "$STORE" empty)" "an empty value"
exits 0 "" "$LSMCTL" delete "$STORE" apple
exits 1 "no such key" "$LSMCTL" get "$STORE" apple
exits 0 "" "$LSMCTL" delete "$STORE" apple
exits 0 "" "$LSMCTL" put "$STORE" -- -dash value
same value "$("$LSMCTL" get "$STORE" -- -dash)" "a key that begins with a dash"

say "bytes of any kind"
exits 0 "" "$LSMCTL" put "$STORE" 'k\x00\t\n\\\xff' 'v\x00\n'
same 'v\x00\n' "$("$LSMCTL" get "$STORE" 'k\x00\x09\x0A\x5c\xFF')" "escapes"
same 76000a "$("$LSMCTL" get --hex "$STORE" 6b00090a5cff)" "hexadecimal digits"
exits 0 "" "$LSMCTL" put "$STORE" é 'ü"'
same "$(printf 'é\tü"')" "$("$LSMCTL" scan --prefix é "$STORE")" "UTF-8"
# A control character of U+0080 to U+009F, a zero in too many bytes, a surrogate: all are escaped.
"$LSMCTL" put --hex "$STORE" 6b c285c080eda080f09f98802c
same '\xc2\x85\xc0\x80\xed\xa0\x80😀,' "$("$LSMCTL" get "$STORE" k)" "what only looks like UTF-8"
head -c 3000000 /dev/urandom >"$S/large"
exits 0 "" "$LSMCTL" put "$STORE" large --from "$S/large"
"$LSMCTL" get --raw "$STORE" large | cmp - "$S/large" || fail "a large value"
"$LSMCTL" get "$STORE" large >"$S/large.text"
{ printf 'large\t' && cat "$S/large.text"; } >"$S/large.line"
same "1 pair" "$("$LSMCTL" load --create "$S/second" <"$S/large.line")" "loading a long line"
"$LSMCTL" get --raw "$S/second" large | cmp - "$S/large" || fail "a large value through text"
"$LSMCTL" put "$STORE" stdin --from - <"$S/large"
"$LSMCTL" get --raw "$STORE" stdin | cmp - "$S/large" || fail "a large value from standard input"
exits 3 "No such file" "$LSMCTL" put "$STORE" key --from "$S/nothing"
exits 3 "Is a directory" "$LSMCTL" put "$STORE" key --from "$S"

say "scan and load give each other's text"
for form in "" --hex; do
    rm -rf "$S/copy"
    # shellcheck disable=SC2086 # an option or nothing
    "$LSMCTL" scan $form "$STORE" >"$S/scan.text"
    # shellcheck disable=SC2086
    "$LSMCTL" load $form --quiet --create "$S/copy" <"$S/scan.text"
    # shellcheck disable=SC2086
    "$LSMCTL" scan $form "$S/copy" | cmp - "$S/scan.text" || fail "a copy by scan $form and load"
done
seq -f 'key%06.0f' 1 30000 | awk '{ printf "%s%c%s%c", $1, 0, "value of " $1, 0 }' >"$S/pairs"
same "30000 pairs" "$("$LSMCTL" load --null --create "$S/many" <"$S/pairs")" "a load of many"
"$LSMCTL" scan --null "$S/many" | cmp - "$S/pairs" || fail "scan --null"
exits 3 "zero byte" "$LSMCTL" scan --null "$STORE"
same "key000010 key000011" "$("$LSMCTL" scan --keys "$S/many" key000010 key000012 | xargs)" "a range"
same "key030000 key029999" "$("$LSMCTL" scan --keys --reverse --limit 2 "$S/many" | xargs)" "reverse"
same 10 "$("$LSMCTL" scan --prefix key00012 "$S/many" | wc -l | tr -d ' ')" "keys with a prefix"
same "" "$("$LSMCTL" scan --limit 0 "$S/many")" "no pairs"
same "" "$("$LSMCTL" scan "$S/many" key000012 key000010)" "a range from behind"
"$LSMCTL" delete-range "$S/many" key000002 key030000
same "key000001 key030000" "$("$LSMCTL" scan --keys "$S/many" | xargs)" "what delete-range left"

say "what is wrong in the input of load is told, and what came before is kept"
printf 'one\t1\ntwo\t2\nthree\nfour\t4\n' >"$S/input"
status=0
"$LSMCTL" load --create "$S/partial" <"$S/input" 2>"$S/err" || status=$?
same 3 "$status" "status of a load with a wrong line"
grep -q "line 3: there is no tab" "$S/err" || fail "the wrong line is not named: $(cat "$S/err")"
same "one two" "$("$LSMCTL" scan --keys "$S/partial" | xargs)" "keys before the wrong line"
printf '\tvalue\n' | refused "1 to 4096" "$LSMCTL" load "$S/partial"
printf 'key\0' | refused "no value" "$LSMCTL" load --null "$S/partial"
printf 'last\tline' | "$LSMCTL" load --quiet "$S/partial"
same line "$("$LSMCTL" get "$S/partial" last)" "a last line without a newline"
same "0 pairs" "$("$LSMCTL" load "$S/partial" </dev/null)" "an empty load"

say "snapshots and times"
"$LSMCTL" put --create "$S/history" apple green
"$LSMCTL" snapshot create "$S/history" 'first\x00'
"$LSMCTL" put "$S/history" apple red
"$LSMCTL" put "$S/history" lime green
"$LSMCTL" compact "$S/history"
same red "$("$LSMCTL" get "$S/history" apple)" "the newest value"
same green "$("$LSMCTL" get --snapshot 'first\x00' "$S/history" apple)" "the value in a snapshot"
exits 1 "no such key" "$LSMCTL" get --snapshot 'first\x00' "$S/history" lime
same "apple" "$("$LSMCTL" scan --keys --snapshot 'first\x00' "$S/history" | xargs)" "a snapshot's keys"
exits 3 "snapshot of that name already" "$LSMCTL" snapshot create "$S/history" 'first\x00'
"$LSMCTL" snapshot create "$S/history" second
same 'first\x00 second' "$("$LSMCTL" snapshot list "$S/history" | cut -f 1 | tr '\n' ' ' | sed 's/ $//')" "snapshots"
exits 0 '"name": "first\\\\x00"' "$LSMCTL" snapshot list --json "$S/history"
exits 0 "^snapshots: *2" "$LSMCTL" stats "$S/history"
exits 1 "no such snapshot" "$LSMCTL" snapshot remove "$S/history" third
exits 1 "no such snapshot" "$LSMCTL" scan --snapshot third "$S/history"
exits 2 "none of create, remove and list" "$LSMCTL" snapshot frobnicate "$S/history"
exits 2 "name a store and a snapshot" "$LSMCTL" snapshot create "$S/history"
exits 3 "1 to 255 bytes" "$LSMCTL" snapshot create "$S/history" ""
"$LSMCTL" snapshot remove "$S/history" 'first\x00'
same second "$("$LSMCTL" snapshot list "$S/history" | cut -f 1)" "snapshots that are left"
"$LSMCTL" checkpoint "$S/history" "$S/branch"
"$LSMCTL" put "$S/history" apple yellow
same red "$("$LSMCTL" get "$S/branch" apple)" "a value in a checkpoint"
same "apple" "$("$LSMCTL" scan --keys --snapshot second "$S/branch" apple b | xargs)" "its snapshot"
exits 0 "nothing is damaged" "$LSMCTL" verify "$S/branch"
exits 3 "something of that name already" "$LSMCTL" checkpoint "$S/history" "$S/branch"
exits 3 "No such file" "$LSMCTL" checkpoint "$S/history" "$S/nowhere/branch"
"$LSMCTL" put "$S/history" apple red
today=$(date +%Y-%m-%d)
"$LSMCTL" get --time "$S/history" apple >"$S/out"
case $(cat "$S/out") in
"$today "*" +0000	red" | "$(date +%Y-%m-%d) "*" +0000	red") ;;
*) fail "get --time: $(cat "$S/out")" ;;
esac
same "$(cut -f 1 "$S/out")" "$("$LSMCTL" time "$S/history" 5)" "the time of a sequence number"
exits 1 "no write with that number" "$LSMCTL" time "$S/history" 1000000
exits 2 "not a whole number" "$LSMCTL" time "$S/history" 1s

say "looking changes nothing"
before=$(cd "$STORE" && find . -type f -exec cksum {} + | sort)
exits 0 "sequence number: *[1-9]" "$LSMCTL" stats "$STORE"
exits 0 '"sequence_number": [1-9]' "$LSMCTL" stats --json "$STORE"
exits 0 "nothing is damaged" "$LSMCTL" verify "$STORE"
exits 0 '"damage_count": 0' "$LSMCTL" verify --json "$STORE"
exits 0 "manifest MANIFEST-" "$LSMCTL" dump "$STORE" CURRENT
exits 1 "there is no file 99999999.sst" "$LSMCTL" dump "$STORE" 99999999.sst
"$LSMCTL" scan "$STORE" >/dev/null
same "$before" "$(cd "$STORE" && find . -type f -exec cksum {} + | sort)" "the store's files"

say "flush and compact"
exits 0 "" "$LSMCTL" flush "$STORE"
exits 0 "" "$LSMCTL" compact "$STORE" a m
exits 0 "" "$LSMCTL" compact "$STORE"
exits 0 "^  level 6: " "$LSMCTL" stats "$STORE"
"$LSMCTL" scan --hex "$STORE" | cmp - "$S/scan.text" || fail "compacting changed what is there"

say "bench"
exits 0 "^scan " "$LSMCTL" bench --count 2000 --value-bytes 1K "$S/bench"
exits 0 "nothing is damaged" "$LSMCTL" verify "$S/bench"
exits 3 "there is a store already" "$LSMCTL" bench --count 10 "$S/bench"
exits 0 '"p999_us"' "$LSMCTL" bench --count 10 --json "$S/bench2"

say "a store in use"
mkfifo "$S/hold"
# The attempts below may have it open for a moment.
"$LSMCTL" load --wait 60 --quiet "$S/partial" <"$S/hold" &
holder=$!
exec 3>"$S/hold"
lock_is_held() {
    ! "$LSMCTL" flush "$S/partial" 2>"$S/err"
}
within 20 lock_is_held || fail "a store that is being loaded can be opened"
grep -q "in use by process $holder" "$S/err" || fail "the holder is not named: $(cat "$S/err")"
exits 3 "in use by process $holder" "$LSMCTL" get "$S/partial" one
exits 0 "manifest MANIFEST-" "$LSMCTL" dump "$S/partial" CURRENT
"$LSMCTL" get --wait 60 "$S/partial" late >"$S/late" 3>&- &
waiter=$!
printf 'late\tcomer\n' >&3
exec 3>&-
wait "$holder" || fail "the load failed"
wait "$waiter" || fail "waiting for the store failed"
same comer "$(cat "$S/late")" "what was read after waiting"

say "many readers at once, and no writer beside them"
mkfifo "$S/slow"
"$LSMCTL" scan "$STORE" >"$S/slow" &
reader=$!
exec 3<"$S/slow"
head -c 1 <&3 >/dev/null # it has opened the store, and waits until it can write more
same "" "$("$LSMCTL" get "$STORE" empty)" "a value beside another reader"
exits 3 "in use" "$LSMCTL" put "$STORE" key value
cat <&3 >/dev/null
exec 3<&-
wait "$reader" || fail "the reader was disturbed"

say "output that cannot be written"
for words in "get STORE large" "scan STORE" "stats STORE" "stats --json STORE" "verify STORE" \
    "dump STORE SUPERBLOCK" "--help"; do
    status=0
    # shellcheck disable=SC2086,SC2046 # lists of words
    "$LSMCTL" $(echo $words | sed "s,STORE,$STORE,") >/dev/full 2>"$S/err" || status=$?
    same 3 "$status" "status of lsmctl $words with a full disk"
    grep -q "could not be written" "$S/err" || fail "a full disk is not told: $words"
done
"$LSMCTL" scan "$STORE" | head -c 1 >/dev/null || fail "a reader that went away"
status=0
(trap '' PIPE && "$LSMCTL" get --raw "$STORE" large 2>"$S/err" | :) || status=$?
same 0 "$status" "a reader that never came"

say "damage is named"
"$LSMCTL" compact "$S/second"
# The file that holds the large value.
file=$(find "$S/second" -type f -size +1M -printf '%f\n' | head -n 1)
printf 'XXXX' | dd of="$S/second/$file" bs=1 seek=100000 conv=notrunc status=none
exits 4 "$file" "$LSMCTL" verify "$S/second"
exits 4 '"damage_count": [1-9]' "$LSMCTL" verify --json "$S/second"
exits 4 "$file.*lsmctl verify" "$LSMCTL" get "$S/second" large
echo rubbish >"$S/second/CURRENT"
exits 4 "CURRENT" "$LSMCTL" verify "$S/second"
exits 4 "CURRENT" "$LSMCTL" put "$S/second" key value

say "repair"
exits 0 "nothing is to be repaired" "$LSMCTL" repair "$STORE"
"$LSMCTL" scan --hex "$STORE" | cmp - "$S/scan.text" || fail "repairing a whole store changed it"
rm -rf "$S/broken"
cp -a "$STORE" "$S/broken"
echo rubbish >"$S/broken/CURRENT"
before=$(cd "$S/broken" && find . -type f -exec cksum {} + | sort)
exits 4 "would be repaired" "$LSMCTL" repair --dry-run "$S/broken"
exits 4 '"count": [1-9]' "$LSMCTL" repair --dry-run --json "$S/broken"
same "$before" "$(cd "$S/broken" && find . -type f -exec cksum {} + | sort)" "a store after a dry run"
exits 0 'repaired$' "$LSMCTL" repair "$S/broken"
exits 0 "nothing is damaged" "$LSMCTL" verify "$S/broken"
"$LSMCTL" scan --hex "$S/broken" | cmp - "$S/scan.text" || fail "what was repaired differs"
exits 0 "" "$LSMCTL" repair "$S/second"
exits 0 "nothing is damaged" "$LSMCTL" verify "$S/second"
exits 3 "there is no store" "$LSMCTL" repair "$S/nowhere"

if is_root; then
    say "without permission"
    chmod 700 "$S/partial"
    chmod 755 "$S"
    command -v setpriv >/dev/null || skip "needs the command setpriv"
    exits 3 "Permission denied" setpriv --reuid 65534 --clear-groups "$LSMCTL" scan "$S/partial"
fi
