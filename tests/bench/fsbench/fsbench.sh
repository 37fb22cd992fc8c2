#!/bin/sh
# Measures file systems side by side, as their users would notice: the same commands on each of them,
# in alternating rounds.
#
# usage: sh tests/bench/fsbench/fsbench.sh [OPTION...] [CANDIDATE...]
#
# A candidate is the name of a script in candidates/ or the path of one (candidates/README.md says
# what it has to do), and may be followed by =NAME to appear under another name. The last one is
# compared with each of the others. Default: host fluxfs
#
#   -t TARBALL  what is unpacked; default /usr/src/linux-source-6.1.tar.xz (Debian's
#               linux-source-6.1)
#   -c DIR      the part of it that is copied, and added to git, below its top directory; default
#               drivers where there is such a directory, else all of it
#   -s MIB      length of the large file; default 2048
#   -n COUNT    small files that are fsynced; transactions are a quarter of it, files of the operations
#               two and a half times as many; default 20000
#   -T SECONDS  for each of the runs of fio, and for overwriting before latencies are taken; default 10
#   -p PHASES   only these, a list with commas: tree, big, random, small, sqlite, compile,
#               operations, latency; default all
#   -r ROUNDS   default 5
#   -d DIR      where to work, on the disk to be measured; default /var/tmp
#   -f FLUXFS   the fluxfs command; default build/release/tools/fluxfs
#   -b DIR      where the helper programs were built; default build/release/tests/bench/fsbench
#   -j FILE     write all figures there as JSON
#   -g FILE     draw the ratios there, PNG (needs gnuplot)
#
# It has to run as root, to mount and to drop the kernel's caches. A phase is timed up to the moment
# when its command returns; those named "+ sync" and "+ fsync" include making it durable. A cold
# phase begins with the file system unmounted and mounted again and the kernel's caches dropped.
# Machines differ and are noisy: the ratios of one run mean something, the figures themselves little.
set -eu
umask 022
LC_ALL=C
export LC_ALL
unset CDPATH

# In a mount namespace of its own: one that somebody copies meanwhile would keep each mount alive.
if [ "$(id -u)" -eq 0 ] && [ -z "${FSBENCH_INSIDE:-}" ]; then
    FSBENCH_INSIDE=1 exec unshare -m sh "$0" "$@"
fi

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../../.." && pwd -P)
tarball=/usr/src/linux-source-6.1.tar.xz
part=
mib=2048
small_count=20000
fio_s=10
all_phases=tree,big,random,small,sqlite,compile,operations,latency
phases=$all_phases
rounds=5
where=/var/tmp
FLUXFS=$root/build/release/tools/fluxfs
helpers=$root/build/release/tests/bench/fsbench
json=
png=

fail() {
    echo "fsbench: $*" >&2
    exit 1
}

while getopts t:c:s:n:T:p:r:d:f:b:j:g:h option; do
    case $option in
    t) tarball=$OPTARG ;;
    c) part=$OPTARG ;;
    s) mib=$OPTARG ;;
    n) small_count=$OPTARG ;;
    T) fio_s=$OPTARG ;;
    p) phases=$OPTARG ;;
    r) rounds=$OPTARG ;;
    d) where=$OPTARG ;;
    f) FLUXFS=$OPTARG ;;
    b) helpers=$OPTARG ;;
    j) json=$OPTARG ;;
    g) png=$OPTARG ;;
    h)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        sed -n '5,6s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- host fluxfs
[ "$(id -u)" -eq 0 ] || fail "needs root, to mount and to drop the kernel's caches"
for number in "$mib" "$small_count" "$fio_s" "$rounds"; do
    case $number in
    '' | 0 | *[!0-9]*) fail "'$number' is no number above 0" ;;
    esac
done
for command in jq fio git sqlite3 cc; do
    command -v "$command" >/dev/null 2>&1 || fail "needs the command $command"
done
[ -x "$helpers/fsbench_files" ] || fail "no fsbench_files in $helpers (-b)"
HELPERS=$helpers
export FLUXFS HELPERS

for phase in $(echo "$phases" | tr , ' '); do
    case ,$all_phases, in
    *,"$phase",*) ;;
    *) fail "no such phase: $phase" ;;
    esac
done

wants() {
    case ,$phases, in
    *,"$1",*) return 0 ;;
    *) return 1 ;;
    esac
}

# --- Candidates ---

