#!/bin/sh
# Names in a store that lead elsewhere, and paths that try to: whoever can write to the directory of
# a store must not make who mounts, checks or looks at it read or change anything outside.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
: "${LSMCTL:?names the lsmctl command}"
victim=$S/victim
: >"$S/nothing"

say "a store with all kinds of files"
mount_fs -o cache=1M
head -c 3000000 /dev/urandom >"$MNT/large"
mkdir "$MNT/d"
seq 1000 | while read -r i; do
    echo "$i" >"$MNT/d/$i"
done
ln -s "$victim" "$MNT/absolute"
ln -s ../../../../../../../../../../../../etc/hostname "$MNT/relative"
umount_fs
"$LSMCTL" snapshot create "$STORE" first >>"$LOG"
mount_fs -o cache=1M
echo later >"$MNT/d/later"
kill_daemon
unmount_below
for kind in wal sst blob; do
    [ -n "$(find "$STORE" -name "*.$kind" -size +0)" ] || fail "no $kind in the store"
done
rm "$STORE/control" # its socket, which nothing reads
cp -a "$STORE" "$S/whole"

# untouched FILE COMMAND...: whatever the command says, FILE is neither opened nor changed.
untouched() {
    untouched_file=$1
    before=$(sha256sum <"$untouched_file")
    shift
    status=0
    "$HELPERS/untouched" "$untouched_file" "$@" >"$S/out" 2>&1 </dev/null || status=$?
    [ "$status" -ne 99 ] || fail "touched $untouched_file: $*"
    same "$before" "$(sha256sum <"$untouched_file")" "contents of $untouched_file after $*"
    [ "$status" -lt 64 ] || {
        cat "$S/out" >&2
        fail "status $status: $*"
    }
}

# on_store COMMAND: run it on $STORE, in each of the ways that there are.
on_store() {
    case $1 in
    fsck-n) untouched "$2" "$FLUXFS" fsck -n "$STORE" ;;
    fsck-p) untouched "$2" "$FLUXFS" fsck -p "$STORE" ;;
    fsck-y) untouched "$2" "$FLUXFS" fsck -y "$STORE" ;;
    fsck-path) untouched "$2" "$FLUXFS" fsck -n --path d "$STORE" ;;
    ls) untouched "$2" "$FLUXFS" ls -R "$STORE" ;;
    cat) untouched "$2" "$FLUXFS" cat "$STORE" large ;;
    stat) untouched "$2" "$FLUXFS" stat "$STORE" ;;
    umount) untouched "$2" "$FLUXFS" umount "$STORE" ;;
    mkfs) untouched "$2" "$FLUXFS" mkfs "$STORE" ;;
    scan) untouched "$2" "$LSMCTL" scan --snapshot first "$STORE" ;;
    stats) untouched "$2" "$LSMCTL" stats "$STORE" ;;
    verify) untouched "$2" "$LSMCTL" verify "$STORE" ;;
    put) untouched "$2" "$LSMCTL" put "$STORE" key value ;;
    compact) untouched "$2" "$LSMCTL" compact "$STORE" ;;
    checkpoint)
        untouched "$2" "$LSMCTL" checkpoint "$STORE" "$S/checkpoint"
        rm -rf "$S/checkpoint"
        ;;
    repair) untouched "$2" "$LSMCTL" repair "$STORE" ;;
    mount)
        untouched "$2" "$FLUXFS" mount "$STORE" "$MNT"
        is_ready && untouched "$2" "$FLUXFS" umount "$MNT"
        within 20 scratch_is_unused || fail "the daemon goes on"
        ;;
    esac
}
commands='fsck-n fsck-p fsck-y fsck-path ls cat stat umount mkfs scan stats verify put compact checkpoint
    repair mount'
[ -z "$SANITIZED" ] || commands='fsck-y stat scan put mount'

say "each file of the store is a symlink to what it was"
mkdir "$S/elsewhere"
for path in "$S/whole"/*; do
    file=${path##*/}
    for command in $commands; do
        rm -rf "$STORE" "$S/elsewhere/$file"
        cp -a "$S/whole" "$STORE"
        mv "$STORE/$file" "$S/elsewhere/$file"
        ln -s "$S/elsewhere/$file" "$STORE/$file"
        on_store "$command" "$S/elsewhere/$file"
    done
done

# plant ln-OPTION: every name that the engine may use next stands for the victim.
plant() {
    rm -rf "$STORE"
    cp -a "$S/whole" "$STORE"
    last=$(find "$STORE" -name '*[0-9]*' | sed 's/.*[/-]//; s/\..*//; s/^0*//' | sort -n | tail -n 1)
    # Opening goes on behind all numbers that are promised to logs.
    end=$("$LSMCTL" dump "$STORE" "$(cat "$STORE/CURRENT")" | awk '/log_numbers_end/ { n = $2 } END { print n }')
    [ -n "$end" ] || fail "the manifest does not tell log_numbers_end"
    for number in $(seq $((last + 1)) $((last + 20))) $(seq "$end" $((end + 60))); do
        number=$(printf '%08d' "$number")
        for name in "$number.wal" "$number.sst" "$number.blob" "MANIFEST-$number"; do
            ln "$1" "$victim" "$STORE/$name"
        done
    done
    for name in CURRENT.tmp SUPERBLOCK.tmp LOSSES.tmp control; do
        ln "$1" "$victim" "$STORE/$name"
    done
}

