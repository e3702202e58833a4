"""What Python imports first in a program under ``sluicegate run``: it installs the drop-ins."""

import sys
from importlib import import_module
from pathlib import Path

_here = Path(__file__).parent

try:
    from sluicegate._run.drop_ins import watch
except ImportError as error:
    print(  # noqa: T201
        f"sluicegate run: nothing is put in place in {sys.executable}: {error}", file=sys.stderr
    )
else:
    watch()

# This file stands in front of the sitecustomize that the machine or the program may have.
_path = list(sys.path)
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here.resolve()]
_ours = sys.modules.pop("sitecustomize", None)
try:
    import_module("sitecustomize")
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
    if _ours is not None:
        sys.modules["sitecustomize"] = _ours
finally:
    sys.path[:] = _path
