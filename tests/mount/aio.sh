#!/bin/sh
# Direct asynchronous writes beside reads through the page cache: see aio_check.c.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
mount_fs
"$HELPERS/aio_check" "$MNT/file" 5 || fail "a read gives old bytes"
umount_fs
check_store
