#!/bin/sh
# Compares a host directory, libfuse's passthrough_ll on such a directory, and fluxfs, in one run.
#
# usage: sh tests/bench/compare.sh [-t TARBALL] [-p PASSTHROUGH_LL] [-f FLUXFS] [-d DIRECTORY]
#                                  [-r ROUNDS] [-s MIB] [-o FLUXFS-MOUNT-OPTIONS]
#
#   -t  what to unpack; default /usr/src/linux-source-6.1.tar.xz (Debian's linux-source-6.1)
#   -p  libfuse's example program passthrough_ll, or none to leave it out (it needs a descriptor for
#       each file of the tarball, more than some machines allow); without the option, it is built
#       from the source that libfuse3-dev installs, and without that the column is left out. Where
#       dpkg leaves out documentation: apt-get source fuse3, then in its example/ directory
#           gcc -O2 -o passthrough_ll passthrough_ll.c $(pkg-config --cflags --libs fuse3)
#   -f  the fluxfs command; default build/release/tools/fluxfs
#   -d  where to work, on the disk to be measured; default /var/tmp
#   -r  rounds; default 3. The candidates take turns within a round, in another order each time.
#   -s  size of the sequential file; default 2048 MiB
#
# Run it as root: cold phases need the kernel's caches dropped. Each phase is timed up to the moment
# when the command returns; `unpack + sync` and `write` include making it durable. A cold phase begins
# with the file system unmounted, mounted again, and the caches dropped. Machines differ and are
# noisy: the ratios of one run mean something, the absolute figures little.
set -eu
umask 022
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/../.." && pwd -P)
tarball=/usr/src/linux-source-6.1.tar.xz
passthrough=
fluxfs=$root/build/release/tools/fluxfs
where=/var/tmp
rounds=3
mib=2048
options=

fail() {
    echo "compare.sh: $*" >&2
    exit 1
}

while getopts t:p:f:d:r:s:o:h option; do
    case $option in
    t) tarball=$OPTARG ;;
    p) passthrough=$OPTARG ;;
    f) fluxfs=$OPTARG ;;
    d) where=$OPTARG ;;
    r) rounds=$OPTARG ;;
    s) mib=$OPTARG ;;
    o) options=$OPTARG ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    esac
done
[ "$(id -u)" -eq 0 ] || fail "needs root, to drop the kernel's caches"
[ -r "$tarball" ] || fail "no tarball at $tarball (apt-get install linux-source-6.1, or -t)"
[ -x "$fluxfs" ] || fail "no fluxfs at $fluxfs (sh tools/run.sh builds it, or -f)"
if [ -n "$passthrough" ] && [ "$passthrough" != none ] && [ ! -x "$passthrough" ]; then
    fail "no program at $passthrough"
fi

work=$(mktemp -d "$where/fluxfs-compare.XXXXXX")
mnt=$work/mnt
daemon=
mounted=
peak_max=0

cleanup() {
    status=$?
    trap - EXIT
    set +e
    cd /
    stop_candidate
    rm -rf --one-file-system "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

examples=/usr/share/doc/libfuse3-dev/examples
if [ -z "$passthrough" ] && [ -r "$examples/passthrough_ll.c" ]; then
    # shellcheck disable=SC2046 # lists of flags
    gcc -O2 -w -I"$examples" -o "$work/passthrough_ll" "$examples/passthrough_ll.c" \
        $(pkg-config --cflags --libs fuse3) || fail "cannot build $examples/passthrough_ll.c"
    passthrough=$work/passthrough_ll
fi
[ "$passthrough" != none ] || passthrough=
candidates="host${passthrough:+ passthrough} fluxfs"

wait_mounted() {
    left=600
    until grep -q " $mnt fuse" /proc/self/mounts; do
        if [ "$left" -eq 0 ] || ! kill -0 "$daemon" 2>/dev/null; then
            fail "$mounted does not mount"
        fi
        left=$((left - 1))
        sleep 0.05
    done
}

# $tree is where the candidate's files are while it runs.
start_candidate() {
    mounted=$1
    mkdir -p "$work/$1" "$mnt"
    tree=$mnt
    case $1 in
    host) tree=$work/host ;;
    passthrough)
        # It holds a descriptor for every file that the kernel knows.
        ulimit -n 1000000 2>/dev/null || :
        "$passthrough" -f -o "source=$work/passthrough,cache=always,timeout=86400" "$mnt" &
        daemon=$!
        wait_mounted
        ;;
    fluxfs)
        "$fluxfs" mount -f ${options:+-o "$options"} "$work/fluxfs/store" "$mnt" &
        daemon=$!
        wait_mounted
        ;;
    esac
}

