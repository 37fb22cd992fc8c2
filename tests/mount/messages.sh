#!/bin/sh
# What the kernel asks the daemon: as many messages as fs/README.md says, and no more.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command dd getfattr setfattr
mount_fs -o debug

# How many messages of a kind the log has.
messages() {
    grep -c "opcode: $1 " "$LOG" || :
}

# How many messages of kind $1 the rest of the arguments, a command, causes.
caused() {
    kind=$1
    shift
    before=$(messages "$kind")
    "$@" || fail "$* has failed"
    echo "$(($(messages "$kind") - before))"
}

write_100() {
    dd if=/dev/zero of="$MNT/$1" bs=4096 count=100 conv=notrunc 2>/dev/null
}

say "writing asks for capabilities once for each file"
write_100 first
same 1 "$(caused GETXATTR write_100 second)" "GETXATTR of 100 writes to a new file"
same 0 "$(caused GETXATTR write_100 second)" "GETXATTR of 100 writes more"
same 100 "$(caused WRITE write_100 second)" "WRITE of 100 writes"
same 0 "$(caused SETATTR write_100 second)" "SETATTR of 100 writes"

say "opening, closing and reading again ask for nothing"
cat "$MNT/second" >/dev/null
for kind in OPEN FLUSH RELEASE READ LOOKUP GETXATTR; do
    same 0 "$(caused $kind sh -c "cat '$MNT/second' >/dev/null")" "$kind of reading again"
done

say "names are looked up once, there or not"
ls "$MNT/absent" 2>/dev/null && fail "a name that is not there"
same 0 "$(caused LOOKUP sh -c "test ! -e '$MNT/absent' && test -e '$MNT/second'")" "LOOKUP"
same 1 "$(caused MKNOD sh -c ": >'$MNT/absent'")" "MKNOD of a new file"
if grep -q selinuxfs /proc/filesystems; then
    say "the kernel has SELinux: labels are answered as on any file system"
else
    say "as long as nothing has a label, it is said that there are none, which ends the asking of ls"
    refused "not supported" getfattr -n security.selinux "$MNT/first"
    refused "no such attribute" getfattr -n security.capability "$MNT/first"
    umount_fs
    mount_fs
    refused "not supported" getfattr -n security.selinux "$MNT/first"
fi
if ! grep -q selinuxfs /proc/filesystems && is_root; then
    say "with a label somewhere, others are just not there; also after a mount"
    setfattr -n security.selinux -v label "$MNT/second"
    refused "no such attribute" getfattr -n security.selinux "$MNT/first"
    setfattr -x security.selinux "$MNT/second"
    remount_fs
    refused "no such attribute" getfattr -n security.selinux "$MNT/first"
fi
umount_fs
check_store
