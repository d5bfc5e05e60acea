"""Says everything that is wrong with the configuration, the strategies' parameters included.

A process of its own in ``supervise``: the strategies bring the compiler with them, which the supervisor would carry for
as long as it lives.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from core.config_loader import load_settings
from core.config_schema import StrategySettings
from core.config_yaml import parse
from core.errors import ConfigError
from core.exit_codes import ExitCode
from strategy.registry import validate


def main(arguments: list[str]) -> int:
    """Check ``--config FILE``; exit code 2 when it can't be used."""
    parser = argparse.ArgumentParser(prog="python -m scripts.check_config", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    path = parser.parse_args(arguments).config
    try:
        loaded = load_settings(path, os.environ)
    except ConfigError as error:
        found = ConfigError([*error.problems, *_strategy_problems(path)])
        print(describe(found), file=sys.stderr)
        return ExitCode.USAGE
    try:
        loaded.reject(validate(loaded.settings.strategies))
    except ConfigError as error:
        print(describe(error), file=sys.stderr)
        return ExitCode.USAGE
    return ExitCode.CLEAN


def _strategy_problems(path: Path) -> list[str]:
    """Find what is wrong with the strategies of a file that is wrong elsewhere: one pass should tell everything."""
    try:
        document = parse(path.read_text(encoding="utf-8-sig")).value
    except (OSError, UnicodeDecodeError):
        return []
    entries = document.get("strategies") if isinstance(document, dict) else None
    problems = []
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        try:
            one = StrategySettings.model_validate(entry)
        except ValidationError:
            continue  # told already
        problems += [
            f"{path.name}: {problem.replace('strategies[0]', f'strategies[{index}]', 1)}"
            for problem in validate([one])
        ]
    return problems


def describe(error: ConfigError) -> str:
    """Put the problems below each other."""
    count = len(error.problems)
    head = f"The configuration can't be used ({count} problem{'' if count == 1 else 's'}):"
    return "\n".join([head, *(f"  {problem}" for problem in error.problems)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
