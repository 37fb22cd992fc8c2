#!/bin/sh
# The same seeded sequence of system calls on the mount and on ext4: every result and every errno
# must be the same, and the whole tree. Several sequences run side by side, each in a directory of
# its own. Between the phases of 1,000 calls the mount is mounted anew, its daemon killed, or nothing
# is done. Then processes share one tree: no call may fail as none ever should, and the tree must be
# whole. See differential/diff.h; known deviations are in differential/diff_known.c.
#
# DIFFERENTIAL_SECONDS says for how long (20), DIFFERENTIAL_SEED where to begin (now). A seed that
# fails prints what differs, and is shrunk to the few calls that matter.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to act as several users"
need_command find chroot
: "${DIFFERENTIAL_SECONDS:=20}" "${DIFFERENTIAL_SEED:=$(date +%s)}" "${DIFFERENTIAL_JOBS:=2}"
say "DIFFERENTIAL_SEED=$DIFFERENTIAL_SEED"
chmod 755 "$S"

# What is compared with must be ext4: other file systems have other habits.
host=$S/host
mkdir "$host"
if [ "$(stat -f -c %T "$host")" != ext2/ext3 ]; then
    need_command mkfs.ext4 losetup
    truncate -s 2G "$S/ext4"
    mkfs.ext4 -q "$S/ext4" && mount -o loop "$S/ext4" "$host" ||
        skip "$S is not on ext4, and no ext4 can be mounted from a file"
fi

# FluxFS changes no atime either.
mount --bind "$host" "$host"
mount -o remount,bind,noatime "$host"

pids=
test_cleanup() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null
    done
}

# With little memory the engine writes its tables and compacts them all the time.
mount_all() {
    if [ $((seed / 3 % 2)) -eq 0 ]; then
        mount_fs -o allow_other,cache=1M
    else
        mount_fs -o allow_other
    fi
}

remount_all() {
    umount_fs
    drop_caches
    mount_all
}

job_numbers() {
    seq 1 "$DIFFERENTIAL_JOBS"
}

tell_how_to_repeat() { # SEED PHASE
    say "to repeat: DIFFERENTIAL_SEED=$seed DIFFERENTIAL_JOBS=$DIFFERENTIAL_JOBS, block length $block_len, job seed $1, phase $2"
}

# Run phase $2 of all sequences that begin with seed $1.
run_phase() {
    pids=
    for job in $(job_numbers); do
        "$HELPERS/differential" run "$host/$job" "$MNT/$job" $(($1 * 1000 + job)) "$2" >"$S/out.$job" 2>&1 &
        pids="$pids $!"
    done
    job=0
    for pid in $pids; do
        job=$((job + 1))
        if ! wait "$pid"; then
            cat "$S/out.$job"
            tell_how_to_repeat $(($1 * 1000 + job)) "$2"
            "$HELPERS/differential" shrink "$host/$job" "$MNT/$job" $(($1 * 1000 + job)) "$2" || :
            fail "the mount differs from ext4"
        fi
    done
    pids=
}

compare_trees() {
    for job in $(job_numbers); do
        "$HELPERS/differential" trees "$host/$job" "$MNT/$job" || {
            tell_how_to_repeat $(($1 * 1000 + job)) "$2"
            fail "the trees differ after the mount was $3"
        }
    done
}

# After phase $2 of seed $1.
disturb() {
    case $(($2 % 5)) in
    1)
        remount_all
        compare_trees "$1" "$2" "mounted anew"
        ;;
    3)
        kill_daemon
        mount_all
        compare_trees "$1" "$2" "killed"
        ;;
    esac
}

# A store of its own, with blocks of another length each time.
run_seed() {
    seed=$1
    case $((seed % 3)) in
    0) block_len=64K ;;
    1) block_len=4K ;;
    2) block_len=1M ;;
    esac
    rm -rf "$STORE" "${host:?}"/*
    "$FLUXFS" mkfs --block-size "$block_len" "$STORE" >/dev/null
    mount_all
    for job in $(job_numbers); do
        mkdir -m 777 "$host/$job" "$MNT/$job"
    done
    phase=0
    while [ "$phase" -lt 12 ] && [ "$(date +%s)" -lt "$end" ]; do
        run_phase "$seed" "$phase"
        disturb "$seed" "$phase"
        phase=$((phase + 1))
        phases=$((phases + DIFFERENTIAL_JOBS))
    done
    share_tree "$seed"
    umount_fs
    check_store
}

# Four processes in one tree. Afterwards what the kernel knows and what the store knows must agree.
share_tree() {
    mkdir -m 777 "$MNT/shared"
    "$HELPERS/differential" shared "$MNT/shared" $(($1 * 1000)) 4 1 || fail "sharing a tree, seed $1"
    "$HELPERS/differential" dump "$MNT/shared" >"$S/before" || {
        grep FAULT "$S/before"
        fail "a shared tree is not whole, seed $1"
    }
    remount_all
    "$HELPERS/differential" dump "$MNT/shared" >"$S/after" || fail "a shared tree is not whole, seed $1"
    diff "$S/before" "$S/after" || fail "a shared tree changes when it is mounted anew, seed $1"
}

phases=0
end=$(($(date +%s) + DIFFERENTIAL_SECONDS))
seed=$DIFFERENTIAL_SEED
while :; do
    run_seed "$seed"
    seed=$((seed + 1))
    [ "$(date +%s)" -lt "$end" ] || break
done
say "$((phases * 1000)) calls on both, all alike"
