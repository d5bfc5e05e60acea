"""Starts a command and tells its mistakes; each command has a module of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from data.cli.options import parse


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    options = parse(arguments)
    from core.errors import BackstopError  # noqa: PLC0415 (--help is there at once)
    from core.exit_codes import ExitCode  # noqa: PLC0415

    command = importlib.import_module(f"data.cli.{options.command}_command")
    try:
        return int(command.run(options))
    except BackstopError as error:
        for problem in getattr(error, "problems", None) or (str(error),):
            print(problem, file=sys.stderr)
        return ExitCode.USAGE
