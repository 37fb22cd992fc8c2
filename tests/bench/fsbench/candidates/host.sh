#!/bin/sh
# A directory of the disk that is measured.
case $1 in
kind) echo directory ;;
*) : ;;
esac
