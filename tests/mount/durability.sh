#!/bin/sh
# What has to be durable survives a loss of power: fsync, O_SYNC, O_DSYNC, O_DIRECT with them, -o sync,
# -o dirsync, a remount to read-only. The store lies on an ext4 of its own, which is stopped as if the
# power went: what the kernel has not brought to the disk by then is lost, whatever the log was handed.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a disk of its own"
need_command mkfs.ext4
truncate -s 256M "$S/image"
mkfs.ext4 -q -F "$S/image"
mkdir "$S/disk"
mount -t ext4 -o loop,commit=300 "$S/image" "$S/disk" || skip "cannot mount an ext4 on a loop device"
STORE=$S/disk/store
mount_fs
umount_fs
sync -f "$S/disk"

# The power fails; then the machine starts again, with a copy of the disk: the stopped one may still be
# mounted in another namespace.
power_cut() {
    "$HELPERS/shutdown_disk" "$S/disk" || fail "the disk does not stop"
    kill_daemon
    unmount_by_force "$MNT"
    umount "$S/disk" || fail "the stopped disk cannot be unmounted"
    cp --sparse=always "$S/image" "$S/image.new"
    rm "$S/image"
    mv "$S/image.new" "$S/image"
    mount -t ext4 -o loop,commit=300 "$S/image" "$S/disk" || fail "the disk cannot be mounted again"
}
start() { # start OPTIONS
    mount_fs -o "commit=3600,$1"
    cd "$MNT"
}
# The cut, and a mount that finds what is left.
cut_and_look() {
    cd /
    power_cut
    check_store
    mount_fs
    cd "$MNT"
}
finish_round() {
    rm -rf ./*
    cd /
    umount_fs
    sync -f "$S/disk"
}

say "without a sync, so that the rest proves something"
start async
echo lost >lost
mkdir lostdir
cut_and_look
[ ! -e lost ] && [ ! -e lostdir ] || fail "what was not synced has survived: the power cut is none"
finish_round

say "fsync, O_SYNC, O_DSYNC, O_DIRECT"
start async
echo 1 >fsynced
sync fsynced
cut_and_look
same 1 "$(cat fsynced)" "after fsync"
finish_round
for flag in sync dsync direct,sync direct,dsync; do
    start async
    head -c 8192 /dev/urandom >"$S/piece"
    dd if="$S/piece" of=file bs=4096 oflag="$flag" status=none || fail "dd oflag=$flag"
    cut_and_look
    cmp "$S/piece" file || fail "what was written with $flag is lost"
    finish_round
done

changes() { # each is the last before a cut
    case $1 in
    write) echo text >file ;;
    append) echo more >>old ;;
    truncate) truncate -s 1 old ;;
    chmod) chmod 600 old ;;
    xattr) setfattr -n user.x -v y old ;;
    create) : >created ;;
    mkdir) mkdir dir ;;
    symlink) ln -s target link ;;
    link) ln old hard ;;
    rename) mv old renamed ;;
    unlink) rm old ;;
    rmdir) rmdir olddir ;;
    mkfifo) mkfifo fifo ;;
    esac
}
survived() {
    case $1 in
    write) [ "$(cat file)" = text ] ;;
    append) [ "$(tail -n 1 old)" = more ] ;;
    truncate) [ "$(stat -c %s old)" = 1 ] ;;
    chmod) [ "$(stat -c %a old)" = 600 ] ;;
    xattr) [ "$(getfattr --only-values -n user.x old)" = y ] ;;
    create) [ -f created ] ;;
    mkdir) [ -d dir ] ;;
    symlink) [ -L link ] ;;
    link) [ hard -ef old ] ;;
    rename) [ -f renamed ] && [ ! -e old ] ;;
    unlink) [ ! -e old ] ;;
    rmdir) [ ! -e olddir ] ;;
    mkfifo) [ -p fifo ] ;;
    esac
}
check_change() { # check_change OPTION CHANGE
    mount_fs
    echo old >"$MNT/old"
    mkdir "$MNT/olddir"
    umount_fs
    sync -f "$S/disk"
    start "$1"
    changes "$2"
    cut_and_look
    survived "$2" || fail "$2 with $1 is lost"
    finish_round
}
need_command setfattr
names="create mkdir symlink link rename unlink rmdir mkfifo"
say "-o dirsync: $names"
for change in $names; do
    check_change dirsync "$change"
done
say "-o sync: these and changes of files"
for change in write append truncate chmod xattr mkdir rename; do
    check_change sync "$change"
done

say "a remount to read-only"
start async
echo 1 >file
mkdir dir
cd /
"$FLUXFS" mount "$STORE" "$MNT" -o remount,ro || fail "remount"
cut_and_look
same 1 "$(cat file)" "what was written before the remount"
[ -d dir ] || fail "a directory is lost"
finish_round
check_store
umount "$S/disk"
