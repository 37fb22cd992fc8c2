#!/bin/sh
# libfuse's example passthrough_fh with timeouts of a day, named by FSBENCH_PASSTHROUGH_FH. It is built from its
# source, which libfuse3-dev installs (where dpkg leaves out documentation: apt-get source fuse3):
#     gcc -O2 -DHAVE_UTIMENSAT -DHAVE_POSIX_FALLOCATE -DHAVE_SETXATTR -o passthrough_fh passthrough_fh.c $(pkg-config --cflags --libs fuse3)
set -eu
program=${FSBENCH_PASSTHROUGH_FH:-passthrough_fh}
case $1 in
check) command -v "$program" >/dev/null || { echo "no passthrough_fh (FSBENCH_PASSTHROUGH_FH)" >&2 && exit 1; } ;;
kind) echo daemon ;;
make) mkdir "$W/tree" ;;
mount)
    timeouts=entry_timeout=86400,attr_timeout=86400,negative_timeout=86400
    exec "$program" -f -o "modules=subdir,subdir=$W/tree,allow_other,$timeouts" "$MNT"
    ;;
esac
