#!/bin/sh
# Help, versions, and wrong usage: what is wrong is named, with exit status 2 (fsck 16, mount 1).
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"

exits 0 "^Usage: fluxfs" "$FLUXFS" --help
exits 0 "^fluxfs [0-9]" "$FLUXFS" --version
exits 0 "^Usage: fluxfs" "$FLUXFS" help
exits 2 "^Usage: fluxfs" "$FLUXFS"
exits 2 'no command "frobnicate"' "$FLUXFS" frobnicate
exits 2 'no command "frobnicate"' "$FLUXFS" help frobnicate
exits 2 "unknown option --frob" "$FLUXFS" --frob
for command in mkfs mount umount fsck stat ls cat import export dump; do
    usage=2
    case $command in
    fsck) usage=16 ;;
    mount) usage=1 ;;
    esac
    exits 0 "^Usage: fluxfs $command" "$FLUXFS" "$command" --help
    exits 0 "^Usage: fluxfs $command" "$FLUXFS" "$command" -h
    exits 0 "^Usage: fluxfs $command" "$FLUXFS" help "$command"
    exits 0 "^  $command " "$FLUXFS" help
    exits "$usage" "fluxfs $command: unknown option --frob" "$FLUXFS" "$command" --frob
    exits "$usage" "fluxfs $command: unknown option -Z" "$FLUXFS" "$command" -Z
    exits "$usage" "name " "$FLUXFS" "$command"
    exits "$usage" "takes no value" "$FLUXFS" "$command" --help=x
done
exits 2 "needs a value" "$FLUXFS" mkfs --label
exits 2 "needs a value" "$FLUXFS" mkfs "$STORE" -b

say "by the names that Linux looks for"
for name in mkfs.fluxfs fsck.fluxfs mount.fluxfs mount.fuse.fluxfs; do
    ln -s "$FLUXFS" "$S/$name"
done
exits 0 "mkfs.fluxfs" "$S/mkfs.fluxfs" --help
exits 2 "^mkfs.fluxfs: " "$S/mkfs.fluxfs"
exits 16 "^fsck.fluxfs: " "$S/fsck.fluxfs"
exits 1 "^mount.fluxfs: " "$S/mount.fluxfs"
exits 1 "^mount.fuse.fluxfs: " "$S/mount.fuse.fluxfs"
exits 1 "another namespace" "$S/mount.fuse.fluxfs" "$STORE" "$MNT" -N 1
[ ! -e "$STORE" ] || fail "wrong usage made a store"
exits 0 "empty file system" "$S/mkfs.fluxfs" "$STORE"
exits 0 "clean" "$S/fsck.fluxfs" -a -C0 -T -t fluxfs "$STORE"

say "output that cannot be written is a failure"
status=0
"$FLUXFS" --help >/dev/full 2>"$S/err" || status=$?
same 1 "$status" "status with a full disk"
grep -q "could not be written" "$S/err" || fail "a full disk is not told"
status=0
"$FLUXFS" dump "$STORE" >/dev/full 2>"$S/err" || status=$?
same 1 "$status" "status of dump with a full disk"
status=0
"$FLUXFS" fsck "$STORE" >/dev/full 2>"$S/err" || status=$?
same 8 "$status" "status of fsck with a full disk"
