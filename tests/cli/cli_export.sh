#!/bin/sh
# export, and both ways: everything that a tree can have is in the archive, and in the store that it is
# imported into.
# shellcheck source=tests/lib/cli_lib.sh
. "$(dirname "$0")/../lib/cli_lib.sh"
need_mount
need_command setfattr getfattr setfacl getfacl tar

export=
test_cleanup() {
    [ -z "$export" ] || kill "$export" 2>/dev/null
}

A=$(printf 'n\303\251') BAD=$(printf 'b\377\376d') NFD=$(printf 'e\314\201') ODD=$(printf 'a\nb\\c*')

# Everything about the tree that is mounted: names, types, modes, owners, times, targets, devices,
# link counts, space, attributes, ACLs, and contents.
describe() {
    (cd "$MNT" && LC_ALL=C && export LC_ALL && {
        find . -printf '%p|%y|%m|%U:%G|%T@|%A@|%l|\n' | sort
        find . ! -type d -printf '%p|%n|%s|%b|\n' | sort
        find . \( -type b -o -type c \) -exec stat -c '%n %t:%T' {} + | sort
        # Names of one inode stay together.
        find . -type f -links +1 -printf '%i %p\n' | sort | awk '{ if ($1 != last) n++; last = $1; $1 = n; print }'
        find . -type f -size -20M -exec md5sum {} + | sort
        find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex 2>/dev/null
        find . ! -type l -print0 | sort -z | xargs -0 getfacl -n 2>/dev/null
    })
}

"$FLUXFS" mkfs -q "$STORE"
mount_fs
cd "$MNT"
mkdir -p dir/sub/empty "$A" "$BAD" "$ODD" locked
printf 'x' >"$A/$BAD" && printf 'y' >"$BAD/$NFD" && printf 'z' >"$ODD/$A"
seq 1 300000 >dir/numbers
head -c 5000000 /dev/urandom >dir/large
: >dir/nothing
ln dir/numbers dir/sub/numbers2 && ln dir/numbers numbers3
ln -s dir/numbers link && ln -s "../$BAD/$(printf '%01000d' 0)" "$A/broken" && ln -s / root
ln -P link link2
mkfifo fifo && mkfifo fifo2 && ln fifo2 fifo3
truncate -s 1T hole
printf 'middle' | dd of=hole bs=1M seek=5 conv=notrunc status=none
truncate -s 3M all_hole
printf 'end' | dd of=tail bs=1 seek=2000000 status=none
printf 'begin' >head && truncate -s 9M head
mkdir -p "$(printf 'l%0200d/%0250d/%0250d' 1 2 3)"
: >"$(printf 'l%0200d/%0250d/%0250d/%0255d' 1 2 3 4)"
setfattr -n user.text -v value dir/numbers && setfattr -n user.empty dir/numbers
setfattr -n user.bin -v 0x00ff0a3d dir && setfattr -n 'user.a=b%25 c' -v equals dir/nothing
setfattr -n "user.$A" -v utf8 head
setfattr -n 'user.p=q%25' -v equals dir/nothing
setfacl -m u:1234:rw,g:4321:r dir/numbers
setfacl -d -m u:1234:rwx dir && setfacl -m g:99:x dir
chmod 4755 head && chmod 2711 dir/sub && chmod 1777 locked && chmod 0 tail && chmod 500 "$BAD"
if is_root; then
    mknod null c 1 3 && mknod disk b 259 1048575
    chown 1000:2000 dir/numbers && chown -h 3000000000:3 link && chown 4:5 locked
    chmod 6755 dir/large
    setfattr -h -n trusted.t -v link link && setfattr -n security.s -v s fifo
fi
"$HELPERS/make_socket" socket
touch -d '1969-12-31 23:59:58.25' dir/nothing && touch -d '2040-01-02 03:04:05.123456789' dir/large
touch -h -d '2001-02-03 04:05:06.789' link && touch -a -d '1999-09-09 09:09:09.999999999' head
touch -d '2002-02-02 02:02:02.000000002' dir dir/sub locked "$BAD"
touch -d '2003-03-03' .
cd "$S"
describe >"$S/before"
remount_fs
describe | cmp - "$S/before" || fail "the tree itself is not still"
umount_fs

say "out and in again"
exits 0 "t.tar: .* files (.*), .* directories, .* symbolic links, 4 hard links, " \
    "$FLUXFS" export "$STORE" "$S/t.tar"
[ "$(stat -c %s "$S/t.tar")" -lt 12000000 ] || fail "holes take space in the archive"
FIRST=$STORE
# imports_as ARCHIVE WHAT: into a new store, which must be as the first.
imports_as() {
    STORE=$S/store2
    rm -rf "$STORE"
    "$FLUXFS" mkfs -q "$STORE"
    "$FLUXFS" import -q --same-owner "$1" "$STORE" || fail "import $2"
    check_store
    mount_fs
    describe >"$S/after"
    diff "$S/before" "$S/after" >"$S/diff" || { head -n 20 "$S/diff" >&2; fail "$2: something differs"; }
    umount_fs
}
imports_as "$S/t.tar" "a pax archive"
# Once more over what is there: nothing changes.
"$FLUXFS" import -q --same-owner "$S/t.tar" "$STORE" || fail "import over itself"
check_store
mount_fs
describe | diff "$S/before" - >"$S/diff" || { head -n 20 "$S/diff" >&2; fail "over itself: something differs"; }
umount_fs

