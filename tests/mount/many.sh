#!/bin/sh
# Clients who ask for much: open files, names, attributes, levels of directories, processes at once.
# The daemon's memory stays below what `cache=` gives it and a constant, its descriptors stay the
# same, and fsck finds nothing. MANY_SCALE (1) times more of each; 20 for the numbers of TESTING.md.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${MANY_SCALE:=1}"
cache_mb=16
# Code, stacks and buffers of the threads, the allocator's.
constant_mb=64
fds_more=40

scale() {
    echo $(($1 * MANY_SCALE))
}

peak_mb() {
    awk '/^VmHWM:/ { print int($2 / 1024) }' "/proc/$DAEMON/status"
}

# Tables and blob files that the engine reads may be open; nothing that grows with the clients.
fd_count() {
    find "/proc/$DAEMON/fd" -mindepth 1 | wc -l
}

fds_of_tables() {
    find "$STORE" -name '*.sst' -o -name '*.blob' -o -name '*.wal' | wc -l
}

check_daemon() {
    fds=$(fd_count)
    tables=$(fds_of_tables)
    peak=$(peak_mb)
    say "$1: at most $peak MB, $fds descriptors, $tables files in the store"
    [ "$fds" -le $((first_fds + tables + fds_more)) ] || fail "$fds descriptors, $first_fds at first"
    # What a sanitizer keeps is its own.
    [ -n "$SANITIZED" ] || [ "$peak" -le $((cache_mb + constant_mb)) ] || fail "the daemon takes $peak MB"
}

many() {
    many_what=$1
    mkdir -p "$MNT/$many_what"
    shift
    "$HELPERS/many" "$many_what" "$MNT/$many_what" "$@" || fail "$many_what"
    check_daemon "$many_what $*"
}

test_cleanup() {
    [ -z "${opener:-}" ] || kill "$opener" 2>/dev/null
}

mount_fs -o "cache=${cache_mb}M"
first_fds=$(fd_count)
check_daemon "at first"

mkdir "$MNT/open"
mkfifo "$S/go"
"$HELPERS/many" open "$MNT/open" "$(scale 5000)" <"$S/go" >"$S/told" &
opener=$!
exec 9>"$S/go"
is_open_or_gone() {
    [ -s "$S/told" ] || ! kill -0 "$opener" 2>/dev/null
}
within 600 is_open_or_gone || fail "the files are not open"
check_daemon "$(scale 5000) files $(cat "$S/told")"
echo >&9
exec 9>&-
wait "$opener" || fail "open files"
opener=

many names "$(scale 50000)"
many attributes "$(scale 100)"
many deep "$(scale 5000)"
umount_fs
check_store
mount_fs -o "cache=${cache_mb}M"
mkdir -p "$MNT/deep"
"$HELPERS/many" shallow "$MNT/deep" "$(scale 5000)" || fail "removing what is deep"
same 0 "$(find "$MNT/deep" -mindepth 1 | wc -l)" "left of what was deep"
check_daemon "removed"
many clients $((MANY_SCALE < 4 ? 50 * MANY_SCALE : 200)) 30
umount_fs
check_store
