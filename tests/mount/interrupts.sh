#!/bin/sh
# Requests that are interrupted again and again: see interrupt_check.c.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs -o debug
workers=
for name in a b c; do
    "$HELPERS/interrupt_check" "$MNT" "$name" &
    workers="$workers $!"
done
for worker in $workers; do
    wait "$worker" || fail "interrupt_check"
done
is_ready || fail "the daemon does not answer any more"
say "$(grep -c "opcode: INTERRUPT" "$LOG") interrupts"
same "" "$(ls -A "$MNT")" "what is left"
umount_fs
check_store
