#!/bin/sh
# The project is built inside its own mount, and unit tests of one room run there.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command cmake ninja
mount_fs
mkdir "$MNT/source"
(cd "$SOURCE_DIR" && tar -cf - CMakeLists.txt lsm fs tools tests) | tar -C "$MNT/source" -xf -
cd "$MNT/source"
cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Debug >"$S/build.log" 2>&1 || {
    tail -n 40 "$S/build.log" >&2
    fail "configuring"
}
targets=$(find tests/unit/base -name 'test_*.c' -printf '%f\n' | sed 's/\.c$//')
if [ -z "$SANITIZED" ]; then
    targets="$targets fluxfs"
fi
# shellcheck disable=SC2086 # a list of names
ninja -C build $targets >"$S/build.log" 2>&1 || {
    tail -n 40 "$S/build.log" >&2
    fail "building"
}
for test in $(find tests/unit/base -name 'test_*.c' -printf '%f\n' | sed 's/\.c$//'); do
    TMPDIR=$MNT "$(find build -name "$test" -type f)" >"$S/test.log" 2>&1 || {
        tail -n 40 "$S/test.log" >&2
        fail "$test, built and run on the mount"
    }
done
# shellcheck disable=SC2086
ninja -C build $targets | tee "$S/build.log"
grep -q "no work to do" "$S/build.log" || fail "times on the mount make ninja build again"
cd /
umount_fs
check_store
