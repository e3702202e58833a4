#!/bin/sh
# Says in one line what is missing on this machine; says nothing where nothing is.
# usage: tools.sh PYTHON

python=${1:-python3}

fail() {
    echo "sluicegate: $1" >&2
    exit 1
}

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
command -v cargo >/dev/null 2>&1 ||
    fail "cargo is missing: install stable Rust $wanted or later (https://rustup.rs)"
have=$(rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
[ -n "$have" ] || fail "rustc is missing: install stable Rust $wanted or later (https://rustup.rs)"
[ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$wanted" ] ||
    fail "rustc $have is too old: install stable Rust $wanted or later (rustup update stable)"

command -v "$python" >/dev/null 2>&1 ||
    fail "$python is missing: install Python 3.10 or later (or name one: make PYTHON=...)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "$("$python" --version 2>&1) is too old: install Python 3.10 or later (or name one: make PYTHON=...)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python has no venv: install it (on Debian and Ubuntu: apt-get install python3-venv)"
