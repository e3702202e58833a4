#!/bin/sh
# Looks for known defects and unwanted licences in what this project uses.
# What could not be asked, because its data cannot be reached from here, is said and is no failure.
# usage: audit.sh FOLDER_OF_PROGRAMS

bin=$1
failed=0
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Runs a check, and shows what it says. It fails if the check found something; not if its data could not be reached.
check() {
    what=$1
    shift
    echo "== $what"
    if "$@" >"$found" 2>&1; then
        grep -vE "could not be audited|^No known" "$found" || true
        # pip-audit is content with packages that its data does not know: with no data, with all of them.
        unknown=$(grep -c "could not be audited" "$found" || true)
        if [ "$unknown" -gt 0 ]; then
            echo "sluicegate: NOT ASKED: $what: $unknown packages, of which its data could not be reached or has nothing:"
            sed -n "s/^\([^ ]*\) .*could not be audited.*/\1/p" "$found" | tr "\n" " " | fold -s -w 100
            echo
        else
            grep "^No known" "$found" || true
        fi
    elif grep -qiE "failed to (fetch|clone|download|update)|could not resolve|connection|timed out|network|proxy|404 |403 |unreachable|failed to acquire|failed to open" "$found" &&
        ! grep -qE "^error\[(vulnerability|unsound|banned|rejected|unlicensed)\]|Found [0-9]+ known" "$found"; then
        echo "sluicegate: NOT ASKED: $what. Its data cannot be reached from this machine:"
        grep -iE "error|fail" "$found" | head -n 3
    else
        cat "$found"
        failed=1
    fi
}

if ! command -v cargo-deny >/dev/null 2>&1; then
    echo "installing cargo-deny from crates.io. This happens once and takes some minutes"
    cargo install --quiet --locked cargo-deny || {
        echo "sluicegate: NOT ASKED: the crates. cargo-deny could not be installed."
    }
fi
if command -v cargo-deny >/dev/null 2>&1; then
    check "licences, sources and duplicates of crates (cargo-deny)" cargo deny --locked --all-features check licenses bans sources
    check "known defects of crates (cargo-deny)" cargo deny --locked --all-features check advisories
fi
check "known defects of Python packages (pip-audit)" "$bin/pip-audit" --skip-editable --progress-spinner off
exit $failed
