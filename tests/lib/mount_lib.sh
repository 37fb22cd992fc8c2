# shellcheck shell=sh
# What the mount tests share. A test is run by ctest with FLUXFS (the command), HELPERS (directory of
# the helper programs), SOURCE_DIR, BUILD_DIR and SANITIZED (empty, or what the build is sanitized
# with), and begins with
#
#     . "$(dirname "$0")/../lib/mount_lib.sh"
#
# It then owns $S, a scratch directory, in which $STORE is to be mounted on $MNT. The daemon runs in
# the foreground as a child, so that its pid and its exit status are known; what it says goes to $LOG.
# Whatever happens, the end unmounts, ends the daemon, removes $S, and fails the test if anything is
# left over. Exit status: 0 passed, 77 skipped with the reason on standard error, anything else failed.

set -eu
umask 022
unset CDPATH
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

: "${FLUXFS:?names the fluxfs command to test}"
: "${HELPERS:=}" "${SOURCE_DIR:=$(dirname "$0")/../..}" "${BUILD_DIR:=}" "${SANITIZED:=}"

TEST=$(basename "$0" .sh)
DAEMON=
WAIT_S_MAX=60

say() {
    printf '%s: %s\n' "$TEST" "$*"
}

fail() {
    printf '%s: FAILED: %s\n' "$TEST" "$*" >&2
    exit 1
}

skip() {
    printf '%s: skipped: %s\n' "$TEST" "$*" >&2
    exit 77
}

# same EXPECTED FOUND WHAT
same() {
    [ "$1" = "$2" ] || fail "$3: expected '$1', found '$2'"
}

