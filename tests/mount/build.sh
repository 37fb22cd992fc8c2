#!/bin/sh
# The project is built inside its own mount, and unit tests of the engine run there.
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
# What opens stores on the disk: here one store is inside another.
tests="test_manifest test_superblock test_version test_db_basic"
targets=$tests
if [ -z "$SANITIZED" ]; then
    targets="$targets fluxfs"
fi
# shellcheck disable=SC2086 # a list of names
ninja -C build $targets >"$S/build.log" 2>&1 || {
    tail -n 40 "$S/build.log" >&2
    fail "building"
}
for test in $tests; do
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
