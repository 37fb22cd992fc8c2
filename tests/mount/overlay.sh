#!/bin/sh
# An overlay whose lower, upper and work directories all lie on the mount: what is done through it
# is done to a plain tree, too, and both must look the same; the lower tree must not change. Several
# names of one file are left alone after one was removed: fs/README.md, What differs from ext4.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "to mount an overlay"
mount_fs -o noexport
cd "$MNT"
mkdir lower upper work merged

overlay_mount() {
    mount -t overlay overlay -o "lowerdir=$MNT/lower,upperdir=$MNT/upper,workdir=$MNT/work" \
        "$MNT/merged" 2>"$S/mount.err"
}

overlay_umount() {
    umount "$MNT/merged" || fail "cannot unmount the overlay"
}

# Whether overlays can be mounted at all is seen on a tmpfs.
overlay_is_known() {
    mkdir "$S/ref" || return 1
    mount -t tmpfs tmpfs "$S/ref" 2>/dev/null || return 1
    mkdir "$S/ref/l" "$S/ref/u" "$S/ref/w" "$S/ref/m"
    known=no
    if mount -t overlay overlay -o "lowerdir=$S/ref/l,upperdir=$S/ref/u,workdir=$S/ref/w" \
        "$S/ref/m" 2>/dev/null; then
        known=yes
        umount "$S/ref/m"
    fi
    umount "$S/ref"
    [ "$known" = yes ]
}
overlay_is_known || skip "an overlay cannot be mounted here"

fill() {
    mkdir -p sub/deep/er gone many opaque empty ren/a/b
    echo one >sub/one
    echo two >sub/deep/two
    echo three >sub/deep/er/three
    for i in $(seq 200); do
        echo "$i" >"many/f$i"
    done
    echo old >opaque/old
    echo x >gone/x
    echo y >ren/a/b/y
    ln -s sub/one link
    ln sub/one hard
    mkfifo fifo
    head -c 300000 /dev/urandom >big
    chmod 2750 sub/deep
    chown 1001:3000 sub/one
    chmod 4711 many/f7
    setfattr -n user.colour -v green sub/deep/two 2>/dev/null || :
}

# What is done to the overlay and to a plain copy of the lower tree.
change() {
    echo more >>sub/deep/two
    printf 'in the middle' | dd of=big bs=1 seek=150000 conv=notrunc 2>/dev/null
    chmod 600 sub/deep/er/three
    chown 1002 many/f9
    rm sub/one
    rm -r gone
    mkdir gone
    echo new >gone/new
    rm -r opaque
    mkdir opaque
    echo young >opaque/young
    mv many/f1 many/g1
    mv many/f2 many/f3
    mv link moved_link
    rmdir empty
    echo file >empty
    rm fifo
    mkdir fifo
    for i in $(seq 100 150); do
        rm "many/f$i"
    done
    mkdir -p new/tree
    echo n >new/tree/n
    mv new renamed
    ln -s nowhere dangling
    mkdir ren2
    mv renamed ren2/
    truncate -s 1000 big
    touch -d '2001-02-03 04:05:06.789' sub/deep/two
    setfattr -n user.colour -v blue sub/deep/two 2>/dev/null || :
    (cd ren/a && mv b ../c)
}

# Names, types, modes, owners, links' targets, and contents.
describe() {
    (cd "$1" && find . -printf '%p %y %m %U:%G %l\n' | sort && find . -type f -exec md5sum {} + | sort -k 2 &&
        stat -c %y sub/deep/two)
}

(cd lower && fill)
cp -a lower "$S/plain"
describe lower >"$S/lower.before"
overlay_mount || {
    cat "$S/mount.err" >&2
    fail "the overlay cannot be mounted"
}
describe merged >"$S/merged"
diff "$S/lower.before" "$S/merged" || fail "an untouched overlay is not its lower tree"
(cd merged && change)
drop_caches
(cd "$S/plain" && change)
describe "$S/plain" >"$S/plain.out"
describe merged >"$S/merged"
diff "$S/plain.out" "$S/merged" || fail "the overlay is not as the plain tree"
same "character special file 0:0" "$(stat -c '%F %t:%T' upper/sub/one)" "a whiteout"
[ -n "$(find upper -type c)" ] || fail "there are no whiteouts"
if command -v getfattr >/dev/null; then
    same y "$(getfattr --only-values -n trusted.overlay.opaque upper/opaque 2>/dev/null)" "an opaque directory"
    same blue "$(getfattr --only-values -n user.colour merged/sub/deep/two)" "an attribute through the overlay"
fi
# What was copied keeps its place when the kernel has forgotten all it can.
for i in 1 2 3; do
    drop_caches
    describe merged >"$S/merged"
    diff "$S/plain.out" "$S/merged" || fail "the overlay changes by dropping caches"
    md5sum merged/sub/deep/two merged/big merged/sub/deep/er/three >/dev/null || fail "a copied file"
done
describe lower >"$S/lower.after"
diff "$S/lower.before" "$S/lower.after" || fail "the lower tree has changed"
overlay_umount
cd /
remount_fs -o noexport
cd "$MNT"
overlay_mount || fail "the overlay cannot be mounted again"
describe merged >"$S/merged"
diff "$S/plain.out" "$S/merged" || fail "the overlay has changed by remounting"

say "a tree of real files"
sample_tar "$S/sample.tar" 300
for dir in merged "$S/plain"; do
    mkdir "$dir/sample"
    tar -xf "$S/sample.tar" -C "$dir/sample"
    (cd "$dir/sample" && find . -name '*e*' -type f -delete && find . -depth -type d -empty -delete)
    find "$dir/sample" -exec touch -h -d 2020-01-01 {} +
    cp -a "$dir/sample" "$dir/sample2"
    rm -r "$dir/sample"
done
(cd merged && list_tree .) >"$S/merged"
(cd "$S/plain" && list_tree .) >"$S/plain.out"
grep '^\./sample2/' "$S/plain.out" >"$S/want" || fail "no real files"
grep '^\./sample2/' "$S/merged" >"$S/found" || :
diff "$S/want" "$S/found" || fail "real files differ"
rm -r merged/*
same "" "$(ls -A merged)" "everything removed"
overlay_umount
describe lower >"$S/lower.after"
diff "$S/lower.before" "$S/lower.after" || fail "the lower tree has changed"
cd /
umount_fs
check_store
