#!/bin/sh
# Who owns what is made, and when set-id bits go: as root, as an owner, as a member of the group, as
# a stranger. What one list of commands shows here and on a tmpfs must be the same.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to be several users"
need_command setpriv fallocate truncate
chmod 755 "$S"
mount_fs -o allow_other
cd "$MNT"

# as UID GROUP[,GROUP...] COMMAND...: with the first group as the main one.
as() {
    as_uid=$1 as_groups=$2
    shift 2
    setpriv --reuid="$as_uid" --regid="${as_groups%%,*}" --groups="$as_groups" "$@"
}

look() {
    stat -c '%a %u:%g' "$1"
}

say "set-id bits go when a file changes"
# goes WHAT COMMAND...: an ordinary user's change takes both bits, root's none.
goes() {
    what=$1
    shift
    printf 'some bytes, to be changed' >prog
    chown 1001:1001 prog
    chmod 6777 prog
    "$@"
    same 6777 "$(stat -c %a prog)" "$what by root"
    as 1002 1002 "$@"
    same 777 "$(stat -c %a prog)" "$what by a user"
    chmod 6777 prog
    as 1001 1001 "$@"
    same 777 "$(stat -c %a prog)" "$what by the owner"
}
goes "write" sh -c 'printf x | dd of=prog conv=notrunc 2>/dev/null'
goes "append" sh -c 'printf x >>prog'
goes "truncate to nothing by open" sh -c ': >prog'
goes "truncate" truncate -s 5 prog
goes "grow" truncate -s 500 prog
goes "fallocate" fallocate -l 8192 prog
goes "punch" fallocate -p -o 1 -l 3 prog
goes "zero" fallocate -z -o 1 -l 3 prog

say "set-id bits go when a file changes hands"
touch owned
chmod 6777 owned
chown 1001:3000 owned
same "777 1001:3000" "$(look owned)" "chown by root takes both bits of a program"
chmod 6777 owned
as 1001 1001,3000,3001 chgrp 3001 owned
same "777 1001:3001" "$(look owned)" "chgrp by the owner"
chmod 6666 owned
chown 1001:3000 owned
same "2666 1001:3000" "$(look owned)" "without the right to run, set-group-id is another bit and stays"
mkdir keeps
chmod 6777 keeps
chown 1001:3000 keeps
same "6777 1001:3000" "$(look keeps)" "directories keep them"
chmod u-s keeps
as 1001 1001 chmod 2755 keeps
same "755 1001:3000" "$(look keeps)" "a stranger to the group cannot set its bit"
as 1001 1001,3000 chmod 2755 keeps
same "2755 1001:3000" "$(look keeps)" "a member can"
refused "not permitted" as 1002 1002 chmod 777 keeps
refused "not permitted" as 1001 1001 chgrp 3001 keeps
refused "not permitted" as 1001 1001 chown 1002 keeps

say "who owns what is made"
mkdir shared
chown 1001:3000 shared
chmod 2777 shared
as 1002 1002 sh -c 'cd shared && umask 022 && touch f && mkdir d && mkfifo p && ln -s f l && ln f h'
same "644 1002:3000" "$(look shared/f)" "a file"
same "2755 1002:3000" "$(look shared/d)" "a directory inherits the bit as well"
same "644 1002:3000" "$(look shared/p)" "a FIFO"
same "777 1002:3000" "$(look shared/l)" "a symlink"
same "644 1002:3000" "$(look shared/h)" "a link is the file"
as 1002 1002 mkdir -m 700 shared/d/e
same "2700 1002:3000" "$(look shared/d/e)" "two directories down"
chmod g-s shared
as 1002 1002 sh -c 'cd shared && umask 022 && touch f2 && mkdir d2'
same "644 1002:1002" "$(look shared/f2)" "a file without the bit above it"
same "755 1002:1002" "$(look shared/d2)" "a directory without the bit above it"
mknod null c 1 3
mknod whiteout c 0 0
same "character special file 0:0" "$(stat -c '%F %t:%T' whiteout)" "the device 0:0"
refused "not permitted" as 1002 1002 mknod shared/null c 1 3
as 1002 1002 mknod shared/white c 0 0 || fail "everybody may make the device 0:0"

say "a sticky directory"
mkdir sticky
chmod 1777 sticky
as 1001 1001 sh -c 'touch sticky/a sticky/b; mkdir sticky/d'
refused "not permitted" as 1002 1002 rm -f sticky/a
refused "not permitted" as 1002 1002 mv sticky/a sticky/c
as 1002 1002 touch sticky/mine
refused "not permitted" as 1002 1002 mv sticky/mine sticky/a
as 1001 1001 mv sticky/a sticky/b || fail "the owner of a file may rename it"

