# shellcheck shell=sh
# What the tests of the commands share, on top of what the mount tests have: $S is a scratch
# directory, $STORE a store in it.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"

# exits STATUS TEXT COMMAND...: the command ends with this exit status and says TEXT (a basic regular
# expression) on standard output or error; an empty TEXT is not looked for.
exits() {
    exits_expected=$1
    exits_text=$2
    shift 2
    exits_status=0
    "$@" >"$S/exits.out" 2>&1 </dev/null || exits_status=$?
    if [ "$exits_status" -ne "$exits_expected" ] ||
        { [ -n "$exits_text" ] && ! grep -q -e "$exits_text" "$S/exits.out"; }; then
        sed 's/^/    /' "$S/exits.out" >&2
        fail "expected status $exits_expected and '$exits_text', found $exits_status: $*"
    fi
}

# Put a few files of all kinds into $STORE through a mount.
fill_store() {
    mount_fs
    mkdir -p "$MNT/dir/sub"
    printf 'hello\n' >"$MNT/dir/file"
    seq 1 40000 >"$MNT/dir/numbers"
    ln "$MNT/dir/file" "$MNT/dir/hard"
    ln -s dir/file "$MNT/link"
    mkfifo "$MNT/fifo"
    : >"$MNT/.hidden"
    : >"$MNT/dir/sub/$(printf 'odd\nname')"
    truncate -s 1M "$MNT/sparse"
    touch -d '2020-02-03 04:05:06' "$MNT/dir/file"
    umount_fs
}
