#!/bin/sh
# btrfs with compress=lzo on a loop device: a new one in each round.
set -eu
case $1 in
check) command -v mkfs.btrfs >/dev/null || { echo "needs mkfs.btrfs (btrfs-progs)" >&2 && exit 1; } ;;
kind) echo kernel ;;
make) truncate -s 24G "$W/image" && mkfs.btrfs -q "$W/image" ;;
mount) mount -o loop,compress=lzo "$W/image" "$MNT" ;;
esac
