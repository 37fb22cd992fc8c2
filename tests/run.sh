#!/bin/sh
# sh tests/run.sh [quick | PART...]
#
# Installs what is missing (as root, by apt-get), builds everything and runs all tests. PARTs:
#   format   the sources are formatted (clang-format 14)
#   release  gcc: unit, mount and command tests
#   debug    gcc without optimization, costly assertions: unit tests
#   clang    builds without a warning, also from the thread-safety analysis; unit tests
#   asan     address, leak and undefined behaviour sanitizers: unit, mount and command tests
#   tsan     thread sanitizer: the unit tests with threads, and the mount tests but slow ones with one client
#   fuzz     clang: each fuzzer of tests/fuzz for FUZZ_SECONDS, 8 unless set; tests/fuzz/README.md
# `quick` is what to run before a change is handed in: format, and the release build's unit tests.
#
# The last line counts tests, and builds and the format check as one each; the status is 0 when
# nothing failed; before it stand the names of what failed and of what was skipped, with the reason.
# Builds go to build/tests, or to FLUXFS_BUILD_DIR. The tests get a TMPDIR of their own, and nothing
# may be left in it.
set -eu
umask 022
unset CDPATH
LC_ALL=C.UTF-8
export LC_ALL
exec </dev/null
cd "$(dirname "$0")/.."
root=$(pwd -P)
build=${FLUXFS_BUILD_DIR:-$root/build/tests}
jobs=$(nproc)
# A sanitizer that finds something must fail the test, and tell where it crashed: cmocka's handlers
# for signals would say nothing if it was in a thread of the test's own.
crashes=handle_segv=2
ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99:$crashes
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:exitcode=99:$crashes
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

packages="gcc libc6-dev make cmake ninja-build pkg-config libfuse3-dev fuse3 liblz4-dev libxxhash-dev
    liburing-dev uthash-dev libjansson-dev libarchive-dev zlib1g-dev libcmocka-dev clang clang-format git
    sqlite3 attr acl xz-utils binutils util-linux e2fsprogs btrfs-progs squashfs-tools stress-ng fio dbench jq"

# A part is skipped where these cannot be had.
optional_packages="libclang-rt-dev"

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

missing_of() {
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
            printf '%s ' "$package"
    done
}

install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "No dpkg here; these packages of Debian are taken to be there: $packages" | tr -s ' \n' ' '
        echo
        return
    fi
    # shellcheck disable=SC2086 # lists of names
    missing=$(missing_of $packages) optional=$(missing_of $optional_packages)
    if [ -z "$missing" ] && { [ -z "$optional" ] || [ "$(id -u)" -ne 0 ]; }; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "Missing packages. As root:" >&2
        echo "    apt-get install -y --no-install-recommends $missing" >&2
        exit 1
    fi
    echo "== installing $missing$optional"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -q
    # shellcheck disable=SC2086 # lists of names
    if [ -n "$missing" ]; then
        apt-get install -q -y --no-install-recommends $missing
    fi
    for package in $optional; do
        apt-get install -q -y --no-install-recommends "$package" || :
    done
}

passed=0
failed=0
skipped=0
results=$(mktemp -d "${TMPDIR:-/tmp}/fluxfs-results.XXXXXX")
child=
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$results/notes"
# Tests act as other users, too, who must get through.
TMPDIR=$results/tmp
export TMPDIR
mkdir "$TMPDIR"
chmod 711 "$results" "$TMPDIR"

# Run a command so that a signal is answered at once: the shell does not while it runs one itself.
# What a script starts with & would ignore interrupts, and so would the tests.
attended() {
    attended_status=0
    env --default-signal=INT,QUIT "$@" &
    child=$!
    wait "$child" || attended_status=$?
    child=
    return "$attended_status"
}

mounts_left() {
    awk -v dir="$TMPDIR/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts
}

# A script that was interrupted unmounts and cleans up after itself, but needs a moment for it.
finish() {
    finish_status=$?
    trap - EXIT
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || :
        tries=100
        while [ "$tries" -gt 0 ] && [ -n "$(mounts_left)" ]; do
            tries=$((tries - 1))
            sleep 0.1
        done
    fi
    rm -rf --one-file-system "$results"
    exit "$finish_status"
}

count_check() { # count_check NAME STATUS
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1" >>"$results/notes"
    fi
}

