#!/bin/sh
# POSIX ACLs: getfacl and setfacl in all their forms, inheritance, the mode in step, rights as the
# kernel checks them. What one list of commands shows here and on a tmpfs must be the same.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to be several users"
need_command setfacl getfacl setfattr getfattr setpriv tar
chmod 755 "$S"
mount_fs -o allow_other
cd "$MNT"

# as UID GROUP[,GROUP...] COMMAND...: with the first group as the main one.
as() {
    as_uid=$1 as_groups=$2
    shift 2
    setpriv --reuid="$as_uid" --regid="${as_groups%%,*}" --groups="$as_groups" "$@"
}

mode() {
    stat -c %a "$1"
}

# The entries of a list on one line, such as `u::rw- u:1001:r-- g::r-- m::r-- o::---`.
acl() {
    getfacl -cnpE "$@" | sed '/^$/d; s/^user/u/; s/^group/g/; s/^mask/m/; s/^other/o/; s/^default/d/' |
        tr '\n' ' ' | sed 's/ $//'
}

say "a list and the mode"
touch f
chmod 640 f
setfacl -m u:1001:rw f
same 660 "$(mode f)" "the mode right after setfacl"
same "u::rw- u:1001:rw- g::r-- m::rw- o::---" "$(acl f)" "an access list"
chmod 604 f
same "u::rw- u:1001:rw- g::r-- m::--- o::r--" "$(acl f)" "chmod changes the mask"
setfacl -m m::r f
same 644 "$(mode f)" "a mask changes the mode"
setfacl -n -m g:2000:x,o::- f
same "640 u::rw- u:1001:rw- g::r-- g:2000:--x m::r-- o::---" "$(mode f) $(acl f)" "a group"
setfacl -x u:1001,g:2000 f
same "u::rw- g::r-- m::r-- o::---" "$(acl f)" "entries are removed, the mask stays"
setfacl -b f
same "640 u::rw- g::r-- o::---" "$(mode f) $(acl f)" "the list is removed"
refused "no such attribute" getfattr -n system.posix_acl_access f
setfacl -m u::rwx,g::x,o::r f
same 714 "$(mode f)" "a list that is all mode"
refused "no such attribute" getfattr -n system.posix_acl_access f

say "what is no list"
refused "invalid argument" setfattr -n system.posix_acl_access -v 0x020000000100 f
refused "invalid argument" setfattr -n system.posix_acl_access \
    -v 0x02000000010006000000000004000600ffffffff f
refused "permission denied" setfattr -n system.posix_acl_default \
    -v 0x0200000001000600ffffffff04000600ffffffff20000600ffffffff f
setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff04000500ffffffff20000400ffffffff f
same 654 "$(mode f)" "a list as an attribute"
ln -s f link
refused "not supported" setfattr -h -n system.posix_acl_access \
    -v 0x0200000001000600ffffffff04000500ffffffff20000400ffffffff link
entries=$(seq 1 505 | sed 's/.*/u:&:r/' | paste -sd,)
setfacl -m "$entries" f
same 505 "$(getfacl -cnp f | grep -c 'user:[0-9]')" "many entries"
refused "argument list too long\|no space" setfacl -m u:600:r,u:601:r,u:602:r,u:603:r,u:604:r f
same 505 "$(getfacl -cnp f | grep -c 'user:[0-9]')" "too many change nothing"

say "who gets in"
mkdir room
echo secret >room/s
chmod 750 room
chmod 600 room/s
refused "permission denied" as 1001 1001 cat room/s
setfacl -m u:1001:x room
refused "permission denied" as 1001 1001 cat room/s
setfacl -m u:1001:r room/s
same secret "$(as 1001 1001 cat room/s)" "a named user reads"
refused "permission denied" as 1001 1001 sh -c 'echo x >>room/s'
refused "permission denied" as 1002 1002 cat room/s
setfacl -m g:3000:x room
setfacl -m g:3000:rw room/s
as 1002 1002,3000 sh -c 'echo more >>room/s' || fail "a member of a named group does not write"
chmod 640 room/s
refused "permission denied" as 1002 1002,3000 sh -c 'echo x >>room/s'
same "secret more" "$(as 1002 1002,3000 cat room/s | tr '\n' ' ' | sed 's/ $//')" "masked, but readable"
chmod 600 room/s
refused "permission denied" as 1001 1001 cat room/s
setfacl -b room
refused "permission denied" as 1002 1002,3000 cat room/s
refused "not permitted" as 1001 1001 setfacl -m u:1001:rwx room

say "inheritance"
mkdir top
setfacl -d -m u:1001:rwx,g::rx,o::- top
same "u::rwx g::r-x o::r-x d:user::rwx d:user:1001:rwx d:group::r-x d:mask::rwx d:other::---" \
    "$(acl top)" "a default list"
(umask 077 && touch top/file && mkdir top/sub && ln -s file top/link && mkfifo top/fifo && : >top/out)
same "660 u::rw- u:1001:rwx g::r-x m::rw- o::---" "$(mode top/file) $(acl top/file)" "a new file"
same "660 u::rw- u:1001:rwx g::r-x m::rw- o::---" "$(mode top/fifo) $(acl top/fifo)" "a new FIFO"
same "$(acl top/file)" "$(acl top/out)" "a file that is opened to be made"
same "770 u::rwx u:1001:rwx g::r-x m::rwx o::--- d:user::rwx d:user:1001:rwx d:group::r-x d:mask::rwx d:other::---" \
    "$(mode top/sub) $(acl top/sub)" "a new directory"
