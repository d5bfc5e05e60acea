"""``run_backtest.py new-strategy NAME``: a commented, working file to start from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from backtester.strategy_template import write_template
from core.exit_codes import ExitCode


def run(arguments: Sequence[str]) -> ExitCode:
    """Write the file and say how to run it.

    Raises
    ------
    ConfigError
        For a name that can't be one, or a file that exists.
    """
    parser = argparse.ArgumentParser(
        prog="run_backtest.py new-strategy", description="Write NAME.py, a commented strategy that runs."
    )
    parser.add_argument("name", metavar="NAME", help="small letters, digits and _")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="FOLDER", help="where to (default: here)"
    )
    options = parser.parse_args(arguments)
    path = write_template(options.name, options.folder)
    print(f"{path} is written; run it:")
    print(f"  python run_backtest.py --strategy {path}:{options.name.upper()}")
    return ExitCode.CLEAN
