#!/bin/sh
# Mixed work for SOAK_SECONDS (20) on two mounts at once. One daemon lives from the beginning to the
# end: its memory and descriptors stay bounded, and from 600 seconds on, when the caches have long
# been full after a sixth of the time (ten minutes of an hour), its memory does not grow any more
# after that. The other is unmounted or killed, and mounted again, after each pass. Both stores are
# checked at the end, the second after each pass.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${SOAK_SECONDS:=20}"
cache_mb=32
more_mb=16
# Code, stacks and buffers of the threads, the allocator's.
constant_mb=64
fds_more=40
sample_tar "$S/sample.tar" 150
mkdir "$S/host"
tar -C "$S/host" -xpf "$S/sample.tar"
begin=$(date +%s)

elapsed() {
    echo $(($(date +%s) - begin))
}

is_time_left() {
    [ "$(elapsed)" -lt "$SOAK_SECONDS" ]
}

rss_kb() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

fd_count() {
    find "/proc/$DAEMON/fd" -mindepth 1 | wc -l
}

files_of_store() {
    find "$STORE" -type f | wc -l
}

# pass DIR: everything that is made is compared and removed again.
pass() {
    pass_dir=$1
    mkdir "$pass_dir"
    tar -C "$pass_dir" -xpf "$S/sample.tar" || fail "unpacking in $pass_dir"
    diff -r --no-dereference "$S/host" "$pass_dir" || fail "what was unpacked in $pass_dir differs"
    cp -a "$pass_dir" "$pass_dir.copy" || fail "copying $pass_dir"
    mv "$pass_dir.copy" "$pass_dir.moved"
    rm -rf "$pass_dir"
    mkdir "$pass_dir" "$pass_dir/attributes" "$pass_dir/clients" "$pass_dir/deep"
    "$HELPERS/many" attributes "$pass_dir/attributes" 20 || fail "attributes in $pass_dir"
    "$HELPERS/many" clients "$pass_dir/clients" 8 20 || fail "clients in $pass_dir"
    "$HELPERS/many" names "$pass_dir" 2000 || fail "names in $pass_dir"
    "$HELPERS/many" deep "$pass_dir/deep" 200 || fail "levels in $pass_dir"
    "$HELPERS/many" shallow "$pass_dir/deep" 200 || fail "levels in $pass_dir"
    head -c 4000000 /dev/urandom >"$STORE.random"
    cp "$STORE.random" "$pass_dir/random" || fail "random bytes in $pass_dir"
    cmp "$STORE.random" "$pass_dir/random" || fail "random bytes in $pass_dir"
    diff -r --no-dereference "$S/host" "$pass_dir.moved" || fail "the copy of $pass_dir differs"
    rm -rf "$pass_dir" "$pass_dir.moved" || fail "removing $pass_dir"
}

# In a shell of its own, with a daemon of its own; $S/failed is there when something was wrong.
remounting() {
    # Cleaning up is the other's.
    trap - EXIT
    DAEMON=
    STORE=$S/store2 MNT=$S/mnt2 LOG=$S/daemon2.log
    count=0
    while is_time_left; do
        mount_fs -o "cache=${cache_mb}M"
        pass "$MNT/$count"
        mkdir "$MNT/left.$count"
        if [ $((count % 2)) -eq 0 ]; then
            umount_fs
        else
            kill_daemon
        fi
        check_store
        count=$((count + 1))
    done
    mount_fs
    same "$count" "$(find "$MNT" -mindepth 1 | wc -l)" "directories that were left"
    umount_fs
    echo "$count" >"$S/remounts"
}

test_cleanup() {
    if [ -n "${other:-}" ]; then
        kill "$other" 2>/dev/null
        wait "$other" 2>/dev/null
    fi
}

mkdir "$S/mnt2"
: >"$S/daemon2.log"
mount_fs -o "cache=${cache_mb}M"
first_fds=$(fd_count)
remounting &
other=$!
passes=0
early_kb=
while is_time_left; do
    pass "$MNT/$passes"
    passes=$((passes + 1))
    if [ -z "$early_kb" ] && [ "$(elapsed)" -ge $((SOAK_SECONDS / 6)) ]; then
        early_kb=$(rss_kb "$DAEMON")
        early_passes=$passes
    fi
    kill -0 "$other" 2>/dev/null || ! is_time_left || fail "the other mount has failed"
done
wait "$other" || fail "the other mount has failed"
other=
late_kb=$(rss_kb "$DAEMON")
fds=$(fd_count)
files=$(files_of_store)
say "$passes passes, resident $early_kb kB after $early_passes, $late_kb kB at the end; $fds descriptors ($first_fds at first), $files files in the store; $(cat "$S/remounts") remounts"
[ -n "$SANITIZED" ] || [ "$SOAK_SECONDS" -lt 600 ] || [ "$late_kb" -le $((early_kb + more_mb * 1024)) ] || fail "the daemon grows"
[ -n "$SANITIZED" ] || [ "$late_kb" -le $(((cache_mb + constant_mb) * 1024)) ] || fail "the daemon takes too much"
[ "$fds" -le $((first_fds + files + fds_more)) ] || fail "descriptors"
umount_fs
check_store
