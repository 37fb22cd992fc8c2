#!/bin/sh
# FluxFS with default options; FSBENCH_FLUXFS_OPTIONS has more of them.
set -eu
case $1 in
check) [ -x "$FLUXFS" ] || { echo "no fluxfs at $FLUXFS (-f)" >&2 && exit 1; } ;;
kind) echo daemon ;;
make) : ;;
mount) exec "$FLUXFS" mount -f ${FSBENCH_FLUXFS_OPTIONS:+-o "$FSBENCH_FLUXFS_OPTIONS"} "$W/store" "$MNT" ;;
esac
