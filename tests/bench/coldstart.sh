#!/bin/sh
# sh tests/bench/coldstart.sh [-n FILES] [-r ROUNDS] [-d DIR]
#
# How long it takes until a large store can be used, with nothing of it in memory: FILES files (ten
# million) of 10 to 500 bytes, in directories of 1000, are imported into a store in DIR (/var/tmp). Then,
# ROUNDS times (5), caches are dropped, the store is mounted, and some of it is looked at. Prints
# medians. FLUXFS names the command, build/release/tools/fluxfs unless set. Root, as it drops caches.
set -eu
files=10000000
rounds=5
where=/var/tmp
while getopts n:r:d: option; do
    case $option in
    n) files=$OPTARG ;;
    r) rounds=$OPTARG ;;
    d) where=$OPTARG ;;
    *) exit 2 ;;
    esac
done
fluxfs=${FLUXFS:-build/release/tools/fluxfs}
dir=$(mktemp -d "$where/fluxfs-coldstart.XXXXXX")

finish() {
    "$fluxfs" umount "$dir/mnt" 2>/dev/null || :
    rm -rf --one-file-system "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir "$dir/mnt"

# A cpio archive: a header of numbers, a name, the contents, each filled up to four bytes.
archive() {
    awk -v files="$files" '
        function zeros(n) { while (n-- > 0) printf "%c", 0 }
        function member(name, mode, text,   n) {
            n = length(name) + 1
            printf "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", ++number, mode, 0, 0,
                mode < 20000 ? 2 : 1, 1700000000, length(text), 0, 0, 0, 0, n, 0, name
            zeros(1 + (4 - (110 + n) % 4) % 4)
            printf "%s", text
            zeros((4 - length(text) % 4) % 4)
        }
        BEGIN {
            for (text = "some words of a file"; length(text) < 500; )
                text = text " and " length(text) " more"
            for (i = 0; i < files; i++) {
                if (i % 100000 == 0)
                    member(outer = "d" int(i / 100000), 16877, "")
                if (i % 1000 == 0)
                    member(inner = outer "/e" int(i / 1000) % 100, 16877, "")
                member(inner "/file" i % 1000, 33188, substr(text, 1, 10 + i * 7919 % 490))
            }
            member("TRAILER!!!", 0, "")
        }'
}

# timed NAME COMMAND...
timed() {
    name=$1
    shift
    begin=$(date +%s%N)
    "$@" >"$dir/out"
    echo "$name|$((($(date +%s%N) - begin) / 1000000))" >>"$dir/times"
}

# That the last command has printed so many lines.
counted() {
    lines=$(wc -l <"$dir/out")
    if [ "$lines" -ne "$1" ]; then
        echo "coldstart.sh: $name: $lines lines instead of $1" >&2
        exit 1
    fi
}

import() {
    archive | "$fluxfs" import -q - "$dir/store"
}

"$fluxfs" mkfs -q "$dir/store"
timed "import of $files files" import
middle=$((files / 2))
some=$dir/mnt/d$((middle / 100000))/e$((middle / 1000 % 100))
for round in $(seq "$rounds"); do
    echo "round $round" >&2
    sync
    echo 3 >/proc/sys/vm/drop_caches
    timed "mount" "$fluxfs" mount "$dir/store" "$dir/mnt"
    timed "ls of the root" ls "$dir/mnt"
    counted $(((files + 99999) / 100000))
    timed "ls -l of 1000 files" ls -l "$some"
    counted $((files < 1000 ? files + 1 : 1001))
    timed "cat of one file elsewhere" cat "$dir/mnt/d0/e0/file$((files < 1000 ? 0 : 999))"
    timed "umount" "$fluxfs" umount "$dir/mnt"
done
echo "| median, seconds | |"
echo "|---|---|"
cut -d '|' -f 1 "$dir/times" | awk '!seen[$0]++' | while read -r name; do
    grep "^$name|" "$dir/times" | cut -d '|' -f 2 | sort -n |
        awk -v name="$name" '{ t[NR] = $1 } END { printf "| %s | %.3f |\n", name, t[int((NR + 1) / 2)] / 1000 }'
done
