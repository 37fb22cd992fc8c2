#!/bin/sh
# Mount options: what mount(8) shows, owners and permissions that are shown, what is refused and how.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
"$FLUXFS" mkfs "$STORE" >/dev/null

shown() {
    awk -v dir="$MNT" '$2 == dir { print $4 }' /proc/self/mounts
}
shows() { # shows OPTION...
    for option in "$@"; do
        case ",$(shown)," in
        *",$option,"*) ;;
        *) fail "the mount does not show $option but $(shown)" ;;
        esac
    done
}
hides() {
    for option in "$@"; do
        case ",$(shown)," in
        *",$option,"*) fail "the mount shows $option: $(shown)" ;;
        esac
    done
}

say "access times: always noatime, and so it is shown"
mount_fs
shows rw noatime
hides relatime nosuid nodev noexec sync
echo 1 >"$MNT/f"
touch -a -d "2001-02-03 04:05:06" "$MNT/f"
umount_fs
drop_caches
mount_fs -o relatime
shows noatime
grep -q "'relatime'.*noatime" "$LOG" || fail "relatime is not said to have no effect"
cat "$MNT/f" >/dev/null
same "2001-02-03 04:05:06.000000000 +0000" "$(stat -c %x "$MNT/f")" "atime after reading"
umount_fs
refused "strictatime.*access times" "$FLUXFS" mount "$STORE" "$MNT" -o strictatime

say "flags of the kernel"
mount_fs -o nosuid,nodev,noexec,sync,allow_other
shows nosuid nodev noexec sync allow_other
cp /bin/true "$MNT/true"
refused "permission denied" "$MNT/true"
umount_fs

say "bad options are refused by name and leave nothing"
for bad in nonsense commit=0 commit= commit cache=1 size=1M size=x compress=zstd uid= uid=nobody-here \
    gid=-1 umask=9 fmask=1777 dmask= ro=yes fsname=x subtype=y user_id=0 allow_root \
    suid,uid=1 dev,umask=0 "größe=1" "commit=5,,,nonsense=3"; do
    name=${bad%%=*}
    case $bad in
    *nonsense*) name=nonsense ;;
    *,*) name=${bad%%,*} ;;
    esac
    refused "option '$name" "$FLUXFS" mount "$STORE" "$MNT" -o "$bad"
done
refused "needs a value" "$FLUXFS" mount "$STORE" "$MNT" -o size
refused "takes no value" "$FLUXFS" mount "$STORE" "$MNT" -o nonempty=1
is_mounted && fail "mounted in spite of an error"

say "what mount(8) and fstab use is accepted, duplicates and empty words too"
mount_fs -o "defaults,,rw,ro,rw,user,users,owner,group,noauto,auto,nofail,_netdev,x-gvfs-show" \
    -o "comment=a,X-foo=1,commit=9,commit=7,default_permissions,lazytime,nodiratime"
shows rw
if is_root; then
    need_command getfattr
    same "rw,commit=7,compress=lz4" \
        "$(getfattr --only-values --absolute-names -n trusted.fluxfs.options "$MNT")" "the daemon's options"
    refused "not permitted" setfattr -n trusted.fluxfs.options -v x "$MNT"
    getfattr -d -m - --absolute-names "$MNT" 2>/dev/null | grep fluxfs && fail "the options are listed"
fi
umount_fs

say "every option is in the help and in the manual page"
"$FLUXFS" mount --help >"$S/help"
for option in ro rw acl noacl noexport commit= cache= size= compress= allow_other uid= gid= umask= fmask= dmask= nosuid \
    nodev noexec sync async dirsync noatime nonempty remount debug strictatime relatime; do
    grep -qe "\<$option" "$S/help" || fail "$option is not in the help"
    grep -qe "\<$option" "$SOURCE_DIR/tools/man/mount.fluxfs.8" || fail "$option is not in the manual page"
done

say "compress=none"
mount_fs -o compress=none
head -c 4000000 /dev/zero | tr '\0' x >"$MNT/plain"
umount_fs
plain=$(du -sk "$STORE" | cut -f1)
[ "$plain" -gt 3900 ] || fail "4 MB were compressed to $plain KiB"
mount_fs -o compress=lz4
cp "$MNT/plain" "$MNT/packed"
cmp "$MNT/plain" "$MNT/packed" || fail "contents"
umount_fs
both=$(du -sk "$STORE" | cut -f1)
[ "$both" -lt $((plain + 1000)) ] || fail "4 MB of one letter took $((both - plain)) KiB compressed"
check_store

