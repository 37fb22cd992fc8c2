#!/bin/sh
# With -o dirsync and -o sync a change is made and then synced. When the sync fails the answer is an
# error, but the change stays made: what the kernel shows afterwards must be what the store holds. The
# store lies on a disk that promises more room than there is below it, so that its log can be written
# to the cache but not brought to the disk.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount a disk of its own"
need_command mkfs.ext4 setfattr
[ -w /proc/sys/vm/drop_caches ] || skip "cannot drop what the kernel has cached"
mkdir "$S/below" "$S/disk"
head -c 262144 /dev/urandom >"$S/random"
head -c 7000 /dev/urandom >"$S/value"

disk_make() {
    mount -t tmpfs -o size=64m tmpfs "$S/below" || skip "cannot mount a tmpfs"
    truncate -s 512M "$S/below/image"
    mkfs.ext4 -q -F -E lazy_itable_init=1 "$S/below/image"
    mount -t ext4 -o loop,commit=300,errors=continue "$S/below/image" "$S/disk" ||
        skip "cannot mount an ext4 on a loop device"
}
disk_fill() {
    sync -f "$S/disk"
    if dd if=/dev/zero of="$S/below/filler" bs=4k status=none 2>/dev/null; then
        fail "the room below the disk does not end"
    fi
}
disk_drop() {
    umount "$S/disk" || fail "the failed disk cannot be unmounted"
    umount "$S/below" || fail "what is below the disk cannot be unmounted"
}

changes() {
    case $1 in
    create) touch new ;;
    mkdir) mkdir new ;;
    symlink) ln -s target new ;;
    link) ln old new ;;
    rename) mv old new ;;
    replace) mv old other ;;
    unlink) rm old ;;
    rmdir) rmdir dir ;;
    xattr) setfattr -n user.x -v "0x$(od -An -v -tx1 <"$S/value" | tr -d ' \n')" old ;;
    esac
}
made() {
    [ "$1" = xattr ] || [ "$(stat -c %y .)" != "$(cat "$S/time")" ] || return 1
    case $1 in
    create) [ -f new ] ;;
    mkdir) [ -d new ] ;;
    symlink) [ "$(readlink new)" = target ] ;;
    link) [ new -ef old ] && same_links 3 ;;
    rename) [ -f new ] && [ ! -e old ] && same_links 2 ;;
    replace) [ other -ef hard ] && [ ! -e old ] && same_links 2 ;;
    unlink) [ ! -e old ] && same_links 1 ;;
    rmdir) [ ! -e dir ] ;;
    xattr) getfattr --only-values -n user.x old 2>/dev/null | cmp -s - "$S/value" ;;
    esac
}
same_links() {
    [ "$(stat -c %h hard)" = "$1" ]
}
# All that the kernel may have kept: each name by itself, the listing, attributes.
shown() {
    for shown_name in new old other hard dir .; do
        stat -c '%n %F %a %s %h %i %Y %Z' "$shown_name" 2>/dev/null || echo "no $shown_name"
    done
    find . -printf '%p\n' | sort
    cat hard
}
check_change() { # check_change OPTION CHANGE
    disk_make
    STORE=$S/disk/store
    mount_fs -o "commit=3600,$1"
    cd "$MNT"
    echo old >old
    ln old hard
    echo other >other
    mkdir dir
    shown >/dev/null
    stat -c %y . >"$S/time"
    disk_fill
    # So that the sync needs room: what fits into the log's last block would find it there. In pieces
    # that go into the log; with -o sync this would fail by itself.
    [ "$1" = sync ] || dd if="$S/random" of=other bs=4k oflag=append conv=notrunc status=none ||
        fail "the log can't be written"
    if changes "$2" 2>"$S/change.err"; then
        fail "$2 with $1 succeeds on a disk that has failed"
    fi
    within 10 made "$2" || fail "$2 with $1 was made, but the kernel does not show it"
    shown >"$S/cached"
    echo 3 >/proc/sys/vm/drop_caches
    shown >"$S/stored"
    cmp -s "$S/cached" "$S/stored" ||
        fail "after $2 with $1 the kernel shows what the store has not: $(diff "$S/cached" "$S/stored")"
    cd /
    kill_daemon
    unmount_by_force "$MNT"
    disk_drop
}
for change in create mkdir symlink link rename replace unlink rmdir; do
    say "-o dirsync: $change"
    check_change dirsync "$change"
done
say "-o sync: xattr"
check_change sync xattr
