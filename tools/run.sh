#!/bin/sh
# sh tools/run.sh [STORE DIR]
#
# From a fresh clone to a mounted file system: installs what the build needs (as root, by apt-get,
# on Debian bookworm or newer), builds into build/release, makes the store if there is none, and
# mounts it. STORE is ~/fluxfs-store and DIR is ~/fluxfs unless given. It can be run again at any
# time: what is there already is kept.
set -eu
umask 022
unset CDPATH

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'tools/run.sh: %s\n' "$*" >&2
    exit 1
}

case $#:${1:-} in
0:) ;;
1:-h | 1:--help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
2:*) ;;
*)
    echo "usage: sh tools/run.sh [STORE DIR]" >&2
    exit 2
    ;;
esac
if [ "$#" -eq 0 ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set; name a STORE and a DIR"
    set -- "$HOME/fluxfs-store" "$HOME/fluxfs"
fi
# Relative names are the caller's, so make them absolute before leaving.
absolute() {
    case $1 in
    /*) say "$1" ;;
    *) say "$(pwd)/$1" ;;
    esac
}
store=$(absolute "$1")
dir=$(absolute "$2")
root=$(cd "$(dirname "$0")/.." && pwd -P)
build=$root/build/release
fluxfs=$build/tools/fluxfs

packages="gcc libc6-dev cmake ninja-build pkg-config libfuse3-dev fuse3 liblz4-dev libxxhash-dev
    liburing-dev uthash-dev libjansson-dev libarchive-dev zlib1g-dev"

missing_packages() {
    for package in $packages; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
            printf '%s ' "$package"
    done
}

install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "This is not Debian; if the build fails, install what these packages hold:"
        say "$packages" | tr -s ' \n' ' '
        say ""
        return
    fi
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        fail "packages are missing. As root:
    apt-get update && apt-get install -y --no-install-recommends $missing"
    fi
    say "Installing $missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -q || fail "apt-get update failed"
    # shellcheck disable=SC2086 # a list of names
    apt-get install -q -y --no-install-recommends $missing </dev/null ||
        fail "apt-get install failed"
}

build_release() {
    log=$root/build/release.log
    mkdir -p "$root/build"
    say "Building (log: $log)"
    if ! cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DFLUXFS_TESTS=OFF >"$log" 2>&1 || ! ninja -C "$build" >>"$log" 2>&1; then
        tail -n 40 "$log" >&2
        fail "the build failed"
    fi
}

# The source of the file system that is mounted on DIR; nothing when none is.
mounted_source() {
    awk -v dir="$1" '$2 == dir { source = $1 } END { if (source) print source }' /proc/self/mounts |
        sed 's/\\040/ /g'
}

# A word as the shell takes it.
quoted() {
    case $1 in
    *[!A-Za-z0-9_./+=:,@-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
    esac
}

how_to() {
    q_fluxfs=$(quoted "$fluxfs")
    q_dir=$(quoted "$dir")
    q_store=$(quoted "$store")
    say ""
    say "The file system in $store is mounted on $dir."
    say "  use      cd $q_dir"
    say "  look     $q_fluxfs stat $q_dir"
    say "  unmount  $q_fluxfs umount $q_dir"
    say "  check    $q_fluxfs fsck -n $q_store     (unmounted)"
    say "  again    sh $(quoted "$root/tools/run.sh") $q_store $q_dir"
}

install_packages
build_release
mkdir -p "$(dirname "$store")"
if ! mkdir -p "$dir" 2>/dev/null; then
    # A daemon that has died leaves a mount point that cannot even be looked at; mount clears it.
    [ -n "$(mounted_source "$dir")" ] || fail "cannot make the directory $dir"
fi
store=$(cd "$(dirname "$store")" && pwd -P)/$(basename "$store")
dir=$(cd "$(dirname "$dir")" && pwd -P)/$(basename "$dir")
case $store/ in
"$dir"/*) fail "the store $store lies inside its own mount point $dir" ;;
esac

# The kernel writes a space in a mount point as \040. A mount whose daemon has died is listed as well;
# asking for its free space tells.
listed=$(say "$dir" | sed 's/ /\\\\040/g')
source=$(mounted_source "$listed")
if [ -n "$source" ] && stat -f "$dir" >/dev/null 2>&1; then
    [ "$source" = "$store" ] || fail "$dir is in use: $source is mounted there"
    say "It was mounted already."
    how_to
    exit 0
fi
[ -c /dev/fuse ] || fail "there is no /dev/fuse: the kernel's fuse module is not loaded (as root:
    modprobe fuse), or this is a container that was not given the device (--device /dev/fuse
    --cap-add SYS_ADMIN)"
"$fluxfs" mount "$store" "$dir" || fail "mounting failed"
how_to
