"""Says in one line why Hummingbot cannot be built with this Python; says nothing where it can."""

import sys
import sysconfig
from pathlib import Path
from shutil import which

problem = ""
if not (3, 10, 12) <= sys.version_info[:3] < (3, 14):
    problem = f"Hummingbot is for Python 3.10.12 to 3.13, and this is {sys.version.split()[0]}"
elif not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
    problem = "Hummingbot needs Python's headers (Debian, Ubuntu: apt-get install python3-dev)"
elif which("c++") is None and which("g++") is None and which("clang++") is None:
    problem = "Hummingbot needs a C++ compiler (Debian, Ubuntu: apt-get install g++)"
if problem:
    sys.exit(f"sluicegate: {problem}; name another Python: make test-peers PEERS_PYTHON=python3.12")
