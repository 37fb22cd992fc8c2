#!/bin/sh
# What `cmake --install` puts in place: the commands, under all their names, and their manual pages
# (tests/cli/library.sh looks at the library). Nothing is mounted.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_command cmake
: "${BUILD_DIR:?}"
DESTDIR=$S/dest cmake --install "$BUILD_DIR" >"$S/install.log" 2>&1 || {
    cat "$S/install.log" >&2
    fail "cmake --install"
}
found() { # found NAME: its path below $S/dest
    found_path=$(find "$S/dest" -name "$1" | head -n 1)
    [ -n "$found_path" ] || fail "$1 is not installed"
    echo "$found_path"
}
fluxfs=$(found fluxfs)
"$fluxfs" --version | grep -q '[0-9]\.[0-9]' || fail "the installed fluxfs shows no version"
for name in mkfs.fluxfs fsck.fluxfs mount.fluxfs mount.fuse.fluxfs umount.fluxfs umount.fuse.fluxfs; do
    target=$(readlink "$(found "$name")")
    same "${fluxfs#"$S/dest"}" "$target" "where $name points"
done
"$fluxfs" mkfs "$STORE" >/dev/null
(cd "$S" && ln -s "$fluxfs" fsck.fluxfs && ./fsck.fluxfs -n "$STORE" >/dev/null) ||
    fail "fsck.fluxfs does not act on the name that it is called by"
for page in fluxfs.8 mkfs.fluxfs.8 fsck.fluxfs.8 lsmctl.1 lsm.3; do
    found "$page" >/dev/null
done
