#!/bin/sh
# sh tests/posix/run.sh GROUP mount|host
#
# Run a group of the conformance tests, helpers/posix_GROUP: on a mount of a new store, or on the
# host's file system, which must be an ext4; as root, who becomes other users, and then again as an
# ordinary user. What the mount holds afterwards must be the same after a remount, and flawless.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
group=$1
where=$2
TEST=posix_$group
program=$HELPERS/posix_$group
[ -x "$program" ] || fail "there is no $program"
# Other users pass.
chmod 711 "$S"

# test_dir DIR: the group's tests in DIR/root and DIR/user.
test_dir() {
    if is_root; then
        need_command setpriv
        mkdir "$1/root" "$1/user"
        chown 65534:65534 "$1/user"
        run_group "$1/root"
        # The build directory may be closed to others.
        cp "$program" "$S/program"
        program=$S/program
        run_group "$1/user" setpriv --reuid=65534 --regid=65534 --clear-groups
    else
        mkdir "$1/user"
        run_group "$1/user"
    fi
}

# run_group DIR [COMMAND...]
run_group() {
    run_dir=$1
    shift
    (cd "$S" && "$@" "$program" "$run_dir") >"$S/output" 2>&1 || {
        cat "$S/output" >&2
        fail "$run_dir, ${*:-as $(id -un)}"
    }
}

# All that must outlive a remount. What is closed to an ordinary user is left out.
list_all() {
    (cd "$1" && find . -printf '%p %y %i %m %n %U:%G %s %b %T@ %C@ %l\n' 2>/dev/null | sort) || :
}

# Directories that tests have closed can't be removed as they are.
test_cleanup() {
    is_root || chmod -R u+rwx "$S" 2>/dev/null
}

# Others may keep the mount in use for a moment: df looks at all that there are, a new mount namespace
# has copies of them.
end_mount() {
    within 20 "$FLUXFS" umount "$MNT" 2>>"$LOG" || fail "fluxfs umount failed"
    wait_daemon
}

on_mount() {
    need_mount
    POSIX_DEVIATIONS=$SOURCE_DIR/fs/README.md
    export POSIX_DEVIATIONS
    if is_root; then
        # An ordinary user reads it, too, wherever the sources are.
        cp "$POSIX_DEVIATIONS" "$S/deviations.md"
        POSIX_DEVIATIONS=$S/deviations.md
        mount_fs -o allow_other
    else
        mount_fs
    fi
    test_dir "$MNT"
    list_all "$MNT" >"$S/before"
    end_mount
    drop_caches
    mount_fs
    list_all "$MNT" >"$S/after"
    diff "$S/before" "$S/after" || fail "the remount has changed something"
    end_mount
    check_store
}

on_host() {
    [ "$(stat -f -c %T "$S")" = ext2/ext3 ] || skip "$S is not on an ext4"
    mkdir "$S/host"
    test_dir "$S/host"
}

case $where in
mount) on_mount ;;
host) on_host ;;
*) fail "'$where' is neither mount nor host" ;;
esac
