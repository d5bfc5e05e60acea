"""Backstop's entry point to research: trade strategies over history exactly as main.py would."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from backtester.options import parse
from core.command import run_command
from core.errors import ConfigError
from core.exit_codes import ExitCode


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; the exit code tells how it ended."""
    if arguments and arguments[0] == "new-strategy":
        return _new_strategy(arguments[1:])
    try:
        options = parse(arguments)
        return _run(options)
    except ConfigError as error:
        return _refuse(error.problems)


def _run(options: argparse.Namespace) -> int:
    from backtester.study import in_words_of_the_command  # noqa: PLC0415 (--help is quick)
    from data.bar_table import DataError  # noqa: PLC0415

    try:
        if options.list_strategies:
            importlib.import_module("backtester.modes.list_strategies").list_strategies()
            return ExitCode.CLEAN
        return int(importlib.import_module(f"backtester.modes.{options.mode}").run(options))
    except (ConfigError, DataError) as error:
        return _refuse([in_words_of_the_command(problem) for problem in error.problems])


def _new_strategy(arguments: Sequence[str]) -> int:
    try:
        return int(importlib.import_module("backtester.modes.new_strategy").run(arguments))
    except ConfigError as error:
        return _refuse(error.problems)


def _refuse(problems: tuple[str, ...] | list[str]) -> ExitCode:
    for problem in problems:
        print(problem, file=sys.stderr)
    return ExitCode.USAGE


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:], when_stopped="interrupted"))