say "compressed, by name and by option"
STORE=$FIRST
for name in a.tar.gz a.tar.xz a.tar.zst a.tar.lz4 a.tar.bz2; do
    exits 0 "" "$FLUXFS" export "$STORE" "$S/$name" dir
    rm -rf "$S/store3"
    "$FLUXFS" mkfs -q "$S/store3"
    exits 0 "" "$FLUXFS" import "$S/$name" "$S/store3"
    same "$("$FLUXFS" cat "$STORE" dir/numbers | md5sum)" "$("$FLUXFS" cat "$S/store3" numbers | md5sum)" "$name"
done
gzip -t "$S/a.tar.gz" && xz -t "$S/a.tar.xz" || fail "the compression is another"
"$FLUXFS" export -z gzip "$STORE" - | gzip -dc | tar -tf - >/dev/null || fail "a compressed pipe"
same "numbers" "$("$FLUXFS" export "$STORE" - dir/numbers | tar -tf - 2>/dev/null)" "a single file"
exits 2 'no compression "rar"' "$FLUXFS" export -z rar "$STORE" "$S/x"
[ ! -e "$S/x" ] || fail "wrong usage made a file"

if is_root; then
    say "as GNU tar has it"
    mkdir "$S/host"
    tar --xattrs --xattrs-include='*' --acls --numeric-owner -xpf "$S/t.tar" -C "$S/host" 2>"$S/err" || {
        cat "$S/err" >&2
        fail "tar does not read it"
    }
    same "value" "$(getfattr --only-values -n user.text "$S/host/dir/numbers")" "an attribute in tar"
    same "equals" "$(getfattr --only-values -n 'user.p=q%25' "$S/host/dir/nothing")" "an odd attribute in tar"
    getfacl -n "$S/host/dir/numbers" 2>/dev/null | grep -q '^user:1234:rw-' || fail "an ACL in tar"
    # It has no sockets, and makes them FIFOs; it sets no atime.
    (cd "$S/host" && find . ! -name socket ! -name numbers3 -printf '%p|%y|%m|%U:%G|%T@|%l|\n' | LC_ALL=C sort) \
        >"$S/host.list"
    mount_fs
    (cd "$MNT" && find . ! -name socket ! -name numbers3 -printf '%p|%y|%m|%U:%G|%T@|%l|\n' | LC_ALL=C sort) \
        >"$S/mnt.list"
    umount_fs
    diff "$S/mnt.list" "$S/host.list" >"$S/diff" || { head "$S/diff" >&2; fail "tar sees something else"; }
    for format in pax gnu; do
        tar --format=$format --xattrs --xattrs-include='*' --acls --sparse --atime-preserve=system \
            -C "$S/host" -cf "$S/$format.tar" . 2>/dev/null || fail "tar cannot make it"
        STORE=$S/store2
        rm -rf "$STORE"
        "$FLUXFS" mkfs -q "$STORE"
        "$FLUXFS" import -q "$S/$format.tar" "$STORE" || fail "import of tar's $format"
        check_store
        mount_fs
        # The old format has whole seconds.
        find_times='%T@'
        [ "$format" = pax ] || find_times='%Ts'
        for where in "$S/host" "$MNT"; do
            (cd "$where" && find . -printf "%p|%y|%m|%U:%G|$find_times|%l|\n" | LC_ALL=C sort
                find . -type f -size -20M -exec md5sum {} + | LC_ALL=C sort)
        done >"$S/both" 2>&1
        lines=$(($(wc -l <"$S/both") / 2))
        head -n $lines "$S/both" >"$S/one"
        tail -n $lines "$S/both" | cmp - "$S/one" || fail "tar's $format differs"
        same "$(stat -c %b "$S/host/all_hole")" "$(stat -c %b "$MNT/all_hole")" "holes from tar's $format"
        umount_fs
    done
fi

say "what goes wrong"
STORE=$FIRST
exits 1 "cannot be written" "$FLUXFS" export "$STORE" /dev/full
exits 1 "/nothing: No such file" "$FLUXFS" export "$STORE" "$S/x" /nothing
exits 1 "No such file or directory" "$FLUXFS" export "$STORE" "$S/no/x"
[ ! -e "$S/x" ] || fail "a failure made a file"
[ -c /dev/full ] || fail "/dev/full was removed"
mkfifo "$S/pipe"
env --default-signal=INT "$FLUXFS" export "$STORE" "$S/pipe" >"$S/out" 2>&1 &
export=$!
exec 9<"$S/pipe"
# With some of it read, the rest waits for room in the pipe.
dd bs=1000 count=1 status=none <&9 >"$S/some"
kill -INT "$export"
status=0
wait "$export" || status=$?
export=
exec 9<&-
same 1 "$status" "status after an interrupt"
grep -q "pipe: interrupted; there is no whole archive" "$S/out" || { cat "$S/out" >&2; fail "not told"; }
[ -p "$S/pipe" ] || fail "the pipe was removed"


say "damaged contents"
: "${LSMCTL:?names the lsmctl command}"
"$LSMCTL" compact "$STORE" >/dev/null
blob=$(find "$STORE" -name '*.blob' -size +3M | head -n 1)
[ -n "$blob" ] || fail "there is no large blob file"
printf 'XXXXXXXX' | dd of="$blob" bs=1 seek=3000000 conv=notrunc status=none
exits 1 "dir/large: bytes [0-9]* to [0-9]* cannot be read, and are zeros in the archive: .*checksum" \
    "$FLUXFS" export "$STORE" "$S/damaged.tar"
tar -tf "$S/damaged.tar" >/dev/null 2>&1 || fail "the archive is not whole"
same 5000000 "$(tar -xOf "$S/damaged.tar" dir/large 2>/dev/null | wc -c)" "length of the damaged file"
