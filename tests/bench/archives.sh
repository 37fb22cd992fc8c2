#!/bin/sh
# sh tests/bench/archives.sh [-r ROUNDS] ARCHIVE
#
# fluxfs import and export beside tar on a mount, with an uncompressed tar archive: seconds, medians of
# ROUNDS rounds (3) in turn. FLUXFS names the command, build/release/tools/fluxfs unless set. Root, as
# it drops caches.
set -eu
rounds=3
while getopts r: option; do
    case $option in
    r) rounds=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
archive=${1:?names a tar archive}
fluxfs=${FLUXFS:-build/release/tools/fluxfs}
dir=$(mktemp -d "${TMPDIR:-/tmp}/fluxfs-archives.XXXXXX")

finish() {
    "$fluxfs" umount "$dir/mnt" 2>/dev/null || :
    rm -rf --one-file-system "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir "$dir/mnt"

drop_caches() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# timed NAME COMMAND...
timed() {
    name=$1
    shift
    begin=$(date +%s%N)
    "$@" >/dev/null
    echo "$name|$((($(date +%s%N) - begin) / 10000000))" >>"$dir/times"
}

fresh() {
    rm -rf "$dir/store"
    "$fluxfs" mkfs -q "$dir/store"
    cat "$archive" >/dev/null
    sync
}

unpack() {
    tar -xf "$archive" -C "$dir/mnt"
    "$fluxfs" umount "$dir/mnt"
}

pipe_export() {
    "$fluxfs" export -q "$dir/store" - | cat
}

# tar writes nothing to /dev/null.
pipe_tar() {
    tar -cf - -C "$dir/mnt" . | cat
}

for round in $(seq "$rounds"); do
    echo "round $round" >&2
    fresh
    "$fluxfs" mount "$dir/store" "$dir/mnt"
    timed "tar -x into a mount, umount" unpack
    fresh
    "$fluxfs" mount "$dir/store" "$dir/mnt"
    timed "import into a mount" "$fluxfs" import -q "$archive" "$dir/mnt"
    "$fluxfs" umount "$dir/mnt"
    fresh
    timed "import" "$fluxfs" import -q "$archive" "$dir/store"
    drop_caches
    timed "export, cold" pipe_export
    timed "export, warm" pipe_export
    drop_caches
    "$fluxfs" mount "$dir/store" "$dir/mnt"
    timed "tar -c of a mount, cold" pipe_tar
    timed "tar -c of a mount, warm" pipe_tar
    "$fluxfs" umount "$dir/mnt"
done
cut -d '|' -f 1 "$dir/times" | awk '!seen[$0]++' | while read -r name; do
    grep "^$name|" "$dir/times" | cut -d '|' -f 2 | sort -n |
        awk -v name="$name" '{ t[NR] = $1 } END { printf "| %s | %.2f |\n", name, t[int((NR + 1) / 2)] / 100 }'
done