# "NAME SCRIPT" for each one
candidates=
for candidate in "$@"; do
    script=${candidate%%=*}
    name=${candidate#*=}
    [ "$name" != "$candidate" ] || name=$(basename "$script" .sh)
    [ -r "$script" ] || script=$here/candidates/$script.sh
    [ -r "$script" ] || fail "no such candidate: $candidate"
    reason=$(sh "$script" check 2>&1) || fail "$name cannot be measured: $reason"
    candidates="$candidates$name	$(cd "$(dirname "$script")" && pwd -P)/$(basename "$script")
"
done

script_of() {
    printf '%s' "$candidates" | awk -F '\t' -v name="$1" '$1 == name { print $2; exit }'
}

work=$(mktemp -d "$where/fsbench.XXXXXX")
MNT=$work/mnt
export MNT
running=
tree=
daemon=
writer=

cleanup() {
    status=$?
    trap - EXIT
    set +e
    cd /
    [ -z "$writer" ] || stop_writer
    [ -z "$running" ] || stop_candidate
    for dir in "$work"/candidate.*; do
        [ ! -d "$dir" ] || rm -rf --one-file-system "$dir"
    done
    rm -rf --one-file-system "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

of_candidate() {
    W=$work/candidate.$running sh "$(script_of "$running")" "$1"
}

# The daemon stays a child of the shell: its pid is known, and its end is waited for.
start_candidate() {
    running=$1
    mkdir -p "$MNT"
    tree=$MNT
    case $(of_candidate kind) in
    directory) tree=$work/candidate.$running ;;
    kernel) of_candidate mount || fail "$running does not mount" ;;
    daemon)
        W=$work/candidate.$running sh "$(script_of "$running")" mount >"$work/daemon.log" 2>&1 &
        daemon=$!
        wait_mounted
        ;;
    esac
}

wait_mounted() {
    left=1200
    until grep -q " $MNT " /proc/self/mounts; do
        if [ "$left" -eq 0 ] || ! kill -0 "$daemon" 2>/dev/null; then
            cat "$work/daemon.log" >&2
            fail "$running does not mount"
        fi
        left=$((left - 1))
        sleep 0.02
    done
}

# What the daemon has used is remembered before it ends.
note_daemon() {
    awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$daemon/status" >>"$work/peaks" 2>/dev/null || :
    sed 's/.*) //' "/proc/$daemon/stat" 2>/dev/null |
        awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz }' >>"$work/processor" || :
}

stop_candidate() {
    [ -z "$daemon" ] || note_daemon
    case $tree in
    "$MNT") umount "$MNT" 2>/dev/null || umount -l "$MNT" 2>/dev/null || : ;;
    esac
    if [ -n "$daemon" ]; then
        wait "$daemon" || echo "fsbench: the daemon of $running has failed" >&2
        daemon=
    fi
    running=
}

# The next phase starts cold.
chill() {
    sync
    chilled=$running
    stop_candidate
    echo 3 >/proc/sys/vm/drop_caches
    start_candidate "$chilled"
}

# --- Measuring ---

# record PHASE UNIT FIGURE
record() {
    printf '%s\t%s\t%s\t%s\t%s\n' "$running" "$round" "$1" "$2" "$3" >>"$work/results"
    printf '  %-14s %-34s %10.2f %s\n' "$running" "$1" "$3" "$2"
}

# timed PHASE COMMAND: a line of shell, run in the candidate's directory.
timed() {
    begin=$(date +%s.%N)
    (cd "$tree" && sh -ec "$2") >"$work/out" 2>"$work/err" || {
        cat "$work/err" >&2
        fail "$running: $1 failed"
    }
    record "$1" s "$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f", b - a }')"
    note_command "$1" "$2"
}

note_command() {
    grep -qxF "$1	$2" "$work/commands" || printf '%s\t%s\n' "$1" "$2" >>"$work/commands"
}

# rated PHASE JOB...: operations a second of a job of fio on the large file.
rated() {
    phase=$1
    shift
    fio --name=job --filename="$tree/big" --bs=4k --ioengine=psync --time_based --runtime="$fio_s" \
        --size="${mib}M" --randrepeat=0 --norandommap --output-format=json "$@" >"$work/fio.json" ||
        fail "$running: $phase failed"
    record "$phase" ops/s "$(jq '[.jobs[0].read.iops, .jobs[0].write.iops] | max' "$work/fio.json")"
}

