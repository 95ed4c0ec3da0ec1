#!/bin/sh
# Sees to the programs that building, running and testing need: installs PostgreSQL, Redis, Exim and a C compiler where apt-get can, and names what it cannot install.
# Asks nothing and changes nothing when all are there. With the argument `release` it sees to LLVM's tools as well, which a release is built with, and with
# `count` to valgrind, by which instructions are counted.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

# The servers are started by payaid itself, from the same places (src/platform/cluster/binaries.rs).
has_postgres() {
    [ -n "${PAYAID_POSTGRES_BIN:-}" ] && return
    has initdb && has postgres && return
    for folder in /usr/lib/postgresql/*/bin; do
        version=${folder#/usr/lib/postgresql/}
        [ -x "$folder/initdb" ] && [ "${version%/bin}" -ge 15 ] && return
    done
    return 1
}

# A mail server for the tests, which run it as a normal user in a folder of their own. Servers are not in every account's PATH.
has_exim() {
    has exim4 || has exim || [ -x /usr/sbin/exim4 ] || [ -x /usr/sbin/exim ]
}

# The names that they have are those in bench/speed/layout.rs and profile.rs.
has_bolt() { has llvm-bolt-22 || has llvm-bolt-21 || has llvm-bolt-20 || has llvm-bolt; }
# Not older than the LLVM of the compiler, which is 22.
has_profdata() { has llvm-profdata-22 || llvm-profdata --version 2>/dev/null | grep -q 'LLVM version 2[2-9]'; }

fail() {
    echo "$1" >&2
    exit 1
}

has cargo || fail "Rust is missing: install it with rustup (https://rustup.rs), then try again."
{ has node && has npm; } || fail "Node.js is missing: install version 20.19 or newer with npm (https://nodejs.org), then try again."

missing() {
    has_postgres || printf 'postgresql '
    has redis-server || has valkey-server || printf 'redis-server '
    has_exim || printf 'exim4-daemon-light '
    has cc || printf 'gcc libc6-dev '
    case $purpose in
    release)
        has_bolt || printf 'bolt-22 '
        has_profdata || printf 'llvm-22 '
        ;;
    count) has valgrind || printf 'valgrind ' ;;
    esac
}

purpose=${1:-}
case $purpose in
release) more=", BOLT, llvm-profdata of LLVM 22 or newer" ;;
count) more=", valgrind" ;;
*) more= ;;
esac
packages=$(missing)
[ -n "$packages" ] || exit 0
has apt-get || fail "These are missing: PostgreSQL 15 or newer, Redis, Exim, a C compiler$more, or some of them (on Debian: ${packages% }). Install them, then try again."

become_root=
if [ "$(id -u)" != 0 ]; then
    has sudo || fail "Some packages are missing: run \`apt-get install ${packages% }\` as root, then try again."
    become_root=sudo
fi
# Unquoted: one argument for each package.
$become_root "$(dirname "$0")/apt-install.sh" $packages

packages=$(missing)
[ -z "$packages" ] || fail "This system's packages are not enough: PostgreSQL 15 or newer (https://www.postgresql.org/download), Redis, Exim, a C compiler$more: all of them are needed."
