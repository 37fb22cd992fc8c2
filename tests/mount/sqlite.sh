#!/bin/sh
# SQLite: single-row transactions in both journal modes, an integrity check, and the same after a
# remount and after a kill.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_mount
need_command sqlite3
count=5000
if [ -n "$SANITIZED" ]; then
    count=500
fi
mount_fs

transactions() { # transactions MODE
    echo "PRAGMA journal_mode=$1;"
    echo "CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, blob BLOB);"
    seq "$count" | sed "s/.*/INSERT INTO t VALUES(&, 'row &', randomblob(100));/"
    echo "UPDATE t SET text = text || ' changed' WHERE id % 10 = 0;"
    echo "DELETE FROM t WHERE id % 5 = 1;"
}
check_db() { # check_db MODE WHEN
    same "ok" "$(sqlite3 "$MNT/$1.db" 'PRAGMA integrity_check;')" "integrity of $1 $2"
    same "$((count - count / 5))" "$(sqlite3 "$MNT/$1.db" 'SELECT count(*) FROM t;')" "rows of $1 $2"
    same "$((count / 10))" \
        "$(sqlite3 "$MNT/$1.db" "SELECT count(*) FROM t WHERE text LIKE '% changed';")" \
        "changed rows of $1 $2"
}
for mode in delete wal; do
    say "$count transactions, journal mode $mode"
    transactions "$mode" | sqlite3 "$MNT/$mode.db" >"$S/mode"
    same "$mode" "$(head -n 1 "$S/mode")" "journal mode"
    check_db "$mode" "at once"
done
remount_fs
check_db delete "after a remount"
check_db wal "after a remount"

say "killed in the middle of transactions"
some_acknowledged() {
    [ "$(wc -l <"$S/acknowledged")" -ge 20 ]
}
for mode in delete wal; do
    seq 100000 199999 | sed "s/.*/INSERT INTO t VALUES(&, 'late', NULL); SELECT &;/" |
        sqlite3 "$MNT/$mode.db" >"$S/acknowledged" 2>/dev/null &
    client=$!
    within 60 some_acknowledged || fail "no twenty transactions were acknowledged"
    kill_daemon
    wait "$client" || :
    mount_fs
    same "ok" "$(sqlite3 "$MNT/$mode.db" 'PRAGMA integrity_check;')" "integrity of $mode after a kill"
    # The last line may be half of a number.
    last=$(sed '$d' "$S/acknowledged" | tail -n 1)
    if [ -n "$last" ]; then
        same "$last" "$(sqlite3 "$MNT/$mode.db" "SELECT id FROM t WHERE id = $last;")" \
            "the last acknowledged row of $mode"
    fi
done
umount_fs
check_store
