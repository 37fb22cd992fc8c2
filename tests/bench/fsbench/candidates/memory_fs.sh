#!/bin/sh
# A FUSE daemon that keeps everything in memory, with the same messages as FluxFS: the least that an operation can
# cost. It forgets everything when it is unmounted, so only the phase "operations" works on it.
set -eu
case $1 in
check) [ -x "$HELPERS/fsbench_memory_fs" ] || { echo "no fsbench_memory_fs in $HELPERS (-b)" >&2 && exit 1; } ;;
kind) echo daemon ;;
make) : ;;
mount) exec "$HELPERS/fsbench_memory_fs" "$MNT" ;;
esac
