"""Changing parameters in ``config.yaml`` and nothing else: comments, order and spacing stay as they are.

The lines that hold the values are found by the strict parser, changed as text, and the result is parsed again: it must hold the new
values and otherwise exactly what it held before, or it is not used.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping

from core.config_yaml import Document, Plain, parse
from core.errors import ConfigError
from strategy.base import Number

_VALUE = re.compile(
    r"^(?P<head>\s*(?:-\s+)?[A-Za-z_][A-Za-z0-9_]*:)(?P<gap>\s+)(?P<value>[^\s#]+)(?P<tail>.*)$", re.DOTALL
)


def with_parameters(text: str, strategy: str, values: Mapping[str, Number]) -> str:
    """Return the configuration with other parameters of one strategy.

    Parameters
    ----------
    text
        Of the file.
    strategy
        Name; it must stand in ``strategies``.
    values
        Parameters by name.

    Raises
    ------
    ConfigError
        When the strategy isn't listed, or its entry isn't written one key a line.
    """
    document = parse(text)
    if document.problems:
        raise ConfigError([f"config.yaml line {line}: {problem}" for line, problem in document.problems])
    place = _place(document, strategy)
    lines = text.splitlines(keepends=True)
    missing = []
    for name, value in values.items():
        number = document.lines.get(("strategies", place, "parameters", name))
        if number is None:
            missing.append((name, value))
        else:
            lines[number - 1] = _changed(lines[number - 1], name, value)
    if missing:
        _insert(document, lines, place, strategy, missing)
    result = "".join(lines)
    _check(document.value, result, place, values)
    return result


def parameters_in(text: str, strategy: str) -> dict[str, Number]:
    """Parameters that the file gives a strategy.

    Raises
    ------
    ConfigError
        When it isn't listed.
    """
    document = parse(text)
    entry = document.value["strategies"][_place(document, strategy)]
    return dict(entry.get("parameters") or {})


def _place(document: Document, strategy: str) -> int:
    entries = document.value.get("strategies") if isinstance(document.value, dict) else None
    for place, entry in enumerate(entries or []):
        if isinstance(entry, dict) and entry.get("name") == strategy:
            return place
    raise ConfigError([f"config.yaml: strategies: there is no entry named {strategy}; list it first"])


def _changed(line: str, name: str, value: Number) -> str:
    found = _VALUE.match(line)
    if found is None or not found["head"].strip().startswith(f"{name}:"):
        raise ConfigError(
            [f"config.yaml: {line.strip()!r}: write every parameter on a line of its own, as {name}: VALUE"]
        )
    return f"{found['head']}{found['gap']}{_text(value)}{found['tail']}"


def _insert(
    document: Document, lines: list[str], place: int, strategy: str, missing: list[tuple[str, Number]]
) -> None:
    """Put parameters that the file doesn't name below ``parameters:``, or that below ``name:``."""
    path = ("strategies", place, "parameters")
    number = document.lines.get(path)
    at = document.lines["strategies", place, "name"] if number is None else number
    line = lines[at - 1]
    indent = len(line) - len(line.lstrip(" -"))
    added = [f"{' ' * (indent + 2)}{name}: {_text(value)}\n" for name, value in missing]
    if number is None:
        added.insert(0, f"{' ' * indent}parameters:\n")
    elif document.value["strategies"][place]["parameters"] is not None and "{" in line:
        raise ConfigError(
            [f"config.yaml line {at}: write the parameters of {strategy} one a line, not in braces"]
        )
    lines[at - 1] = line if line.endswith("\n") else line + "\n"
    lines[at:at] = added


def _text(value: Number) -> str:
    return repr(value)


def _check(before: Plain, text: str, place: int, values: Mapping[str, Number]) -> None:
    wanted = copy.deepcopy(before)
    entry = wanted["strategies"][place]
    entry["parameters"] = {**(entry.get("parameters") or {}), **values}
    document = parse(text)
    if document.problems or document.value != wanted:
        raise ConfigError(
            [
                "config.yaml: the parameters can't be changed without changing something else; change them by hand"
            ]
        )
