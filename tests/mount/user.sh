#!/bin/sh
# An ordinary user mounts, uses and unmounts a file system of their own through fusermount3.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command fusermount3
[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not setuid"

# Where only root may open /dev/fuse (udev makes it 0666), the test brings one of its own, which
# nobody else sees.
if is_root && [ -z "${USER_TEST_NAMESPACE:-}" ] &&
    [ "$(($(stat -c 0%a /dev/fuse) & 6))" -ne 6 ]; then
    need_command unshare
    USER_TEST_NAMESPACE=yes
    export USER_TEST_NAMESPACE
    status=0
    unshare --mount --propagation private sh "$0" || status=$?
    exit "$status"
fi
if [ -n "${USER_TEST_NAMESPACE:-}" ]; then
    mknod -m 666 "$S/fuse" c 10 229
    mount --bind "$S/fuse" /dev/fuse
fi
if is_root; then
    need_command setpriv
    chmod 755 "$S"
    # The build directory may be closed to others.
    mkdir "$S/bin" "$S/home"
    cp "$FLUXFS" "$S/bin/fluxfs"
    chown -R 65534:65534 "$S/home"
    as_user() {
        (cd "$S/home" && HOME=$S/home setpriv --reuid=65534 --regid=65534 --clear-groups "$@")
    }
    uid=65534
    FLUXFS=$S/bin/fluxfs
else
    mkdir "$S/home"
    as_user() {
        (cd "$S/home" && "$@")
    }
    uid=$(id -u)
fi
as_user mkdir mnt
MNT=$S/home/mnt
STORE=$S/home/store
as_user "$FLUXFS" mount store mnt </dev/null >"$LOG" 2>&1 || fail "mount as a user"
is_mounted || fail "not mounted"
same "$uid" "$(as_user stat -c %u mnt)" "owner of the root"
as_user sh -c 'echo mine >mnt/f && mkdir -p mnt/d/e && ln -s f mnt/s && chmod 600 mnt/f' || fail "using it"
same "mine $uid 600" "$(as_user cat mnt/f) $(as_user stat -c '%u %a' mnt/f)" "a file of the user's"
refused "not permitted" as_user chown 1 mnt/f
case $(awk -v dir="$MNT" '$2 == dir { print $4 }' /proc/self/mounts) in
*nosuid*nodev* | *nodev*nosuid*) ;;
*) fail "a user's mount allows setuid programs or devices" ;;
esac
if is_root; then
    refused "permission denied" ls "$MNT"
    grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null || {
        as_user mkdir mnt2
        refused "allow_other" as_user "$FLUXFS" mount store2 mnt2 -o allow_other
    }
fi
as_user "$FLUXFS" umount mnt || fail "umount as a user"
is_mounted && fail "still mounted"
as_user "$FLUXFS" mount store mnt </dev/null >>"$LOG" 2>&1 || fail "mount again"
same mine "$(as_user cat mnt/f)" "contents after a remount"
as_user fusermount3 -u mnt || fail "fusermount3 -u"
within 20 scratch_is_unused || fail "the daemon was left"
as_user "$FLUXFS" fsck -n store >/dev/null || fail "fsck found something"