# refused TEXT COMMAND...: the command must fail and say TEXT (a case-insensitive basic regular
# expression) on standard error.
refused() {
    refused_text=$1
    shift
    if "$@" >"$S/refused.out" 2>"$S/refused.err"; then
        fail "was not refused: $*"
    fi
    if ! grep -qi -e "$refused_text" "$S/refused.err"; then
        sed 's/^/    /' "$S/refused.err" >&2
        fail "refused without saying '$refused_text': $*"
    fi
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

need_root() {
    is_root || skip "needs root: $*"
}

need_command() {
    for need in "$@"; do
        command -v "$need" >/dev/null 2>&1 || skip "needs the command $need"
    done
}

need_mount() {
    [ -c /dev/fuse ] || skip "there is no /dev/fuse"
    is_root || [ -u "$(command -v fusermount3 || echo /nowhere)" ] ||
        skip "needs root or a setuid fusermount3"
}

is_mounted() {
    awk -v dir="$MNT" '$2 == dir { found = 1 } END { exit !found }' /proc/self/mounts
}

# A live mount. One whose daemon has died is listed as well, and the kernel may still know its root's
# attributes, but statfs(2) always asks the daemon. The type (FUSE's) tells the mount from what lies
# below it, should a stale mount have gone meanwhile.
is_ready() {
    is_mounted && [ "$(stat -f -c %t "$MNT" 2>/dev/null)" = 65735546 ]
}

# within SECONDS COMMAND...: until the command succeeds.
within() {
    within_left=$(($1 * 20))
    shift
    until "$@"; do
        [ "$within_left" -gt 0 ] || return 1
        within_left=$((within_left - 1))
        sleep 0.05
    done
}

ready_or_dead() {
    is_ready || ! kill -0 "$DAEMON" 2>/dev/null
}

# mount_fs [OPTION...]: mount $STORE on $MNT; the options go to `fluxfs mount`.
mount_fs() {
    [ -z "$DAEMON" ] || fail "mounted twice"
    "$FLUXFS" mount -f "$@" "$STORE" "$MNT" </dev/null >>"$LOG" 2>&1 &
    DAEMON=$!
    within "$WAIT_S_MAX" ready_or_dead || fail "not mounted after $WAIT_S_MAX seconds"
    is_ready || fail "the daemon ended instead of mounting"
}

wait_daemon() {
    daemon_status=0
    wait "$DAEMON" || daemon_status=$?
    DAEMON=
    same 0 "$daemon_status" "exit status of the daemon"
}

# Somebody who looks at all mounts of the machine, as df does, keeps one busy for a moment.
umount_fs() {
    within 5 "$FLUXFS" umount "$MNT" 2>>"$LOG" || fail "fluxfs umount failed"
    if is_mounted; then
        fail "still mounted after fluxfs umount"
    fi
    wait_daemon
}

# Unmount, drop what the kernel has cached, mount again.
remount_fs() {
    umount_fs
    drop_caches
    mount_fs "$@"
}

kill_daemon() {
    kill -9 "$DAEMON"
    wait "$DAEMON" 2>/dev/null || :
    DAEMON=
}

drop_caches() {
    if [ -w /proc/sys/vm/drop_caches ]; then
        sync -f "$S"
        echo 3 >/proc/sys/vm/drop_caches || :
    fi
}

# make_helpers NAME...: let mount(8) and umount(8) find the command under these names in /sbin. To be
# called before anything is made or mounted: the test begins again in a mount namespace of its own,
# in which /sbin has them, so that nobody else sees them.
make_helpers() {
    if [ -z "${HELPERS_NAMESPACE:-}" ]; then
        need_command unshare
        HELPERS_NAMESPACE=yes
        export HELPERS_NAMESPACE
        helpers_status=0
        unshare --mount --propagation private sh "$0" || helpers_status=$?
        exit "$helpers_status"
    fi
    mkdir "$S/sbin"
    for helper_name in "$@"; do
        ln -s "$(readlink -f "$FLUXFS")" "$S/sbin/$helper_name"
    done
    mount -t overlay -o "ro,lowerdir=$S/sbin:$(readlink -f /sbin)" helpers "$(readlink -f /sbin)" ||
        skip "cannot lay helpers over /sbin"
}

# The unmounted store must be flawless.
check_store() {
    if ! "$FLUXFS" fsck -n "$STORE" >"$S/fsck.out" 2>&1; then
        sed 's/^/    /' "$S/fsck.out" >&2
        fail "fsck found something"
    fi
}

# Processes, beside this test's own, whose command line names the scratch directory.
scratch_users() {
    # The name goes in by standard input, or grep would find itself.
    # shellcheck disable=SC2062 # a list of files, not a pattern
    printf '%s' "$S" | grep -lsF -f - -- /proc/[0-9]*/cmdline |
        sed 's,^/proc/\([0-9]*\)/cmdline$,\1,' || :
}

scratch_is_unused() {
    [ -z "$(scratch_users)" ]
}

# list_tree DIR: one line per object with everything that a copy must keep; sizes of directories are
# each file system's own business. Names are quoted by find where they are odd.
list_tree() {
    list_owner=
    if is_root; then
        list_owner='%U:%G '
    fi
    (cd "$1" && find . \( -type d -printf "%p %y %m ${list_owner}%T@\n" \) \
        -o -printf "%p %y %m %n ${list_owner}%s %T@ %l\n" | sort)
}

# A few thousand real files as a tar archive, made once per test: sample_tar FILE.
sample_tar() {
    (cd / && {
        echo usr
        find usr/include -xdev | head -n "${2:-3000}"
        find usr/share -xdev -size -200k ! -path 'usr/share/fonts/*' | head -n "${2:-3000}"
    } >"$S/sample.list")
    tar --format=posix --no-recursion -C / -cf "$1" -T "$S/sample.list"
    rm "$S/sample.list"
}

unmount_by_force() {
    if is_root; then
        umount -l "$1" 2>/dev/null
    else
        fusermount3 -u -z "$1" 2>/dev/null
    fi
}

# Everything under $S that is mounted, the innermost first.
mounts_below() {
    awk -v dir="$S/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r
}

# Blanks in names stand there as backslash and three digits, which %b understands.
unmount_below() {
    mounts_below | while read -r below_dir; do
        unmount_by_force "$(printf '%b' "$below_dir")"
    done
}

finish() {
    finish_status=$1
    trap - EXIT
    # Who reads what is said may have gone: that must not end the cleaning up.
    trap '' INT TERM HUP PIPE
    set +e
    cd /
    if command -v test_cleanup >/dev/null; then
        test_cleanup
    fi
    if [ "$finish_status" -eq 0 ] && [ -n "$DAEMON" ]; then
        umount_fs || finish_status=1
    fi
    if [ "$finish_status" -ne 0 ] && [ "$finish_status" -ne 77 ] && [ -s "$LOG" ]; then
        echo "--- the daemon's last words:" >&2
        tail -n 60 "$LOG" >&2
    fi
    if [ -n "$DAEMON" ]; then
        kill "$DAEMON" 2>/dev/null
        within 10 daemon_is_gone || kill -9 "$DAEMON" 2>/dev/null
        wait "$DAEMON" 2>/dev/null
    fi
    unmount_below
    if ! within 20 scratch_is_unused; then
        echo "$TEST: FAILED: processes were left: $(scratch_users | tr '\n' ' ')" >&2
        for finish_pid in $(scratch_users); do
            kill -9 "$finish_pid" 2>/dev/null
        done
        unmount_below
        finish_status=1
    fi
    rm -rf --one-file-system "$S"
    if [ -n "$(mounts_below)" ] || [ -e "$S" ]; then
        echo "$TEST: FAILED: something was left under $S" >&2
        finish_status=1
    fi
    exit "$finish_status"
}

daemon_is_gone() {
    ! kill -0 "$DAEMON" 2>/dev/null
}

S=$(mktemp -d "${TMPDIR:-/tmp}/fluxfs-$TEST.XXXXXX")
S=$(cd "$S" && pwd -P)
STORE=$S/store
MNT=$S/mnt
LOG=$S/daemon.log
trap 'finish $?' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' PIPE
mkdir "$MNT"
: >"$LOG"
