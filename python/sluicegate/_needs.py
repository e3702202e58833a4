"""Which packages that a part of sluicegate needs are missing, and the command to install them."""

import importlib.util
from collections.abc import Iterable


def lacking(what: str, packages: Iterable[str]) -> str | None:
    """What to say where packages are missing; None where all are there.

    Args:
        what: Who needs them, such as `sluicegate demo`.
        packages: Their names, which are those that they are imported by, too.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    names = " ".join(missing)
    return f"{what} needs {', '.join(missing)}. Install what is missing: pip install {names}"
