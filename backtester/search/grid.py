"""From what was asked for to a space: ``--grid KEY=VALUES``, or the values that the strategies hold worth searching."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from backtester.search.ranges import Value, read_values
from backtester.search.space import MOST_COMBINATIONS, Axis, Space
from core.config_problems import Source, find_problems
from core.config_schema import Settings
from core.errors import ConfigError
from strategy.base import Strategy, nearest

SEARCHED_SECTIONS = ("sizing", "caps", "backtest", "execution")
"""Sections of the configuration that a backtest's account is made of. Others shape the bars, or don't act in it."""

_SHAPES_THE_CLOCK = "caps.settlement_days"


def make_space(texts: Sequence[str], strategies: Sequence[Strategy], settings: Settings) -> Space:
    """Space of ``KEY=VALUES`` texts; without any, of the search values of the strategies' parameters.

    Parameters
    ----------
    texts
        Keys are ``strategy.parameter``, or of the configuration, such as ``sizing.risk_per_trade``.
    strategies
        Those that are traded.
    settings
        The configuration; a value of one of its keys is checked by its rules.

    Raises
    ------
    ConfigError
        With every problem: key, value, what is allowed, the nearest spelling.
    """
    if not texts:
        return _default_space(strategies)
    problems: list[str] = []
    axes: list[Axis] = []
    for text in texts:
        key, equals, values_text = (part.strip() for part in text.partition("="))
        if not equals or not key or not values_text:
            problems.append(f"--grid {text}: write KEY=VALUES, such as momentum.fast_window=5..44")
            continue
        try:
            values = read_values(values_text)
        except ValueError as error:
            problems.append(f"--grid {key}: {error}")
            continue
        axis, found = _axis(key, values, strategies, settings)
        problems += [f"--grid {problem}" for problem in found]
        if any(one.key == axis.key for one in axes):
            problems.append(f"--grid {key}: is given twice")
        axes.append(axis)
    space = Space(axes=tuple(axes))
    if not problems and space.size > MOST_COMBINATIONS:
        problems.append(f"--grid: {space.size:.1e} combinations are too many; fewer values, please")
    if problems:
        raise ConfigError(problems)
    return space


def _default_space(strategies: Sequence[Strategy]) -> Space:
    axes = tuple(
        Axis(key=f"{one.name}.{name}", values=tuple(sorted(set(values))), strategy=place)
        for place, one in enumerate(strategies)
        for name, values in one.kind.search_space().items()
        if len(set(values)) > 1
    )
    if not axes:
        names = ", ".join(one.name for one in strategies)
        raise ConfigError(
            [f"{names}: no parameter has values worth searching of its own: give some with --grid"]
        )
    return Space(axes=axes)


def _axis(
    key: str, values: tuple[Value, ...], strategies: Sequence[Strategy], settings: Settings
) -> tuple[Axis, list[str]]:
    head, _dot, rest = key.partition(".")
    for place, one in enumerate(strategies):
        if one.name == head:
            checked, problems = _parameter_values(one, rest, values)
            return Axis(key=key, values=checked, strategy=place), problems
    return Axis(key=key, values=values, strategy=None), _setting_problems(key, values, strategies, settings)


def _parameter_values(
    strategy: Strategy, name: str, values: tuple[Value, ...]
) -> tuple[tuple[Value, ...], list[str]]:
    specs = {spec.name: spec for spec in strategy.kind.specs}
    if name not in specs:
        return values, [f"{strategy.name}.{name}: unknown parameter of {strategy.name}{nearest(name, specs)}"]
    spec = specs[name]
    problems, checked = [], []
    for value in values:
        if isinstance(value, str):
            problems.append(f"{strategy.name}.{name}: {value!r} must be a number, {spec.low} to {spec.high}")
        elif (problem := spec.problem(value)) is not None:
            problems.append(f"{strategy.name}.{name}: {value!r} {problem}")
        else:
            checked.append(spec.convert(value))
    if len(problems) > 2:
        problems = [problems[0], f"{strategy.name}.{name}: and so are {len(problems) - 1} other values"]
    return tuple(checked) or values, problems


def _setting_problems(
    key: str, values: tuple[Value, ...], strategies: Sequence[Strategy], settings: Settings
) -> list[str]:
    head = key.partition(".")[0]
    known = [*(one.name for one in strategies), *SEARCHED_SECTIONS]
    if head == "strategies":
        return [f"{key}: name the strategy instead, as in momentum.fast_window"]
    if head not in SEARCHED_SECTIONS or key == _SHAPES_THE_CLOCK:
        if head in Settings.model_fields:
            return [f"{key}: can't be searched: it changes the bars, or nothing in a backtest; use --set"]
        return [f"{key}: {head} is neither a strategy that is traded nor a section{nearest(head, known)}"]
    problems = [problem for value in values for problem in setting_problems(settings, ((key, value),))]
    return problems[:2]


def setting_problems(settings: Settings, changes: tuple[tuple[str, Value], ...]) -> list[str]:
    """Find what is wrong with settings after some keys were changed; nothing when they fit."""
    return list(_changed(settings.model_dump_json(), changes)[1])


def change_settings(settings: Settings, changes: tuple[tuple[str, Value], ...]) -> Settings:
    """Return settings with some keys changed.

    Raises
    ------
    ConfigError
        When the values don't fit.
    """
    if not changes:
        return settings
    changed, problems = _changed(settings.model_dump_json(), changes)
    if changed is None:
        raise ConfigError(problems)
    return changed


@lru_cache(maxsize=256)
def _changed(plain: str, changes: tuple[tuple[str, Value], ...]) -> tuple[Settings | None, tuple[str, ...]]:
    values = Settings.model_validate_json(plain).model_dump(mode="json")
    for key, value in changes:
        *sections, name = key.split(".")
        here: dict[str, Any] = values
        for section in sections:
            inner = here.get(section)
            if not isinstance(inner, dict):
                return None, (f"{key}: there is no such key",)
            here = inner
        if isinstance(here.get(name), list | dict):
            return None, (f"{key}: holds several values and can't be searched",)
        here[name] = value
    settings, problems = find_problems(values, Source(name=""))
    return settings, tuple(problem.removeprefix(": ") for problem in problems)
