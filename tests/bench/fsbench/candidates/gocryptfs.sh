#!/bin/sh
# gocryptfs with its default options.
set -eu
case $1 in
check) command -v gocryptfs >/dev/null || { echo "needs gocryptfs" >&2 && exit 1; } ;;
kind) echo daemon ;;
make) mkdir "$W/cipher" && echo secret >"$W/secret" && gocryptfs -q -init -passfile "$W/secret" "$W/cipher" ;;
mount) exec gocryptfs -q -fg -nosyslog -passfile "$W/secret" "$W/cipher" "$MNT" ;;
esac