phase_tree() {
    timed "unpack + sync" "tar -xf $work/tree.tar && sync"
    chill
    record "space used" MB "$(du -sm "$work/candidate.$running" | cut -f1)"
    timed "find, cold" "find ."
    chill
    timed "ls -lR, cold" "ls -lR ."
    timed "ls -lR, warm" "ls -lR ."
    chill
    timed "grep -r, cold" "grep -r needle_in_a_haystack . || true"
    timed "grep -r, warm" "grep -r needle_in_a_haystack . || true"
    chill
    timed "tar c, cold" "tar -cf - . | cat >/dev/null"
    chill
    timed "cp -r" "cp -r $top/$part copy"
    (cd "$tree/copy" && git init -q && git config gc.auto 0)
    chill
    timed "git add, cold" "cd copy && git add ."
    timed "git status" "cd copy && git status --short"
    chill
    timed "rm -rf, cold" "rm -rf ./$top"
    rm -rf "$tree/copy"
}

phase_big() {
    timed "write $mib MiB + fsync" "dd if=$work/random of=big bs=1M conv=fsync status=none"
    chill
    timed "read $mib MiB, cold" "dd if=big of=/dev/null bs=1M status=none"
}

phase_random() {
    [ -e "$tree/big" ] || dd if="$work/random" of="$tree/big" bs=1M conv=fsync status=none
    rated "4 KiB random overwrite, fsync each 32" --rw=randwrite --fsync=32
    chill
    rated "4 KiB random read, cold" --rw=randread
}

phase_small() {
    mkdir "$tree/one" "$tree/two"
    timed "$small_count fsynced files, 1 writer" "$helpers/fsbench_files one $small_count 1"
    timed "$small_count fsynced files, 2 writers" "$helpers/fsbench_files two $small_count 2"
    rm -rf "$tree/one" "$tree/two"
}

phase_sqlite() {
    timed "SQLite $((small_count / 4)) transactions, rollback" "sqlite3 rollback.db <$work/rollback.sql"
    timed "SQLite $((small_count / 4)) transactions, WAL" "sqlite3 wal.db <$work/wal.sql"
    rm -f "$tree"/rollback.db* "$tree"/wal.db*
}

phase_compile() {
    tar -cf - -C "$root" lsm | tar -xf - -C "$tree"
    timed "compile, 2 at once" "find lsm -name '*.c' ! -path '*/examples/*' |
        xargs -P 2 -n 4 sh -ec 'for c; do cc -O1 -w -D_GNU_SOURCE -DFLUXFS_VERSION=0 -I. -c \"\$c\" -o \"\$c.o\"; done' cc"
    rm -rf "$tree/lsm"
}

# What single operations cost, one after the other.
phase_operations() {
    files=$((small_count * 5 / 2))
    mkdir "$tree/operations"
    operation "create" create
    sync
    echo 2 >/proc/sys/vm/drop_caches
    operation "stat, names dropped" stat
    "$helpers/fsbench_operations" "$tree/operations" "$files" read
    operation "read, warm" read
    operation "rename" rename
    operation "unlink" unlink
    rm -rf "$tree/operations"
}

# operation NAME STEP
operation() {
    timed "$files files, $1" "$helpers/fsbench_operations operations $files $2"
}

# How long single operations take while somebody else overwrites parts of a large file at random, so
# fast that whatever works in the background has to, and so slowly that the disk can follow.
phase_latency() {
    files=$((small_count * 5 / 2))
    mkdir "$tree/operations"
    head -c $((mib * 524288)) /dev/zero >"$tree/overwritten"
    fio --name=job --filename="$tree/overwritten" --size="$((mib * 524288))" --rw=randwrite --bsrange=4k-64k \
        --rate=,32m --ioengine=psync --fsync=256 --randrepeat=0 --norandommap --refill_buffers \
        --buffer_compress_percentage=50 --time_based --runtime=1d >"$work/writer" 2>&1 &
    writer=$!
    sleep "$fio_s"
    latency create
    echo 2 >/proc/sys/vm/drop_caches
    latency stat
    latency rename
    latency unlink
    kill -0 "$writer" 2>/dev/null || fail "$running: the overwriting has ended: $(cat "$work/writer")"
    stop_writer
    rm -rf "$tree/operations" "$tree/overwritten"
}

stop_writer() {
    kill "$writer" 2>/dev/null
    wait "$writer" || : # it has been ended
    writer=
}

