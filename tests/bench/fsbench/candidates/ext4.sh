#!/bin/sh
# ext4 on a loop device: a new one in each round, on a file with room for 24 GiB.
set -eu
case $1 in
check) command -v mkfs.ext4 >/dev/null || { echo "needs mkfs.ext4 (e2fsprogs)" >&2 && exit 1; } ;;
kind) echo kernel ;;
make) truncate -s 24G "$W/image" && mkfs.ext4 -q "$W/image" ;;
mount) mount -o loop "$W/image" "$MNT" ;;
esac
