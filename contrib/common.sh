# SPDX-License-Identifier: MIT
# Parts that quickstart, check and bench share: messages, packages, the build. Sourced by bash; $top is the checkout.
# Knows nothing about what is run afterwards.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$@"; } # a line each
fail() { # STATUS TEXT...
    local status=$1
    shift
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit "$status"
}

# ---- packages ----

# The packages of the groups that are not installed.
packages_missing() {
    local wanted have
    wanted=$(awk -v groups=" $* " '/^[a-z]/ && index(groups, " " $2 " ") { print $1 }' "$top/contrib/packages" | sort -u)
    # shellcheck disable=SC2086  # a list of words
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | awk '$1 == "installed" { print $2 }' | sort -u)
    comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$have")
}

# Packages bring services that start at once; what we start ourselves must not meet them on their ports.
policy=/usr/sbin/policy-rc.d
services_hold() {
    policy_made=
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    policy_made=yes
}
services_release() { [ -z "${policy_made:-}" ] || rm -f "$policy"; policy_made=; }

# Installs what the groups need, as root; else says what an administrator has to type.
packages_install() {
    command -v dpkg-query >/dev/null || return 0 # no Debian: configure says what is missing
    local missing
    missing=$(packages_missing "$@" | paste -sd' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        fail 69 "these packages are missing, and only root can install them:
    apt-get install --no-install-recommends $missing"
    fi
    say "Installing $(wc -w <<<"$missing") packages: $missing"
    trap services_release EXIT
    services_hold
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! apt_get -s install --no-install-recommends $missing >/dev/null 2>&1; then apt_get update; fi
    # shellcheck disable=SC2086
    apt_get -y install --no-install-recommends $missing || fail 69 'apt-get failed; its messages stand above'
    services_release
    trap - EXIT
}
# One line a package instead of twenty.
apt_get() { apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null 2>&1 | grep --line-buffered -E '^(Get:|Setting up|E:|W:|Err)'; return "${PIPESTATUS[0]}"; }

# ---- build ----

# Builds in $1 (default: build/, or the checkout itself where somebody has configured that) what changed since the last time.
# $2: options of configure, $3: targets of make (all). Sets $build. Several copies at once take turns.
build_choose() {
    build=${1:-$top/build}
    [ -n "${1:-}" ] || [ ! -e "$top/config.status" ] || build=$top
}
build_all() {
    build_choose "${1:-}"
    mkdir -p "$build"
    exec 9>"$build/.lock"
    flock -n 9 || { say "Another copy builds in ${build#"$top"/}; waiting for it."; flock 9; }
    if [ ! -x "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
        say 'Making configure (autoreconf).'
        (cd "$top" && autoreconf -fi) >"$build/autoreconf.log" 2>&1 || build_failed autoreconf "$build/autoreconf.log"
    fi
    if [ ! -e "$build/Makefile" ]; then
        say "Configuring in ${build#"$top"/}."
        # shellcheck disable=SC2086
        (cd "$build" && "$top/configure" ${2:-}) >"$build/configure.log" 2>&1 || build_failed configure "$build/configure.log"
    fi
    # One target after another: two at once would both make what they share. Nothing to do: make says nothing that passes the filter.
    local target
    for target in ${3:-all}; do
        make --no-print-directory -C "$build" -j"$(nproc)" "$target" 2>"$build/make.err" 9>&- |
            awk '
                /^  (CC|CCLD) / { n++; printf "%s  [%d] %s", (tty ? "\r\033[K" : ""), n, $0; if (!tty) printf "\n"; fflush() }
                END { if (n && tty) printf "\n" }' tty="$([ -t 1 ] && echo 1 || echo)"
        [ "${PIPESTATUS[0]}" -eq 0 ] || build_failed make "$build/make.err"
    done
    exec 9>&-
}
build_failed() {
    tail -n 25 "$2" >&2
    fail 70 "$1 failed; more in $2"
}