latency() {
    "$helpers/fsbench_operations" -l "$tree/operations" "$files" "$1" >"$work/out" ||
        fail "$running: $1 failed"
    record "$1 beside overwriting, median" us "$(cut -d ' ' -f 2 "$work/out")"
    record "$1 beside overwriting, p99.9" us "$(cut -d ' ' -f 4 "$work/out")"
    note_command "$1 beside overwriting" "$helpers/fsbench_operations -l operations $files $1"
}

run_candidate() {
    running=$1
    mkdir "$work/candidate.$1"
    : >"$work/peaks"
    : >"$work/processor"
    of_candidate make || fail "$1 cannot be made"
    start_candidate "$1"
    for phase in $(echo "$all_phases" | tr , ' '); do
        ! wants "$phase" || "phase_$phase"
    done
    rm -f "$tree/big"
    if [ "$tree" = "$MNT" ]; then
        begin=$(date +%s.%N)
        stop_candidate
        start_candidate "$1"
        record "remount" s "$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f", b - a }')"
    fi
    stop_candidate
    running=$1
    if [ -s "$work/peaks" ]; then
        record "peak memory of the daemon" MB "$(sort -g "$work/peaks" | tail -n 1)"
        record "processor time of the daemon" s "$(awk '{ s += $1 } END { print s }' "$work/processor")"
    fi
    running=
    rm -rf --one-file-system "$work/candidate.$1"
    sync
}

# --- The data ---

unpack_tarball() {
    case $tarball in
    *.xz) xz -dc "$tarball" ;;
    *.gz | *.tgz) gzip -dc "$tarball" ;;
    *.tar) cat "$tarball" ;;
    *) fail "$tarball is no .tar, .tar.gz or .tar.xz" ;;
    esac >"$work/tree.tar"
    top=$(tar -tf "$work/tree.tar" 2>/dev/null | sed -n '1s:/.*::p')
    if [ -z "$part" ]; then
        part=.
        ! tar -tf "$work/tree.tar" "$top/drivers" >/dev/null 2>&1 || part=drivers
    fi
}

write_sql() {
    awk -v count=$((small_count / 4)) -v mode="$1" 'BEGIN {
        print "PRAGMA journal_mode=" mode "; PRAGMA synchronous=FULL;"
        print "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);"
        for (i = 1; i <= count; i++)
            printf "BEGIN; INSERT INTO t VALUES (%d, %d, \"value %d of a row\"); COMMIT;\n", i, i * 7919 % 100003, i
    }' >"$2"
}

: >"$work/results"
: >"$work/commands"
top=
if wants tree; then
    [ -r "$tarball" ] || fail "no tarball at $tarball (apt-get install linux-source-6.1, or -t)"
    unpack_tarball
fi
# Random bytes do not compress, so that no candidate gains by compression.
if wants big || wants random; then
    dd if=/dev/urandom of="$work/random" bs=1M count="$mib" status=none
fi
write_sql DELETE "$work/rollback.sql"
write_sql WAL "$work/wal.sql"
sync

# --- Rounds ---

order=$(printf '%s' "$candidates" | cut -f1 | tr '\n' ' ')
echo "Working in $where on $(stat -f -c %T "$work"), kernel $(uname -r), $(nproc) cores: $order"
round=0
turn=$order
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "Round $round of $rounds"
    for name in $turn; do
        run_candidate "$name"
    done
    # shellcheck disable=SC2086 # a list of names, the first of which goes to the end
    turn=$(set -- $turn && first=$1 && shift && echo "$* $first")
done

echo
awk -F '\t' -f "$here/table.awk" -v order="$order" "$work/results"
echo
echo "Commands, run in the candidate's directory:"
sed "s|$work|WORK|g; s|$helpers/||g" "$work/commands" | awk -F '\t' '{ printf "  %-40s %s\n", $1, $2 }'
if [ -n "$json" ]; then
    jq -R -n --arg kernel "$(uname -r)" --argjson cores "$(nproc)" '{kernel: $kernel, cores: $cores,
        runs: [inputs | split("\t") | {candidate: .[0], round: (.[1] | tonumber), phase: .[2],
        unit: .[3], figure: (.[4] | tonumber)}]}' <"$work/results" >"$json"
fi
if [ -n "$png" ]; then
    awk -F '\t' -f "$here/table.awk" -v order="$order" -v ratios=1 "$work/results" >"$work/ratios"
    sh "$here/plot.sh" "$work/ratios" "$png" "$order" || fail "gnuplot could not make $png"
fi
