#!/bin/sh
# Prints the first of some Pythons in which Freqtrade runs; nothing where none is.
# usage: freqtrade_python.sh PYTHON ...

for python in "$@"; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1; then
        echo "$python"
        exit
    fi
done