for how in -s -P; do
    say "each next name leads to a file elsewhere (ln $how)"
    for command in $commands; do
        echo "do not touch" >"$victim"
        plant "$how"
        # What is there under such a name may be looked at; a symlink is not followed.
        if [ "$how" = -s ]; then
            on_store "$command" "$victim"
        else
            on_store "$command" "$S/nothing"
        fi
        same "do not touch" "$(cat "$victim")" "the victim after $command"
    done
    plant "$how"
    if [ "$how" = -s ]; then
        refused "cannot create" "$FLUXFS" mount "$STORE" "$MNT"
    else
        mount_fs -o cache=1M
        head -c 3000000 /dev/urandom >"$MNT/new" || fail "writing"
        sync "$MNT/new" || fail "syncing"
        same 1000 "$(find "$MNT/d" -type f -name '[0-9]*' | wc -l)" "files"
        umount_fs
    fi
    same "do not touch" "$(cat "$victim")" "the victim after a mount"
done

say "the lock is a second name of a file elsewhere"
rm -rf "$STORE"
cp -a "$S/whole" "$STORE"
ln -f "$victim" "$STORE/LOCK"
mount_fs
umount_fs
same "do not touch" "$(cat "$victim")" "the victim"

say "the lock of a mounted store becomes a symlink"
mount_fs
rm "$STORE/LOCK"
ln -s "$victim" "$STORE/LOCK"
untouched "$victim" "$FLUXFS" stat "$STORE"
untouched "$victim" "$FLUXFS" umount "$STORE"
wait_daemon

say "a copy of hard links stays as it is"
rm -rf "$STORE" "$S/copy"
cp -a "$S/whole" "$STORE"
cp -al "$STORE" "$S/copy"
mount_fs -o cache=1M
head -c 3000000 /dev/urandom >"$MNT/new"
rm -r "$MNT/d"
umount_fs
"$LSMCTL" compact "$STORE" >>"$LOG"
"$FLUXFS" fsck -y "$STORE" >>"$LOG"
diff -r "$S/whole" "$S/copy" || fail "the copy has changed"

say "the directory for what a repair takes out is a symlink"
rm -rf "$STORE"
cp -a "$S/whole" "$STORE"
mkdir "$S/lost"
ln -s "$S/lost" "$STORE/lost"
table=$(find "$STORE" -name '*.sst' -size +0 | head -n 1)
printf 'damage' | dd of="$table" bs=1 seek=20 conv=notrunc status=none
"$FLUXFS" fsck -y "$STORE" >"$S/out" 2>&1 || :
same "" "$(ls -A "$S/lost")" "what went through the symlink"

say "paths out of the tree"
rm -rf "$STORE"
cp -a "$S/whole" "$STORE"
for path in absolute relative; do
    refused . "$HELPERS/untouched" "$victim" "$FLUXFS" cat "$STORE" "$path"
done
for path in .. ../.. /../../etc d/../../../etc; do
    "$FLUXFS" ls "$STORE" "$path" >"$S/out" 2>&1 || continue
    grep -q passwd "$S/out" && fail "ls has left the store by $path"
done
for path in ../.. d/../../.. absolute /absolute; do
    status=0
    "$FLUXFS" fsck -n --path "$path" "$STORE" >"$S/out" 2>&1 || status=$?
    [ "$status" -lt 64 ] || fail "fsck --path $path: status $status"
done
for name in ../../x /etc/x .. .; do
    "$LSMCTL" snapshot create "$STORE" "$name" >>"$LOG" || fail "snapshot $name"
    "$LSMCTL" snapshot list "$STORE" | grep -qF -e "$name" || fail "snapshot $name is not listed"
    "$LSMCTL" snapshot remove "$STORE" "$name" >>"$LOG" || fail "snapshot $name"
done
mkdir "$S/target"
ln -s "$S/target" "$S/link"
refused . "$LSMCTL" checkpoint "$STORE" "$S/link"
ln -s "$S/missing" "$S/dangling"
refused . "$LSMCTL" checkpoint "$STORE" "$S/dangling"
same "" "$(ls -A "$S/target")" "what a checkpoint left"
[ ! -e "$S/missing" ] || fail "a checkpoint went through a symlink"

say "symlinks to the store and to the mount point"
ln -s "$STORE" "$S/store-link"
ln -s "$MNT" "$S/mnt-link"
"$FLUXFS" mount "$S/store-link" "$S/mnt-link" || fail "mounting by symlinks"
is_ready || fail "not mounted"
refused "in use\|mounted" "$FLUXFS" mount "$STORE" "$S/target"
refused "in use" "$LSMCTL" put "$S/store-link" key value
same "$("$FLUXFS" stat "$MNT" | grep -i uuid)" "$("$FLUXFS" stat "$S/mnt-link" | grep -i uuid)" "stat"
"$FLUXFS" umount "$S/mnt-link" || fail "unmounting by a symlink"
within 20 scratch_is_unused || fail "the daemon goes on"
"$FLUXFS" mount "$S/store-link" "$MNT" || fail "mounting"
"$FLUXFS" umount "$S/store-link" || fail "unmounting by a symlink to the store"
within 20 scratch_is_unused || fail "the daemon goes on"
ln -s /proc "$S/proc-link"
refused "not a FluxFS mount" "$FLUXFS" umount "$S/proc-link"
check_store