# Remember the peak of the memory of the candidate's daemons, unmount, and wait until everything is on disk.
stop_candidate() {
    if [ -n "$daemon" ]; then
        peak=$(awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$daemon/status" 2>/dev/null) || peak=
        peak_max=$(awk -v a="${peak:-0}" -v b="$peak_max" 'BEGIN { print (a + 0 > b + 0 ? a : b) }')
        umount "$mnt" 2>/dev/null || umount -l "$mnt" 2>/dev/null || :
        wait "$daemon" || echo "compare.sh: the daemon of $mounted has failed" >&2
        daemon=
    fi
    mounted=
}

record() {
    printf '%s\t%s\t%s\n' "$mounted" "$1" "$2" >>"$work/results"
}

now() {
    date +%s.%N
}

# timed PHASE COMMAND: the command is a line of shell, run in the tree.
timed() {
    begin=$(now)
    (cd "$tree" && sh -c "$2") >/dev/null || fail "$mounted: $1 failed"
    record "$1" "$(awk -v a="$begin" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }')"
    printf '  %-12s %-32s %8.2f s\n' "$mounted" "$1" "$(tail -n 1 "$work/results" | cut -f3)"
    grep -qxF "$1	$2" "$work/commands" || printf '%s\t%s\n' "$1" "$2" >>"$work/commands"
}

# The next phase starts cold.
chill() {
    sync
    candidate=$mounted
    stop_candidate
    echo 3 >/proc/sys/vm/drop_caches
    start_candidate "$candidate"
}

run_candidate() {
    peak_max=0
    start_candidate "$1"
    timed "unpack + sync" "tar -xf $work/tree.tar && sync"
    chill
    record "space used, MB" "$(du -sm "$work/$1" | cut -f1)"
    timed "find, cold" "find ."
    chill
    timed "ls -lR, cold" "ls -lR ."
    chill
    timed "grep -r, cold" "grep -r needle_in_a_haystack . || true"
    timed "grep -r, warm" "grep -r needle_in_a_haystack . || true"
    chill
    timed "rm -rf, cold" "rm -rf ./*"
    timed "write $mib MiB + fsync" "dd if=$work/random of=big bs=1M conv=fsync status=none"
    chill
    timed "read $mib MiB, cold" "dd if=big of=/dev/null bs=1M status=none"
    rm "$tree/big"
    stop_candidate
    if [ "$1" != host ]; then
        mounted=$1
        record "peak memory of the daemon, MB" "$peak_max"
        mounted=
    fi
    rm -rf --one-file-system "${work:?}/$1"
    sync
}

# first second third -> second third first
rotate() {
    first=$1
    shift
    echo "$* $first"
}

table() {
    awk -F '\t' '
        function median(list, count,   v, i, j, t) {
            split(list, v, " ")
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
                    t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
                }
            if (count % 2)
                return v[(count + 1) / 2]
            return (v[count / 2] + v[count / 2 + 1]) / 2
        }
        !($1 in seen_name) { seen_name[$1] = 1; names[++name_count] = $1 }
        !($2 in seen_phase) { seen_phase[$2] = 1; phases[++phase_count] = $2 }
        { values[$1, $2] = values[$1, $2] " " $3; counts[$1, $2]++ }
        END {
            split(order, column, " ")
            printf "| median (seconds unless named) |"
            for (i = 1; i <= name_count; i++) printf " %s |", column[i]
            for (i = 1; i < name_count; i++) printf " fluxfs / %s |", column[i]
            printf "\n|---|"
            for (i = 1; i < 2 * name_count; i++) printf "---|"
            printf "\n"
            for (p = 1; p <= phase_count; p++) {
                printf "| %s |", phases[p]
                for (i = 1; i <= name_count; i++) {
                    key = column[i] SUBSEP phases[p]
                    m[i] = (key in values) ? median(values[key], counts[key]) : ""
                    if (m[i] == "") printf " - |"
                    else printf " %.2f |", m[i]
                }
                for (i = 1; i < name_count; i++) {
                    if (m[i] == "" || m[i] + 0 == 0) printf " - |"
                    else printf " %.2f |", m[name_count] / m[i]
                }
                printf "\n"
            }
        }
    ' order="$candidates" "$work/results"
}

: >"$work/results"
: >"$work/commands"
echo "Working in $work on $(stat -f -c %T "$work"), kernel $(uname -r), $(nproc) cores."
case $tarball in
*.xz) xz -dc "$tarball" >"$work/tree.tar" ;;
*.gz | *.tgz) gzip -dc "$tarball" >"$work/tree.tar" ;;
*.tar) cp "$tarball" "$work/tree.tar" ;;
*) fail "$tarball is no .tar, .tar.gz or .tar.xz" ;;
esac
# Random bytes do not compress, so that no candidate gains by compression.
dd if=/dev/urandom of="$work/random" bs=1M count="$mib" status=none
sync

round=0
turn=$candidates
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "Round $round of $rounds: $turn"
    for candidate_name in $turn; do
        run_candidate "$candidate_name"
    done
    # shellcheck disable=SC2086 # a list of names
    turn=$(rotate $turn)
done

echo
table
echo
echo "Commands, run in the candidate's directory:"
sed "s|$work|WORK|g" "$work/commands" | awk -F '\t' '{ printf "  %-24s %s\n", $1, $2 }'
