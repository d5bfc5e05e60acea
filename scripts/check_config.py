"""Says everything that is wrong with the configuration, the strategies' parameters included.

A process of its own in ``supervise``: the strategies bring the compiler with them, which the supervisor would carry for
as long as it lives.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from core.config_loader import load_settings
from core.errors import ConfigError
from core.exit_codes import ExitCode
from strategy.registry import validate


def main(arguments: list[str]) -> int:
    """Check ``--config FILE``; exit code 2 when it can't be used."""
    parser = argparse.ArgumentParser(prog="python -m scripts.check_config", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    try:
        loaded = load_settings(parser.parse_args(arguments).config, os.environ)
        loaded.reject(validate(loaded.settings.strategies))
    except ConfigError as error:
        print(describe(error), file=sys.stderr)
        return ExitCode.USAGE
    return ExitCode.CLEAN


def describe(error: ConfigError) -> str:
    """Put the problems below each other."""
    count = len(error.problems)
    head = f"The configuration can't be used ({count} problem{'' if count == 1 else 's'}):"
    return "\n".join([head, *(f"  {problem}" for problem in error.problems)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
