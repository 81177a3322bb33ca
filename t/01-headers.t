#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header compiles alone, and twice in a row, without a warning.
# Usage: 01-headers.t [SOURCE-ROOT]. Without one the project is checked, and then bad samples, which must be found.
here=$(cd "$(dirname "$0")" && pwd) || exit 99
root=${1:-$here/../src}
root=$(cd "$root" && pwd) || exit 99
CC=${CC:-cc}
TK_CPPFLAGS=${TK_CPPFLAGS-$(pkg-config --cflags jansson libuv hiredis libcurl libpq sqlite3 2>/dev/null)}
n=0 failed=0

# compiles ROOT HEADER: messages on stdout
compiles() {
    printf '#include "%s"\n#include "%s"\nextern int nothing;\n' "$2" "$2" |
        $CC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wstrict-prototypes -Wundef -Werror -fsyntax-only $TK_CPPFLAGS -I"$1" -x c - 2>&1
}

result() {
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=$((failed + 1))
    fi
}

for header in $(cd "$root" && find . -name '*.h' | sed 's,^\./,,' | sort); do
    messages=$(compiles "$root" "$header")
    rc=$?
    result $rc "$header"
    [ $rc -eq 0 ] || printf '%s\n' "$messages" | sed 's/^/# /' >&2
done

if [ $# -eq 0 ]; then
    dir=$(mktemp -d) || exit 99
    trap 'rm -rf "$dir"' EXIT
    printf '#ifndef A_H\n#define A_H\n#include <stddef.h>\nvoid f(size_t n);\n#endif\n' >"$dir/good.h"
    printf '#ifndef B_H\n#define B_H\nvoid f(size_t n);\n#endif\n' >"$dir/include.h"
    printf 'struct s { int i; };\n' >"$dir/guard.h"
    printf '#ifndef C_H\n#define C_H\nvoid f();\n#endif\n' >"$dir/warning.h"
    compiles "$dir" good.h >/dev/null
    result $? 'a good sample passes'
    for bad in include guard warning; do
        compiles "$dir" $bad.h >/dev/null
        [ $? -ne 0 ]
        result $? "found: bad sample: $bad"
    done
fi
echo "1..$n"
[ $failed -eq 0 ]