say "attributes"
if command -v setfattr >/dev/null; then
    mkdir home
    chown 1001 home
    as 1001 1001 sh -c 'touch home/f; setfattr -n user.mine -v 1 home/f'
    chmod 666 home/f
    setfattr -n trusted.t -v root home/f
    setfattr -n security.s -v x home/f
    names() {
        "$@" getfattr -m - home/f | sed '/^#/d; /^$/d' | sort | tr '\n' ' ' | sed 's/ $//'
    }
    same "security.s trusted.t user.mine" "$(names env)" "root sees all names"
    same "security.s user.mine" "$(names as 1001 1001)" "others do not see trusted ones"
    refused "not permitted" as 1001 1001 setfattr -n trusted.t -v 2 home/f
    refused "no such attribute" as 1001 1001 getfattr -n trusted.t home/f
    refused "not permitted" as 1001 1001 setfattr -n security.s -v 2 home/f
    as 1002 1002 setfattr -n user.theirs -v 1 home/f || fail "who may write may set attributes"
    chmod 644 home/f
    refused "permission denied" as 1002 1002 setfattr -n user.theirs -v 2 home/f
    refused "permission denied" as 1002 1002 setfattr -x user.theirs home/f
    chmod 600 home/f
    refused "permission denied" as 1002 1002 getfattr -n user.theirs home/f
    refused "not permitted" as 1001 1001 setfattr -n user.x -v 1 sticky
    as 1001 1001 setfattr -n user.x -v 1 sticky/d || fail "an attribute of a directory"
    chmod 777 sticky/d
    as 1002 1002 setfattr -n user.x -v 2 sticky/d || fail "an attribute of a directory open to all"
    chmod 1777 sticky/d
    refused "not permitted" as 1002 1002 setfattr -n user.x -v 3 sticky/d
    for special in null shared/p; do
        refused "not permitted\|not supported" setfattr -n user.x -v 1 "$special"
    done
    refused "not permitted\|not supported" setfattr -h -n user.x -v 1 shared/l
    setfattr -h -n trusted.x -v 1 shared/l
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 prog
    as 1001 1001 sh -c 'printf x >>prog'
    refused "no such attribute" getfattr -n security.capability prog
else
    say "there is no setfattr: not tested"
fi

say "as a tmpfs does"
# The bits after each change, by each kind of user. Strangers to the group do not change a file that
# has its bit, but not the right to run it: the kernel lets FUSE keep the bit, fs/README.md.
steps() {
    set +e
    chmod 777 .
    for mode in 4755 6777 2710 2666; do
        for who in '0 0' '1001 1001' '1001 1001,3000' '1002 3000' '1002 1002'; do
            case $mode,$who in
            2666,*[12]) continue ;;
            esac
            # shellcheck disable=SC2086 # a user and groups
            for command in 'printf x >>f' ': >f' 'truncate -s 3 f' 'fallocate -l 5000 f' 'chown 1001 f' \
                'chgrp 3000 f' 'chgrp 1001 f' 'chmod 6755 f' 'chmod g+s f' 'touch f'; do
                rm -f f
                printf 'some bytes' >f
                chown 1001:3000 f
                chmod "$mode" f
                as $who sh -c "$command" >/dev/null 2>&1 || printf 'refused: '
                stat -c "$mode $who $command: %a %u:%g %s" f
                case $command in
                ch*)
                    rm -rf d
                    mkdir d
                    chown 1001:3000 d
                    chmod "$mode" d
                    as $who sh -c "${command% f} d" >/dev/null 2>&1 || printf 'refused: '
                    stat -c 'directory: %a %u:%g' d
                    ;;
                esac
            done
        done
    done
    for mode in 2777 777; do
        rm -rf made
        mkdir made
        chown 1001:3000 made
        chmod "$mode" made
        for who in '0 0' '1001 1001' '1002 3000' '1002 1002'; do
            # shellcheck disable=SC2086
            as $who sh -c "umask 02; cd made; touch f.f; mkdir d.f; mkfifo p.f; ln -s x l.f
                install -m 2755 /dev/null g.f; install -m 2644 /dev/null h.f; mkdir -m 2755 e.f
                cp -p g.f c.f" 2>&1
            stat -c '%n %a %u:%g' made/*
            rm -rf made/*
        done
    done
}
mkdir "$S/ref" "$MNT/steps"
if mount -t tmpfs -o mode=755 tmpfs "$S/ref" 2>/dev/null; then
    (cd "$S/ref" && steps) >"$S/ref.out" 2>&1
    (cd "$MNT/steps" && steps) >"$S/steps.out" 2>&1
    umount "$S/ref"
    [ "$(wc -l <"$S/ref.out")" -gt 200 ] || fail "the list of commands shows too little"
    diff "$S/ref.out" "$S/steps.out" >"$S/diff.out" || {
        head -40 "$S/diff.out" >&2
        fail "not as on a tmpfs"
    }
else
    say "a tmpfs cannot be mounted: not compared"
fi
cd /
list_tree "$MNT" >"$S/before"
remount_fs -o allow_other
list_tree "$MNT" >"$S/after"
diff "$S/before" "$S/after" || fail "the tree has changed"
umount_fs
check_store
