"""A study as a YAML file: the options of run_backtest.py under the same names.

    mode: grid_search
    strategy: [momentum]
    symbols: [AAPL, MSFT]
    start: 2005-01-01
    set: {sizing.risk_per_trade: 0.02}
    json: true

A list repeats an option, a mapping gives it as ``key=value``, ``true`` is an option without a value.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection, Mapping
from pathlib import Path

from core.errors import ConfigError


def spec_arguments(
    path: Path, known: Mapping[str, argparse.Action], *, leave_out: Collection[str] = ()
) -> list[str]:
    """Command-line arguments that say what a file says.

    Parameters
    ----------
    path
        The file.
    known
        The parser's options by their names with underscores.
    leave_out
        Names that are checked and then left out, because the command line gives them.

    Raises
    ------
    ConfigError
        With every problem: unreadable file, unknown names, values of the wrong shape.
    """
    from core.config_yaml import parse  # noqa: PLC0415 (--help does without PyYAML)

    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--spec {path}: can't be read: {error}"]) from None
    problems = [f"{path}{_line(line)}: {sentence}" for line, sentence in document.problems]
    values = document.value if document.value is not None else {}
    if not isinstance(values, dict):
        problems.append(f"{path}: must hold options, one a line, such as 'mode: single'")
        values = {}
    arguments: list[str] = []
    allowed = {name: one for name, one in known.items() if name not in {"help", "spec"}}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; run_backtest.py --help lists the options"
            problems.append(f"{path}{_line(document.lines.get((key,)))}: {key}: unknown option{hint}")
            continue
        try:
            items = _arguments(allowed[name], value)
            arguments += [] if name in leave_out else items
        except ValueError as error:
            problems.append(f"{path}{_line(document.lines.get((key,)))}: {key}: {error}")
    if problems:
        raise ConfigError(problems)
    return arguments


def _arguments(action: argparse.Action, value: object) -> list[str]:
    option = action.option_strings[-1]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return [option] if value else []
    if isinstance(value, dict):
        items = [f"{key}={_text(_word(one))}" for key, one in value.items()]
    elif isinstance(value, list):
        items = [_text(one) for one in value]
    else:
        items = [_text(value)]
    if len(items) != 1 and not _repeats(action):
        raise ValueError("must be one value")
    return [f"{option}={item}" for item in items]


def _repeats(action: argparse.Action) -> bool:
    return isinstance(action.default, list)


def _word(value: object) -> object:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    if value is None or isinstance(value, bool | dict):
        raise ValueError("must be text, a number, or a list of them")
    return str(value)


def _line(number: int | None) -> str:
    return f" line {number}" if number is not None else ""
