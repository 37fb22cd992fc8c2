#!/bin/sh
# Times: nanoseconds, before 1970, after 2038, and which operation changes which.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
cd "$MNT"

set -- "2001-02-03 04:05:06.123456789" "1969-12-31 23:59:59.999999999" "1901-01-01 00:00:00.000000001" \
    "2038-01-19 03:14:08.000000000" "2107-07-07 07:07:07.700000007" "1970-01-01 00:00:00.000000000" \
    "2399-12-31 12:00:00.500000000"
i=0
for when in "$@"; do
    i=$((i + 1))
    touch -d "$when UTC" "f$i"
    mkdir "d$i"
    touch -d "$when UTC" "d$i"
    ln -s x "l$i"
    touch -h -d "$when UTC" "l$i"
done
check_times() {
    i=0
    for when in "$@"; do
        i=$((i + 1))
        for name in "f$i" "d$i" "l$i"; do
            same "$when +0000" "$(stat -c %y "$MNT/$name")" "mtime of $name"
            same "$when +0000" "$(stat -c %x "$MNT/$name")" "atime of $name"
        done
    done
}
check_times "$@"
cd /
remount_fs
check_times "$@"
cd "$MNT"

say "who changes what"
changed() { # changed FORMAT FILE COMMAND...: the time must grow
    changed_before=$(stat -c "$1" "$2")
    changed_what="$1 of $2 after: $*"
    changed_fmt=$1
    changed_file=$2
    shift 2
    sleep 0.02
    "$@"
    [ "$(stat -c "$changed_fmt" "$changed_file")" != "$changed_before" ] || fail "unchanged $changed_what"
}
kept() { # kept FORMAT FILE COMMAND...
    kept_before=$(stat -c "$1" "$2")
    kept_what="$1 of $2 after: $*"
    kept_fmt=$1
    kept_file=$2
    shift 2
    sleep 0.02
    "$@"
    same "$kept_before" "$(stat -c "$kept_fmt" "$kept_file")" "$kept_what"
}
mkdir t
echo 1 >t/f
changed %y t/f sh -c 'echo 2 >>t/f'
changed %z t/f sh -c 'echo 2 >>t/f'
changed %z t/f chmod 600 t/f
kept %y t/f chmod 644 t/f
changed %z t/f ln t/f t/link
changed %z t/f rm t/link
changed %y t touch t/new
changed %z t touch t/new2
changed %y t rm t/new
kept %y t sh -c 'echo 3 >>t/f'
mv t/f t/f2
same 1 "$(find t -name f2 -newermt '2001-01-01' | wc -l)" "found by its time"
cd /
umount_fs
check_store
