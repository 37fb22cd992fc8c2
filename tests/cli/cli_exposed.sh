#!/bin/sh
# mount and fsck warn, once, when others than its owner may read or change a store from outside.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
"$FLUXFS" mkfs -q "$STORE"
same 700 "$(stat -c %a "$STORE")" "mode of a store's directory"
same 600 "$(stat -c %a "$STORE"/* | sort -u)" "modes of its files"

# warns COUNT TEXT: fsck and a mount, read-only and not.
warns() {
    for command in "fsck -n" "fsck -p" "fsck --json"; do
        # shellcheck disable=SC2086 # a command and its words
        "$FLUXFS" $command "$STORE" >/dev/null 2>"$S/warned" || fail "$command: $(cat "$S/warned")"
        same "$1" "$(grep -c "warning: $STORE: $2" "$S/warned")" "warnings of $command: $(cat "$S/warned")"
    done
    for options in "-o ro" "-o rw"; do
        : >"$LOG"
        # shellcheck disable=SC2086 # an option and its value
        mount_fs $options
        umount_fs
        same "$1" "$(grep -c "warning: $STORE: $2" "$LOG")" "warnings of a mount $options: $(cat "$LOG")"
    done
}
say "as it was made"
warns 0 "others"

say "a directory"
for mode in 0750 0704; do
    chmod "$mode" "$STORE"
    warns 1 "others than its owner may read the store: the mode of its directory is $mode; .* chmod -R go= $STORE"
done
for mode in 0770 0702 0777; do
    chmod "$mode" "$STORE"
    warns 1 "others than its owner may change the store: the mode of its directory is $mode"
done
chmod -R go= "$STORE"
warns 0 "others"

say "files"
chmod 640 "$STORE/SUPERBLOCK" # which opening does not make anew
warns 1 "others than its owner may read the store: the mode of SUPERBLOCK is 0640"
chmod 755 "$STORE"
chmod 602 "$STORE/SUPERBLOCK"
warns 1 "others than its owner may change the store: the mode of SUPERBLOCK is 0602 (and 1 more)"
chmod -R go= "$STORE"
warns 0 "others"
if is_root; then
    chown 1234 "$STORE/SUPERBLOCK"
    warns 1 "others than its owner may change the store: SUPERBLOCK belongs to user 1234"
    # A store of somebody else that root looks after is as it should be.
    chown -R 1234 "$STORE"
    warns 0 "others"
fi
