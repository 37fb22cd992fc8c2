#!/bin/sh
# The daemon is killed hundreds of times while threads create, write, rename, link, copy, sync and
# remove, its engine flushes and compacts, and snapshots are made between its lives. See
# kills/kills_main.c for what is compared with what.
#
# KILLS_ROUNDS says how often (60), KILLS_SEED where to begin (now): seeds give the moments and the
# calls, but not how far the calls have come at that moment. KILLS_KEEP=DIR keeps the store of a failure.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${KILLS_ROUNDS:=60}" "${KILLS_SEED:=$(date +%s)}" "${KILLS_KEEP:=}" "${LSMCTL:?names the lsmctl command}"
if [ -n "$SANITIZED" ]; then
    KILLS_ROUNDS=$(((KILLS_ROUNDS + 3) / 4))
fi
say "KILLS_SEED=$KILLS_SEED"

test_cleanup() {
    if [ "$finish_status" -ne 0 ] && [ -n "$KILLS_KEEP" ]; then
        cp -a "$STORE" "$KILLS_KEEP"
    fi
}

"$FLUXFS" mkfs "$STORE" >>"$LOG"
"$HELPERS/kills" "$FLUXFS" "$LSMCTL" "$STORE" "$MNT" "$KILLS_ROUNDS" "$KILLS_SEED" >"$S/told" 2>>"$LOG" || {
    tail -n 60 "$S/told" >&2
    fail "KILLS_SEED=$KILLS_SEED KILLS_ROUNDS=$KILLS_ROUNDS"
}
tail -n 1 "$S/told"
say "mounted once more"
mount_fs
find "$MNT" -type f -exec cat {} + >/dev/null || fail "a file cannot be read"
umount_fs
check_store
