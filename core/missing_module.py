"""What to say when a library isn't installed: which one, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent


def missing_library(error: ModuleNotFoundError) -> str:
    """Sentence for the user about a library that this Python lacks.

    Raises
    ------
    ModuleNotFoundError
        The same again, when it is a module of ours: a defect, not a mistake of the user's.
    """
    name = str(error.name)
    if (_PROJECT / name.partition(".")[0]).exists():
        raise error
    if sys.prefix != sys.base_prefix:
        return f"this needs {name}, which isn't installed here: run `make setup`"
    return f"this Python has no {name}: use .venv/bin/python (`make setup` makes it)"
