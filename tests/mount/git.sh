#!/bin/sh
# git: init, add, commit, branch, checkout, gc, fsck, clone.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command git
count=800
if [ -n "$SANITIZED" ]; then
    count=200
fi
HOME=$S
GIT_CONFIG_NOSYSTEM=1
GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@example.org
GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@example.org
export HOME GIT_CONFIG_NOSYSTEM GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
git config --global init.defaultBranch main
git config --global safe.directory '*'
sample_tar "$S/sample.tar" "$count"

mount_fs
mkdir "$MNT/repo"
cd "$MNT/repo"
git init -q
tar -xf "$S/sample.tar"
find usr -depth -type d -empty -delete # git knows none
git add -A
git commit -q -m "All"
same "" "$(git status --porcelain)" "git status after the commit"
git checkout -q -b other
find . -path ./.git -prune -o -type f -name '*.h' -print | head -n 50 | while read -r f; do
    echo "changed" >>"$f"
done
git rm -q -r --ignore-unmatch usr/include/linux
git commit -q -a -m "Changed"
other_tree=$(git rev-parse 'HEAD^{tree}')
git checkout -q main
same "" "$(git status --porcelain)" "git status after a checkout"
git merge -q --no-edit other
same "$other_tree" "$(git rev-parse 'HEAD^{tree}')" "tree after the merge"
git gc -q --prune=now
git fsck --full --strict --no-progress || fail "git fsck"
git clone -q . ../clone
cd /
find "$MNT/repo" -depth -type d -empty ! -path '*/.git/*' -delete
diff -r -x .git --no-dereference "$MNT/repo" "$MNT/clone" || fail "the clone differs"

remount_fs
cd "$MNT/repo"
git fsck --full --no-progress || fail "git fsck after a remount"
same "" "$(git status --porcelain)" "git status after a remount"
cd /
umount_fs
check_store
