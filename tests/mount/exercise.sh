#!/bin/sh
# Random calls on the contents of two files, every byte of which is known: reads and writes of all
# kinds, memory maps, truncation, holes, copies, direct transfers. See exercise/exercise.h. Between
# runs of 500 calls the mount is mounted anew, its daemon killed, or the caches are dropped.
#
# EXERCISE_SECONDS says for how long (15), EXERCISE_SEED where to begin (now). What fails prints seed
# and step. A seed has a store of its own, with blocks of another length each time.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${EXERCISE_SECONDS:=15}" "${EXERCISE_SEED:=$(date +%s)}"
say "EXERCISE_SEED=$EXERCISE_SEED"

# With little memory the engine writes its tables and compacts them all the time.
mount_seed() {
    if [ $((seed / 3 % 2)) -eq 0 ]; then
        mount_fs -o cache=1M
    else
        mount_fs
    fi
}

# After the run that began at step $1.
disturb() {
    case $(($1 / 500 % 4)) in
    0)
        umount_fs
        mount_seed
        ;;
    1) drop_caches ;;
    2)
        kill_daemon
        mount_seed
        ;;
    esac
}

run_seed() {
    case $((seed % 3)) in
    0) block_len=64K ;;
    1) block_len=4K ;;
    2) block_len=1M ;;
    esac
    rm -rf "$STORE" "$S"/model*
    "$FLUXFS" mkfs --block-size "$block_len" "$STORE" >/dev/null
    mount_seed
    step=0
    while [ "$step" -lt 6000 ] && [ "$(date +%s)" -lt "$end" ]; do
        "$HELPERS/exercise" "$MNT" "$S/model" "$seed" "$step" $((step + 500)) ||
            fail "to repeat: EXERCISE_SEED=$seed, until step $step; block length $block_len"
        disturb "$step"
        step=$((step + 500))
        steps=$((steps + 500))
    done
    umount_fs
    check_store
}

steps=0
end=$(($(date +%s) + EXERCISE_SECONDS))
seed=$EXERCISE_SEED
while :; do
    run_seed
    seed=$((seed + 1))
    [ "$(date +%s)" -lt "$end" ] || break
done
[ "$steps" -gt 0 ] || fail "no step was made"
say "$steps calls, every byte as it must be"