is_root || skip "owners and permissions need root; the rest passed"
say "owners and permissions that are shown"
mount_fs
mkdir "$MNT/d"
echo a >"$MNT/d/a"
chmod 640 "$MNT/d/a"
chown 11:12 "$MNT/d/a"
mkdir -m 700 "$MNT/d/dir"
ln -s a "$MNT/d/link"
cp /bin/true "$MNT/d/setuid"
chmod 4755 "$MNT/d/setuid"
umount_fs

mount_fs -o uid=65534,gid=65533,fmask=0117,dmask=002,allow_other
shows nosuid nodev
chmod 755 "$S"
same "65534:65533 660" "$(stat -c '%u:%g %a' "$MNT/d/a")" "a file"
same "65534:65533 775" "$(stat -c '%u:%g %a' "$MNT/d/dir")" "a directory"
same "65534:65533 777" "$(stat -c '%u:%g %a' "$MNT/d/link")" "a symlink"
same "4660" "$(stat -c '%a' "$MNT/d/setuid")" "a set-id program"
cd "$MNT/d"
as_user() {
    setpriv --reuid=65534 --regid=65533 --clear-groups "$@"
}
as_user sh -c 'echo more >>a && echo new >new && mkdir newdir' || fail "the owner that is shown may not write"
refused "permission denied" setpriv --reuid=1 --regid=1 --clear-groups cat a
same "65534:65533 660" "$(stat -c '%u:%g %a' new)" "a new file"
chown 65534:65533 a || fail "chown to what is shown"
refused "not permitted" chown 1 a
refused "not permitted" chgrp 1 a
chmod 600 new || fail "chmod"
same 660 "$(stat -c %a new)" "permissions after chmod"
as_user sh -c 'echo x >>setuid' || fail "writing to the set-id program"
same 660 "$(stat -c %a setuid)" "set-id bit after a write"
cd /
umount_fs

mount_fs
same "11:12 640" "$(stat -c '%u:%g %a' "$MNT/d/a")" "what is stored stays"
same "65534:65533 600" "$(stat -c '%u:%g %a' "$MNT/d/new")" "what was stored for a new file"
same "65534:65533" "$(stat -c '%u:%g' "$MNT/d/newdir")" "and for a new directory"
same 0 "$(($(stat -c 0%a "$MNT/d/setuid") & 06000))" "set-id bits that are stored after a write"
umount_fs

say "nobody gets set-id programs of other owners through a view"
mount_fs
mkdir "$MNT/s" "$MNT/s/setgid"
chmod 02777 "$MNT/s/setgid"
for name in other own; do
    echo 1 >"$MNT/s/$name"
    chmod 666 "$MNT/s/$name"
done
chown 65534:65533 "$MNT/s/own"
for name in write truncate allocate; do
    head -c 65536 /dev/urandom >"$MNT/s/$name"
    chmod 02755 "$MNT/s/$name"
done
echo 1 >"$MNT/s/hidden"
chmod 04700 "$MNT/s/hidden"
umount_fs
mount_fs -o uid=65534,gid=65533,allow_other
(cd "$MNT/s" && as_user sh -c 'echo 2 >other && chmod 6755 other own') || fail "writing and chmod"
as_user touch "$MNT/s/setgid/new" || fail "making a file in a setgid directory"
umount_fs
mount_fs -o fmask=0111,dmask=0,allow_other
(cd "$MNT/s" && as_user sh -c 'echo 2 >>write && truncate -s 9 truncate && fallocate -l 9 allocate') || fail "changing set-id files"
umount_fs
mount_fs -o fmask=000,dmask=000,allow_other
(cd "$MNT/s" && as_user sh -c 'echo 2 >>hidden') || fail "appending"
umount_fs
mount_fs
same "0:0 755" "$(stat -c '%u:%g %a' "$MNT/s/other")" "a file of another owner after chmod 6755"
same 6755 "$(stat -c %a "$MNT/s/own")" "a file of the owner that is shown after chmod 6755"
same 65534:65533 "$(stat -c %u:%g "$MNT/s/setgid/new")" "a new file in a setgid directory"
for name in write truncate allocate; do
    same 755 "$(stat -c %a "$MNT/s/$name")" "a setgid file after $name"
done
same 700 "$(stat -c %a "$MNT/s/hidden")" "stored permissions after the kernel took the set-id bit"
umount_fs

mount_fs -o uid=daemon,gid=daemon,umask=077
same "daemon:daemon 700" "$(stat -c '%U:%G %a' "$MNT/d/a")" "by name"
umount_fs
check_store
