#!/bin/sh
# fsbench works: every phase on a directory and on a mount, with a table, JSON, and nothing left over.
# How fast anything is does not matter here.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_root "fsbench mounts and drops the kernel's caches"
need_command jq fio git sqlite3 cc unshare
helpers=$BUILD_DIR/tests/bench/fsbench
fsbench() {
    sh "$SOURCE_DIR/tests/bench/fsbench/fsbench.sh" -f "$FLUXFS" -b "$helpers" -d "$S/work" "$@"
}

mkdir "$S/work" "$S/top" "$S/top/drivers"
cp -r "$SOURCE_DIR/fs" "$S/top/drivers/"
tar -czf "$S/tree.tar.gz" -C "$S" top

fsbench -t "$S/tree.tar.gz" -s 4 -n 8 -T 1 -r 2 -p tree,big,random,small,sqlite -j "$S/all.json" \
    host fluxfs=plain fluxfs >"$S/out" || fail "fsbench has failed: $(cat "$S/out")"
for phase in 'unpack + sync, s' 'space used, MB' 'find, cold, s' 'ls -lR, cold, s' 'ls -lR, warm, s' \
    'grep -r, cold, s' 'grep -r, warm, s' 'tar c, cold, s' 'cp -r, s' 'git add, cold, s' 'git status, s' \
    'rm -rf, cold, s' 'write 4 MiB + fsync, s' 'read 4 MiB, cold, s' \
    '4 KiB random overwrite, fsync each 32, ops/s' '4 KiB random read, cold, ops/s' \
    '8 fsynced files, 1 writer, s' '8 fsynced files, 2 writers, s' \
    'SQLite 2 transactions, rollback, s' 'SQLite 2 transactions, WAL, s'; do
    same 1 "$(grep -cF "| $phase |" "$S/out")" "rows of '$phase'"
    row=$(grep -F "| $phase |" "$S/out" | grep -cE '(\| [0-9.]+ ){5}\|$')
    same 1 "$row" "whole rows of '$phase'"
done
# The directory has no daemon, and so no third ratio; both mounts have.
grep -qE '^\| peak memory of the daemon, MB \| - \| [0-9.]+ \| [0-9.]+ \| - \| [0-9.]+ \|$' "$S/out" ||
    fail "no peak memory in: $(cat "$S/out")"
same '["fluxfs","host","plain"] [1,2] 20' \
    "$(jq -c '.runs | [.[].candidate] | unique' "$S/all.json") $(jq -c '[.runs[].round] | unique' "$S/all.json") $(
        jq '[.runs[] | select(.candidate == "host" and .round == 1)] | length' "$S/all.json"
    )" "what the JSON holds"
same "" "$(ls "$S/work")" "what is left"

say "the parallel compilation"
fsbench -r 1 -p compile fluxfs >"$S/out" || fail "fsbench has failed: $(cat "$S/out")"
same 1 "$(grep -c '^| compile, 2 at once, s | [0-9.]* |$' "$S/out")" "rows of the compilation"

say "operations, beside a daemon that keeps everything in memory"
fsbench -r 1 -n 8 -p operations memory_fs fluxfs >"$S/out" || fail "fsbench has failed: $(cat "$S/out")"
for step in create 'stat, names dropped' 'read, warm' rename unlink; do
    row=$(grep -F "| 20 files, $step, s |" "$S/out" | grep -cE '(\| [0-9.]+ ){3}\|$')
    same 1 "$row" "whole rows of '$step'"
done
same "" "$(ls "$S/work")" "what is left"

say "latencies while a large file is overwritten"
fsbench -r 1 -n 8 -s 4 -T 1 -p latency host fluxfs >"$S/out" || fail "fsbench has failed: $(cat "$S/out")"
for step in create stat rename unlink; do
    for figure in median p99.9; do
        row=$(grep -F "| $step beside overwriting, $figure, us |" "$S/out" | grep -cE '(\| [0-9.]+ ){3}\|$')
        same 1 "$row" "whole rows of '$step', $figure"
    done
done
same "" "$(ls "$S/work")" "what is left"

say "a store that was not in memory"
TMPDIR="$S/work" sh "$SOURCE_DIR/tests/bench/coldstart.sh" -n 3000 -r 1 -d "$S/work" >"$S/out" ||
    fail "coldstart.sh has failed: $(cat "$S/out")"
same 6 "$(grep -cE '^\| [a-z].* \| [0-9.]+ \|$' "$S/out")" "rows"
same "" "$(ls "$S/work")" "what is left"

say "what is refused"
refused "no such candidate: nobody" fsbench nobody
refused "no such phase: sleep" fsbench -p sleep host
refused "is no number above 0" fsbench -r 0 host
refused "no tarball at" fsbench -t "$S/none.tar" -p tree host
refused "cannot be measured: no fluxfs at" fsbench -f "$S/none" fluxfs
cat >"$S/broken.sh" <<'END'
case $1 in
kind) echo daemon ;;
mount) echo "this one never mounts" && exit 1 ;;
esac
END
refused "broken does not mount" fsbench -p small "$S/broken.sh"
same "" "$(ls "$S/work")" "what is left"
