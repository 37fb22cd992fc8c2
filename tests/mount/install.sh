#!/bin/sh
# What `cmake --install` puts in place: the commands, their manual pages, and a library that programs
# can be built with through pkg-config, shared and static. Nothing is mounted.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_command cmake pkg-config cc
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
for name in mkfs.fluxfs fsck.fluxfs mount.fluxfs mount.fuse.fluxfs; do
    target=$(readlink "$(found "$name")")
    same "${fluxfs#"$S/dest"}" "$target" "where $name points"
done
"$fluxfs" mkfs "$STORE" >/dev/null
(cd "$S" && ln -s "$fluxfs" fsck.fluxfs && ./fsck.fluxfs -n "$STORE" >/dev/null) ||
    fail "fsck.fluxfs does not act on the name that it is called by"
for page in fluxfs.8 mkfs.fluxfs.8 fsck.fluxfs.8; do
    found "$page" >/dev/null
done

say "a program with liblsm"
cat >"$S/user.c" <<'PROGRAM'
#include <lsm.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct lsm_options options;
    struct lsm_db *db;
    struct lsm_value value;

    lsm_options_default(&options);
    options.create = true;
    if (argc != 2 || lsm_open(argv[1], &options, &db) < 0) {
        fprintf(stderr, "%s\n", lsm_detail());
        return 1;
    }
    if (lsm_put(db, "key", 3, "value", 5, LSM_WRITE_SYNC) < 0 ||
        lsm_get(db, NULL, "key", 3, &value) < 0 || value.len != 5 ||
        memcmp(value.data, "value", 5) != 0)
        return 1;
    lsm_value_done(&value);
    printf("%s\n", lsm_version());
    return lsm_close(db) < 0;
}
PROGRAM
PKG_CONFIG_PATH=$(dirname "$(found lsm.pc)")
PKG_CONFIG_SYSROOT_DIR=$S/dest
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
version=$(pkg-config --modversion lsm)
# shellcheck disable=SC2046 # lists of flags
cc -o "$S/shared" "$S/user.c" $(pkg-config --cflags --libs lsm) || fail "linking with liblsm.so"
libdir=$(dirname "$(found liblsm.so)")
same "$version" "$(LD_LIBRARY_PATH=$libdir "$S/shared" "$S/db")" "version of the shared library"
PKG_CONFIG_SYSROOT_DIR=
includes="-I$(dirname "$(found lsm.h)")"
# shellcheck disable=SC2046
cc -o "$S/static" "$S/user.c" "$includes" "$(found liblsm.a)" \
    $(pkg-config --static --libs-only-l lsm | sed 's/-llsm//') || fail "linking with liblsm.a"
same "$version" "$("$S/static" "$S/db")" "version of the static library"

say "exported names"
nm -D --defined-only "$libdir/liblsm.so" | awk '{ print $3 }' | grep -v '^lsm_' | grep -v '^_' >"$S/names" || :
same "" "$(cat "$S/names")" "names beside lsm_ that the shared library exports"
