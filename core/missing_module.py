"""What to say when a library isn't installed: which one, and what to do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from core.exit_codes import ExitCode

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


def run_command(module: str, arguments: Sequence[str]) -> int:
    """Run ``main(arguments)`` of a module, which is loaded only now; a library that is missing is told, not traced.

    Returns
    -------
    int
        The exit code of the command; `ExitCode.USAGE` when a library is missing.
    """
    try:
        code: int = importlib.import_module(module).main(arguments)
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{missing_library(missing)}\n")
        return ExitCode.USAGE
    return code
