#!/bin/sh
# liblsm as somebody who embeds it finds it: installed to a prefix, its examples are built with
# pkg-config alone, shared and static, and do what they say; the header is C and C++; only lsm_ names
# are exported.
# shellcheck source=tests/lib/mount_lib.sh
. "$(dirname "$0")/../lib/mount_lib.sh"
need_command cmake make pkg-config cc nm
: "${BUILD_DIR:?}"
PREFIX=$S/prefix
cmake --install "$BUILD_DIR" --prefix "$PREFIX" >"$S/install.log" 2>&1 || {
    cat "$S/install.log" >&2
    fail "cmake --install"
}
PKG_CONFIG_PATH=$(dirname "$(find "$PREFIX" -name lsm.pc)")
LIBDIR=$(pkg-config --variable=libdir "$PKG_CONFIG_PATH/lsm.pc")
export PKG_CONFIG_PATH
same "$PREFIX" "$(pkg-config --variable=prefix lsm)" "the prefix in lsm.pc"
[ -e "$LIBDIR/liblsm.so" ] || fail "there is no liblsm.so in the directory that lsm.pc names"
version=$(pkg-config --modversion lsm)
same "lsmctl $version" "$(find "$PREFIX" -name lsmctl -exec {} --version \;)" "the version of lsmctl"

# example NAME [DIRECTORY]: run it in the current directory with a new store, twice, and with a new
# DIRECTORY each time; what it prints goes to standard output, and must be the same the second time.
example() {
    rm -rf "$S/example.store" "${2:-/nowhere}"
    LD_LIBRARY_PATH=$LIBDIR "./$1" "$S/example.store" ${2:+"$2"} >"$S/first.out" || fail "the example $1"
    rm -rf "${2:-/nowhere}"
    LD_LIBRARY_PATH=$LIBDIR "./$1" "$S/example.store" ${2:+"$2"} >"$S/second.out" ||
        fail "the example $1, again"
    cmp "$S/first.out" "$S/second.out" >&2 || fail "the example $1 differs the second time"
    cat "$S/first.out"
}

check_examples() {
    same "apple is red
pear is 
apple is not there" "$(example basic)" "the example basic"
    same "forwards
  banana count=0000
  cherry count=0042
  elderberry count=0000
backwards
  elderberry count=0000
  cherry count=0042
  banana count=0000
from bb
  cherry count=0042" "$(example batch_scan)" "the example batch_scan"
    same "before: 100
now: 70
in january: 70
now: 55
in the copy: 55
in january: 70
now: 55" "$(example snapshot_checkpoint "$S/example.copy")" "the example snapshot_checkpoint"
}

say "examples with the shared library"
cp -R "$SOURCE_DIR/lsm/examples" "$S/shared"
cp -R "$SOURCE_DIR/lsm/examples" "$S/static"
cd "$S/shared"
make CFLAGS='-std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror' >"$S/make.log" 2>&1 || {
    cat "$S/make.log" >&2
    fail "building the examples with liblsm.so"
}
check_examples
nm -D basic | grep -q ' U lsm_open$' || fail "the examples were not linked with the shared library"
status=0
LD_LIBRARY_PATH=$LIBDIR ./basic /proc/nowhere >"$S/out" 2>&1 || status=$?
same 1 "$status" "status of an example that cannot make its store"
grep -q "^/proc/nowhere: " "$S/out" || fail "an example does not say what went wrong: $(cat "$S/out")"

say "examples with the static library"
cd "$S/static"
make LDFLAGS=-static PKG_CONFIG='pkg-config --static' >"$S/make.log" 2>&1 || {
    cat "$S/make.log" >&2
    fail "building the examples with liblsm.a"
}
LIBDIR=/nowhere
check_examples
cd "$S"

say "the program in lsm/README.md, and the one in lsm(3)"
# shellcheck disable=SC2016 # no command: Markdown
sed -n '/^```c$/,/^```$/p' "$SOURCE_DIR/lsm/README.md" | sed '/^```/d' >"$S/readme.c"
awk '/^\.SH EXAMPLES/ { here = 1 } here && /^\.fi/ { exit } here && text { print } here && /^\.nf/ { text = 1 }' \
    "$SOURCE_DIR/tools/man/lsm.3" | sed 's/\\e/\\/g' >"$S/manual.c"
for program in readme manual; do
    # shellcheck disable=SC2046 # a list of flags
    cc -Wall -Wextra -Werror -o "$program" "$program.c" $(pkg-config --cflags --libs lsm) ||
        fail "building the program of the $program"
    rm -rf fruit.store
    same red "$(LD_LIBRARY_PATH=$PKG_CONFIG_PATH/.. "./$program")" "what the program of the $program prints"
done

say "the header alone"
echo '#include <lsm.h>
int main(void) { struct lsm_options o; lsm_options_default(&o); return o.create ? 1 : 0; }' >"$S/header.c"
# shellcheck disable=SC2046
cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags lsm) header.c ||
    fail "lsm.h is not C99"
cxx=$(command -v g++ || command -v clang++ || :)
if [ -n "$cxx" ]; then
    cp header.c header.cc
    # shellcheck disable=SC2046
    "$cxx" -std=c++11 -pedantic -Wall -Wextra -Werror -o header header.cc \
        $(pkg-config --cflags --libs lsm) || fail "lsm.h is not C++"
else
    say "no C++: there is neither g++ nor clang++"
fi

say "exported names"
nm -D --defined-only "$PKG_CONFIG_PATH/../liblsm.so" | awk '$2 ~ /[A-Z]/ { print $3 }' >"$S/exported"
same "" "$(grep -v '^lsm_' "$S/exported" | xargs)" "names beside lsm_ that the shared library exports"
sed -n 's/.*\(lsm_[a-z_]*\)(.*/\1/p' "$PREFIX/include/lsm.h" | sort -u >"$S/declared"
sort -u "$S/exported" >"$S/exported.sorted"
same "" "$(comm -3 "$S/declared" "$S/exported.sorted" | xargs)" \
    "names that are declared or exported, but not both"
