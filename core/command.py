"""How every command ends: a missing library, an interruption and a reader that went away are told or passed over, never traced."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.exit_codes import ExitCode

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell has it."""
READER_GONE = 141
"""Exit code when nobody reads the output any more (``| head``), as a shell has it of a program that SIGPIPE ends."""
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


def run_command(
    command: str | Callable[[Sequence[str]], int], arguments: Sequence[str], *, when_stopped: str = "stopped"
) -> int:
    """Run a command to its end.

    Parameters
    ----------
    command
        A function of the arguments that returns an exit code; or the name of a module whose ``main`` is one, which is
        loaded only now.
    arguments
        Words of the command line.
    when_stopped
        What is said after Ctrl-C.

    Returns
    -------
    int
        The exit code of the command; `ExitCode.USAGE` when a library is missing, `INTERRUPTED` or `READER_GONE`.
    """
    try:
        main = importlib.import_module(command).main if isinstance(command, str) else command
        code = int(main(arguments))
        sys.stdout.flush()
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{missing_library(missing)}\n")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        sys.stderr.write(f"{when_stopped}\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The flush at exit must not find the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return code
