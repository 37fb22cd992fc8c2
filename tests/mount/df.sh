#!/bin/sh
# What df and du say is true: before and after writing and deleting, on a small disk and with a limit
# of the store's size.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount

avail_kb() {
    df -k --output=avail "$MNT" | tail -n 1 | tr -d ' '
}
used_kb() {
    df -k --output=used "$MNT" | tail -n 1 | tr -d ' '
}
total_kb() {
    df -k --output=size "$MNT" | tail -n 1 | tr -d ' '
}
near() { # near EXPECTED FOUND TOLERANCE WHAT, in KiB
    is_near "$1" "$2" "$3" || fail "$4: $2 KiB, expected $1 give or take $3"
}
is_near() {
    [ "$2" -ge $(($1 - $3)) ] && [ "$2" -le $(($1 + $3)) ]
}
grown_by() {
    is_near "$1" "$(($(used_kb) - before_used))" "$2" && is_near "$1" "$((before_avail - $(avail_kb)))" "$2"
}
# While a log is being replaced by tables both take space, and that is told: never less than what was
# written, and not much more soon.
grows_by() { # grows_by EXPECTED TOLERANCE WHAT
    [ "$(($(used_kb) - before_used))" -ge $(($1 - $2)) ] || fail "$3: only $(($(used_kb) - before_used)) KiB"
    within 20 grown_by "$1" "$2" ||
        fail "$3: $(($(used_kb) - before_used)) KiB used, $((before_avail - $(avail_kb))) no longer available, expected $1"
}
noise() { # noise MIB FILE: bytes that do not compress
    head -c "$(($1 * 1048576))" /dev/urandom >"$2"
}
has_room() { # has_room KIB
    [ "$(avail_kb)" -ge "$1" ]
}

# What holds for any disk or store of so many KiB.
grow_and_shrink() { # grow_and_shrink TOTAL
    near "$1" "$(total_kb)" 64 "size"
    before_avail=$(avail_kb)
    before_used=$(used_kb)
    [ "$before_avail" -lt "$1" ] || fail "nothing is kept in reserve"
    say "$(total_kb) KiB in all, $before_avail available"
    noise 40 "$MNT/a"
    grows_by 40960 6000 "40 MiB"
    near 40960 "$(du -sk "$MNT" | cut -f1)" 200 "du"
    head -c 41943040 /dev/zero | tr '\0' z >"$MNT/z"
    grows_by 40960 9000 "and 40 MiB that compress"
    for i in $(seq 2000); do
        echo "$i" >"$MNT/small.$i"
    done
    grows_by 40960 12000 "and small files"
    say "after deleting"
    rm -r "$MNT"/*
    within 60 has_room $((before_avail - 6000)) ||
        fail "a minute after deleting $(avail_kb) KiB are available, before it were $before_avail"
    say "to the last byte"
    if dd if=/dev/urandom of="$MNT/all" bs=1M status=none 2>"$S/full.err"; then
        fail "the disk was not full"
    fi
    grep -qi "no space left" "$S/full.err" || fail "expected ENOSPC, got: $(cat "$S/full.err")"
    length_kb=$(du -k --apparent-size "$MNT/all" | cut -f1)
    [ "$length_kb" -ge $((before_avail * 3 / 4)) ] ||
        fail "df promised $before_avail KiB, and $length_kb could be written"
    [ "$(avail_kb)" -le $((before_avail / 10)) ] || fail "$(avail_kb) KiB are said to be left on a full disk"
    echo x 2>/dev/null >"$MNT/more" && cat "$MNT/all" >/dev/null || :
    rm -f "$MNT/all" "$MNT/more" || fail "rm on a full disk"
    within 60 has_room $((before_avail - 6000)) || fail "space does not come back: $(avail_kb) KiB"
    noise 5 "$MNT/again" || fail "writing again"
    rm "$MNT/again"
}

say "a store of at most 128 MiB"
mount_fs -o size=128M
grow_and_shrink 131072
[ "$(du -sk "$STORE" | cut -f1)" -le 140000 ] || fail "the store has $(du -sk "$STORE" | cut -f1) KiB"
same 255 "$(stat -f -c %l "$MNT")" "longest name"
[ "$(stat -f -c %d "$MNT")" -gt 1000000 ] || fail "no inodes are free"
say "kept over a remount, and gone without the option"
noise 30 "$MNT/kept"
remount_fs -o size=128M
near 131072 "$(total_kb)" 64 "size"
[ "$(used_kb)" -ge 30720 ] || fail "30 MiB are not used after a remount: $(used_kb)"
remount_fs -o size=16M
near 16384 "$(total_kb)" 64 "size"
same 0 "$(avail_kb)" "available in a store that is too large"
if (echo x >"$MNT/x") 2>/dev/null; then
    fail "a store that is too large took a file"
fi
rm "$MNT/kept" || fail "rm in a store that is too large"
remount_fs
[ "$(total_kb)" -gt 131072 ] || fail "still limited"
umount_fs
check_store
rm -r "$STORE"

is_root || skip "a small disk needs root; the rest passed"
say "a small tmpfs"
mkdir "$S/disk"
mount -t tmpfs -o size=160m tmpfs "$S/disk" || skip "cannot mount a tmpfs; the rest passed"
STORE=$S/disk/store
mount_fs
grow_and_shrink 163840
umount_fs
check_store
