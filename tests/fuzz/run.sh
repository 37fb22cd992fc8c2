#!/bin/sh
# sh tests/fuzz/run.sh BUILD NAME SECONDS RESULTS
#
# Runs the fuzzer of tests/fuzz/fuzz_NAME.c, which was built in BUILD, for so long; those of whole
# stores twice as long, as an execution takes them 100 times as long. It begins with corpus/NAME; what it adds is thrown away, unless it fails: then the input is kept in BUILD/found.
# The status goes to RESULTS/NAME. Exits with 0 whatever came of it.
set -u
build=$1
name=$2
seconds=$3
results=$4
corpus=$(dirname "$0")/corpus/$name
found=$build/found
work=$(mktemp -d "${TMPDIR:-/tmp}/fluxfs-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM

# No more memory is to be asked for than an input of some kilobytes can mean; where whole stores are
# read, that is what a healthy one needs: no value is longer than its options say.
case $name in
store | fsck | tree | frames)
    malloc_mb=8
    seconds=$((seconds * 2))
    ;;
*) malloc_mb=64 ;;
esac

mkdir -p "$found" "$work/new"
status=0
# A target may leave files in TMPDIR when it is ended in the middle.
TMPDIR=$work setpriv --pdeathsig TERM "$build/tests/fuzz/fuzz_$name" \
    -seed=1 -max_total_time="$seconds" -max_len=4096 -len_control=20 -timeout=60 \
    -rss_limit_mb=2048 -malloc_limit_mb="$malloc_mb" -print_final_stats=1 -artifact_prefix="$found/$name-" \
    "$work/new" "$corpus" >"$work/log" 2>&1 || status=$?
if [ "$status" -eq 0 ]; then
    awk -v name="$name" '
        /^stat::number_of_executed_units:/ { count = $2 }
        /cov: / { sub(/.*cov: /, ""); cov = $1 }
        END { printf "%-10s %8d executions, %d edges of code\n", name, count, cov }
    ' "$work/log"
else
    echo "fuzz_$name ended with status $status:"
    tail -n 60 "$work/log"
fi
echo "$status" >"$results/$name"
