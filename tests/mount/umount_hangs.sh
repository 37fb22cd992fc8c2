#!/bin/sh
# A disk that never answers: `fluxfs umount` waits, says for whom, can be interrupted and given a
# limit, and with -l takes the mount away all the same. Its status is 0 only when everything is on
# disk. The store's disk is an ext4 in a file of another mount of ours, whose daemon is stopped: what
# waits for it is let go by no signal.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a disk of its own"
need_command mkfs.ext4 setsid
mkdir "$S/below" "$S/disk"
"$FLUXFS" mount -f "$S/below.store" "$S/below" </dev/null >>"$S/below.log" 2>&1 &
BELOW=$!
below_is_ready() {
    [ "$(stat -f -c %t "$S/below" 2>/dev/null)" = 65735546 ]
}
waiting=
test_cleanup() {
    kill -CONT "$BELOW" 2>/dev/null
    if [ -n "$waiting" ]; then
        kill -KILL "$waiting" 2>/dev/null
        wait "$waiting" 2>/dev/null
    fi
    if [ -n "$DAEMON" ]; then
        kill "$DAEMON" 2>/dev/null
        wait "$DAEMON"
        DAEMON=
    fi
    within 10 umount "$S/disk" 2>/dev/null
    within 10 "$FLUXFS" umount "$S/below" 2>/dev/null
    wait "$BELOW"
}
within "$WAIT_S_MAX" below_is_ready || fail "the mount below is not ready: $(cat "$S/below.log")"
truncate -s 256M "$S/below/image"
mkfs.ext4 -q -F "$S/below/image"
mount -t ext4 -o loop "$S/below/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
# stopped_umount STATUS TEXT OPTION...: with a disk that does not answer.
stopped_umount() {
    stopped_status=0
    stopped_expected=$1
    stopped_text=$2
    shift 2
    timeout 60 "$FLUXFS" umount "$@" "$MNT" 2>"$S/words" || stopped_status=$?
    same "$stopped_expected" "$stopped_status" "status of umount $*: $(cat "$S/words")"
    grep -q "$stopped_text" "$S/words" || fail "umount $* does not tell '$stopped_text': $(cat "$S/words")"
}
write_and_stop() { # write_and_stop NAME: unsynced
    head -c 3000000 /dev/urandom >"$S/$1"
    cp "$S/$1" "$MNT/$1"
    kill -STOP "$BELOW"
}
go_on() {
    kill -CONT "$BELOW"
    within "$WAIT_S_MAX" is_free || fail "the daemon does not end"
    wait_daemon
    check_store
    mount_fs -o commit=3600
    for name in "$@"; do
        cmp "$S/$name" "$MNT/$name" || fail "contents of $name"
    done
}
is_free() {
    if is_mounted; then
        "$FLUXFS" umount "$MNT" 2>>"$LOG"
    fi
    ! kill -0 "$DAEMON" 2>/dev/null || [ "$(ps -o stat= -p "$DAEMON" | cut -c 1)" = Z ]
}

say "a limit of time"
mount_fs -o commit=3600
write_and_stop limited
stopped_umount 3 "still mounted, but not everything is on disk" --timeout 3
is_mounted || fail "it is said to be mounted, and is not"
stopped_umount 3 "still mounted, but not everything is on disk" -T0
go_on limited

say "an interrupt"
write_and_stop interrupted
setsid env --default-signal=INT "$FLUXFS" umount "$MNT" 2>"$S/words" &
waiting=$!
within 60 grep -q "waiting for process $DAEMON to bring everything to disk" "$S/words" ||
    fail "umount does not say for whom it waits: $(cat "$S/words")"
kill -INT "$waiting"
within 20 sh -c "! kill -0 $waiting 2>/dev/null || ps -o stat= -p $waiting | grep -q Z" ||
    fail "umount cannot be interrupted"
interrupted_status=0
wait "$waiting" || interrupted_status=$?
waiting=
same 130 "$interrupted_status" "status of an umount that was interrupted"
is_mounted || fail "an umount that was interrupted goes on"
go_on limited interrupted

say "lazily"
write_and_stop lazy
stopped_umount 3 "not everything is on disk" --lazy --timeout 3
is_mounted && fail "still mounted after umount -l"
kill -0 "$DAEMON" || fail "the daemon has ended without its disk"
go_on limited interrupted lazy

say "lazily, in use, with a disk that answers"
exec 9<"$MNT/lazy"
"$FLUXFS" umount -l "$MNT" || fail "umount -l of a mount in use"
is_mounted && fail "still mounted after umount -l"
same "$(cksum <"$S/lazy")" "$(cksum <&9)" "a file that is open"
exec 9<&-
go_on limited

say "lazily, and nobody uses it"
"$FLUXFS" umount -l "$MNT" || fail "umount -l"
is_mounted && fail "still mounted after umount -l"
wait_daemon
refused "not a number of seconds" "$FLUXFS" umount -T -1 "$MNT"
refused "not a number of seconds" "$FLUXFS" umount --timeout=soon "$MNT"