same 777 "$(mode top/link)" "a new symlink"
touch top/sub/deep
same "$(acl top/file)" "$(acl top/sub/deep)" "two directories down"
(umask 077 && install -m 640 /dev/null top/installed)
same 640 "$(mode top/installed)" "install sets its mode"
setfacl -k top
touch top/plain
same "u::rw- g::r-- o::r--" "$(acl top/plain)" "without a default list"
(umask 027 && touch masked && mkdir masked.d)
same "640 750" "$(mode masked) $(mode masked.d)" "the umask"
setfacl -R -m u:1003:rX top
same "u::rwx u:1001:rwx u:1003:r-x g::r-x m::rwx o::---" \
    "$(acl -a top/sub)" "setfacl -R on a directory"
same "u::rw- u:1003:r-- g::r-- m::r-- o::r--" "$(acl top/plain)" "setfacl -R on a file"

say "copies"
getfacl -Rnp top >"$S/acls"
cp -a top copy
(cd copy && getfacl -Rn .) >"$S/copied"
(cd top && getfacl -Rn .) >"$S/original"
diff "$S/original" "$S/copied" || fail "cp -a does not keep lists"
tar --acls -cf "$S/a.tar" top
mkdir unpacked
tar --acls -xpf "$S/a.tar" -C unpacked
(cd unpacked/top && getfacl -Rn .) >"$S/copied"
diff "$S/original" "$S/copied" || fail "tar --acls does not keep lists"
setfacl -Rbk top
chmod -R u=rwX,go= top
setfacl --restore="$S/acls"
(cd top && getfacl -Rn .) >"$S/copied"
diff "$S/original" "$S/copied" || fail "setfacl --restore does not bring back the lists"
getfacl -Rn . >"$S/before" 2>/dev/null
cd /
remount_fs -o allow_other
cd "$MNT"
getfacl -Rn . >"$S/after" 2>/dev/null
diff "$S/before" "$S/after" || fail "lists differ after a remount"

say "as a tmpfs does"
# Everything that one list of commands shows; the modes of the set-group-id bit among them.
steps() {
    set +e
    show() {
        stat -c '%n %a %u:%g %F' "$@"
        getfacl -nE "$@"
    }
    chmod 755 .
    for mode in 0644 6777 2644 1755; do
        for list in u:1001:rw,m::r u::x,g::-,o::w b; do
            for owner in 1001:1001 1001:3000; do
                name=f.$mode.$list.$owner
                touch "$name"
                mkdir "d.$name"
                chown "$owner" "$name" "d.$name"
                chmod "$mode" "$name" "d.$name"
                if [ "$list" = b ]; then
                    as 1001 1001 setfacl -b "$name" "d.$name"
                else
                    as 1001 1001 setfacl -m "$list" "$name" "d.$name"
                fi
                show "$name" "d.$name"
                as 1001 1001,3000 setfacl -n -m o::x "$name" "d.$name"
                as 1001 1001 chmod g+s "$name" "d.$name" 2>&1
                show "$name" "d.$name"
                as 1001 1001 chmod 2750 "$name"
                show "$name"
                as 1001 1001 chgrp 1001 "$name"
                show "$name"
            done
        done
    done
    for list in u::rwx,g::rx,o::- u:1001:rw,g::- u::r,g:3000:rwx,m::x; do
        mkdir "t.$list"
        chmod 2777 "t.$list"
        chgrp 3000 "t.$list"
        setfacl -d -m "$list" "t.$list"
        for umask in 0 022 077 777; do
            (umask "$umask" && cd "t.$list" && as 1002 1002 sh -c "
                touch f$umask; mkdir d$umask; mkfifo p$umask; mkdir -m 2770 e$umask; ln -s x l$umask
                install -m 2755 /dev/null i$umask; cp -p i$umask c$umask") 2>&1
        done
        show "t.$list"/[!l]*
        stat -c '%n %a %u:%g' "t.$list"/l*
    done
}
mkdir "$S/ref" "$MNT/steps"
if mount -t tmpfs -o mode=755 tmpfs "$S/ref" 2>/dev/null; then
    (cd "$S/ref" && steps) >"$S/ref.out" 2>&1
    (cd "$MNT/steps" && steps) >"$S/steps.out" 2>&1
    umount "$S/ref"
    [ "$(wc -l <"$S/ref.out")" -gt 500 ] || fail "the list of commands shows too little"
    diff "$S/ref.out" "$S/steps.out" >"$S/diff.out" || {
        head -40 "$S/diff.out" >&2
        fail "not as on a tmpfs"
    }
else
    say "a tmpfs cannot be mounted: not compared"
fi

say "without lists"
setfacl -m u:1001:rw,m::rw f
mkdir d
setfacl -d -m o::- d
cd /
remount_fs -o allow_other,noacl
cd "$MNT"
refused "not supported" setfacl -m u:1:r f
refused "not supported" getfattr -n system.posix_acl_access f
same "" "$(getfattr -d -m system f)" "no list is shown"
(umask 027 && touch d/made)
same 640 "$(mode d/made)" "the umask counts"
chmod 640 f
cd /
remount_fs -o acl
cd "$MNT"
same "m::r--" "$(acl f | grep -o m::...)" "chmod has changed the mask meanwhile"
same "u::rw- g::r-- o::---" "$(acl d/made)" "nothing was inherited meanwhile"
cd /
umount_fs
check_store