# What became of each test, from ctest's JUnit file: lines of `passed|failed|skipped NAME[: REASON]`.
# A test that could not be started is a failure; only one that ended with SKIP_RETURN_CODE was skipped.
outcomes() {
    awk '
        function put() {
            if (name != "")
                print outcome, name (outcome == "skipped" && reason != "" ? ": " reason : "")
            name = ""
        }
        /^\t<testcase / {
            name = $0
            sub(/.*<testcase name="/, "", name)
            sub(/".*/, "", name)
            outcome = /status="run"/ ? "passed" : /status="disabled"/ ? "skipped" : "failed"
            reason = ""
        }
        /^\t\t<skipped message="SKIP_/ { outcome = "skipped" }
        match($0, /[a-z0-9_]+: skipped: /) {
            reason = substr($0, RSTART + RLENGTH)
            gsub(/&lt;/, "<", reason)
            gsub(/&gt;/, ">", reason)
            gsub(/&quot;/, "\"", reason)
            gsub(/&apos;/, "\047", reason)
            gsub(/&amp;/, "\\&", reason)
        }
        /^\t<\/testcase>/ { put() }
        END { put() }
    ' "$1"
}

# The tests must have left nothing in TMPDIR. A failed one may have.
check_leftovers() { # check_leftovers NAME FAILED-COUNT
    left=$(find "$TMPDIR" -mindepth 1 -maxdepth 1 -printf '%f ')
    if [ -n "$left" ] && [ "$2" -eq 0 ]; then
        echo "Left in the temporary directory: $left"
        count_check "$1: something was left in the temporary directory" 1
    fi
    find "$TMPDIR" -mindepth 1 -maxdepth 1 -exec rm -rf --one-file-system {} +
}

# ctest BUILD-NAME ARG...: run and count.
run_tests() {
    name=$1
    shift
    junit=$results/$name.xml
    status=0
    echo "== tests of $name"
    # shellcheck disable=SC2086 # $prefix is a command with an argument, or nothing
    attended $prefix ctest --test-dir "$build/$name" --output-on-failure --no-tests=error --timeout 700 \
        --output-junit "$junit" "$@" || status=$?
    if [ ! -s "$junit" ]; then
        count_check "$name: ctest" 1
        return
    fi
    outcomes "$junit" >"$results/outcomes"
    bad=$(grep -c '^failed' "$results/outcomes" || :)
    passed=$((passed + $(grep -c '^passed' "$results/outcomes" || :)))
    failed=$((failed + bad))
    skipped=$((skipped + $(grep -c '^skipped' "$results/outcomes" || :)))
    sed -n "s/^\(failed\|skipped\) /\1: $name: /p" "$results/outcomes" >>"$results/notes"
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        count_check "$name: ctest ended with status $status" 1
    fi
    check_leftovers "$name" "$bad"
}

# build_in NAME CMAKE-ARG...: returns 1 when it cannot be built.
build_in() {
    name=$1
    shift
    echo "== building $name"
    status=0
    attended cmake -G Ninja -S "$root" -B "$build/$name" -DFLUXFS_TESTS=ON "$@" >"$results/cmake.log" 2>&1 ||
        status=$?
    if [ "$status" -ne 0 ]; then
        cat "$results/cmake.log"
    else
        # shellcheck disable=SC2086 # $targets is a list of names, or nothing: then all is built
        attended env NINJA_STATUS='[%f/%t] ' ninja -C "$build/$name" -j "$jobs" --quiet $targets ||
            status=$?
    fi
    count_check "$name: build" "$status"
    return "$status"
}

sources() {
    if [ -e .git ] && command -v git >/dev/null; then
        git -c safe.directory='*' ls-files -z '*.c' '*.h'
    else
        find lsm fs tools tests \( -name '*.c' -o -name '*.h' \) -print0
    fi
}

part_format() {
    echo "== format"
    clang_format=$(command -v clang-format-14 || command -v clang-format || :)
    case $("${clang_format:-false}" --version 2>/dev/null) in
    *"version 14."*) ;;
    *)
        # Versions differ in what they find beautiful.
        echo "skipped: format: there is no clang-format 14" >>"$results/notes"
        skipped=$((skipped + 1))
        return
        ;;
    esac
    status=0
    sources | xargs -0 "$clang_format" --dry-run -Werror || status=$?
    count_check format "$status"
}

part_release() {
    if build_in release -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=gcc; then
        run_tests release -j "$jobs" "$@"
    fi
}

part_debug() {
    if build_in debug -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc -DFLUXFS_DCHECK=ON; then
        run_tests debug -j "$jobs" -L unit
    fi
}

part_clang() {
    if build_in clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang; then
        run_tests clang -j "$jobs" -L unit
    fi
}

part_asan() {
    if build_in asan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc -DFLUXFS_DCHECK=ON \
        -DFLUXFS_SANITIZE=address,undefined; then
        run_tests asan -j "$jobs"
    fi
}

# Where the kernel spreads addresses wider than the sanitizer can map, it needs them unspread.
part_tsan() {
    if build_in tsan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc -DFLUXFS_DCHECK=ON \
        -DFLUXFS_SANITIZE=thread; then
        if setarch -R true 2>/dev/null; then
            prefix="setarch -R"
        fi
        run_tests tsan -j "$jobs" -L 'threads|mount'
        prefix=
    fi
}

can_fuzz() {
    echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
        int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return n && !d; }' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o "$results/probe" 2>/dev/null
}

# Each fuzzer is a test. What one finds is kept in the build directory, in found.
part_fuzz() {
    if ! can_fuzz; then
        echo "skipped: fuzz: clang has no libFuzzer here (package libclang-rt-dev)" >>"$results/notes"
        skipped=$((skipped + 1))
        return
    fi
    targets=fuzzers
    if build_in fuzz -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DFLUXFS_DCHECK=ON \
        -DFLUXFS_FUZZ=ON -DFLUXFS_SANITIZE=address,undefined; then
        echo "== fuzzing"
        mkdir "$results/fuzz"
        find tests/fuzz -name 'fuzz_*.c' | sed 's/.*fuzz_\(.*\)\.c/\1/' | sort >"$results/names"
        attended xargs -a "$results/names" -P "$jobs" -I NAME setpriv --pdeathsig TERM \
            sh tests/fuzz/run.sh "$build/fuzz" NAME "${FUZZ_SECONDS:-8}" "$results/fuzz" || :
        while read -r name; do
            count_check "fuzz: $name" "$(cat "$results/fuzz/$name" 2>/dev/null || echo 1)"
        done <"$results/names"
        check_leftovers fuzz 0
    fi
    targets=
}

prefix=
targets=
case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
esac
install_packages
if [ "$#" -eq 0 ]; then
    set -- format release debug clang asan tsan fuzz
fi
begin=$(date +%s)
for part in "$@"; do
    part_begin=$(date +%s)
    case $part in
    format | release | debug | clang | asan | tsan | fuzz) "part_$part" ;;
    quick)
        part_format
        part_release -L unit
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    echo "== $part took $(($(date +%s) - part_begin)) seconds"
done

echo
echo "All of it took $(($(date +%s) - begin)) seconds."
sort -u "$results/notes"
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
