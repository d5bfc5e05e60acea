"""Backstop's entry point to research: trade strategies over history exactly as main.py would."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from backtester.options import parse
from core.errors import ConfigError
from core.exit_codes import ExitCode
from core.missing_module import missing_library


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit code tells how it ended."""
    if arguments[:1] == ["new-strategy"]:
        return _new_strategy(arguments[1:])
    try:
        options = parse(arguments)
        return _run(options)
    except ConfigError as error:
        return _refuse(error.problems)
    except ModuleNotFoundError as missing:
        return _refuse([missing_library(missing)])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output (`| head`) has enough; the flush at exit must not find the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


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


def _new_strategy(arguments: list[str]) -> int:
    try:
        return int(importlib.import_module("backtester.modes.new_strategy").run(arguments))
    except ConfigError as error:
        return _refuse(error.problems)


def _refuse(problems: tuple[str, ...] | list[str]) -> ExitCode:
    for problem in problems:
        print(problem, file=sys.stderr)
    return ExitCode.USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
