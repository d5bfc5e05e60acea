"""What every mode begins with: the configuration with the command line's changes, the strategies, and the bars."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from backtester.market import Market, align
from core.config_loader import OVERRIDE_PREFIX, LoadedSettings, load_settings
from core.errors import ConfigError
from data.bar_table import DataError
from data.csv_bars import load_folder
from data.packaged import load_packaged, packaged_calendar
from strategy.base import Strategy
from strategy.registry import create, validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for; None where it leaves the choice to the configuration or the data."""

    config: Path
    strategies: tuple[str, ...]
    symbols: tuple[str, ...] | None
    start: date | None
    end: date | None
    data: Path | None
    cash: str | None
    changes: tuple[str, ...]

    @classmethod
    def of(cls, options: Namespace) -> Request:
        """Read the options that all modes share (`backtester.options`)."""
        return cls(
            config=options.config,
            strategies=_split_list(options.strategy),
            symbols=_split_list(options.symbols) or None,
            start=options.start,
            end=options.end,
            data=options.data,
            cash=options.cash,
            changes=tuple(options.set),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is traded: configuration, bars, and strategies with their shares of the equity.

    ``first_bar`` is the first bar that is traded on; those before it are warm-up.
    """

    loaded: LoadedSettings
    market: Market
    first_bar: int
    strategies: tuple[Strategy, ...]
    weights: tuple[float, ...]


def open_study(request: Request) -> Study:
    """Load configuration, strategies and bars.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    loaded = load_settings(request.config, environment_with(request, os.environ))
    strategies, weights = choose_strategies(loaded, request.strategies)
    market, first_bar = load_market(loaded, request)
    return Study(loaded=loaded, market=market, first_bar=first_bar, strategies=strategies, weights=weights)


def environment_with(request: Request, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment in which what the command line sets overrides the file, by the rules of the configuration.

    Raises
    ------
    ConfigError
        When a ``--set`` is no ``key.path=value``.
    """
    result = dict(environ)
    changes = list(request.changes)
    if request.cash is not None:
        changes.append(f"backtest.cash={request.cash}")
    problems = []
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path.strip() or not value.strip():
            problems.append(f"--set {change}: write key.path=value, such as sizing.risk_per_trade=0.02")
        else:
            result[OVERRIDE_PREFIX + path.strip().upper().replace(".", "__")] = value.strip()
    if problems:
        raise ConfigError(problems)
    return result


def in_words_of_the_command(problem: str) -> str:
    """Leave out the name of the environment variable that an override has become; the key path follows it anyway."""
    head, _colon, rest = problem.partition(": ")
    return rest if head.startswith(f"environment {OVERRIDE_PREFIX}") and rest else problem


def choose_strategies(
    loaded: LoadedSettings, names: Sequence[str]
) -> tuple[tuple[Strategy, ...], tuple[float, ...]]:
    """Strategies and their shares of the equity.

    Parameters
    ----------
    loaded
        The configuration. It gives the parameters of those it lists; others have their defaults.
    names
        ``NAME`` or ``NAME=WEIGHT``. Without weights the equity is shared equally. None at all: those enabled in
        the configuration, with its weights.

    Raises
    ------
    ConfigError
        Unknown names, wrong parameters or weights.
    """
    listed = {one.name: one for one in loaded.settings.strategies}
    loaded.reject(validate(loaded.settings.strategies))
    if not names:
        enabled = [one for one in loaded.settings.strategies if one.enabled and one.weight > 0]
        return tuple(create(one.name, one.parameters) for one in enabled), tuple(
            one.weight for one in enabled
        )
    weights = []
    strategies = []
    for text in names:
        name, equals, share = text.partition("=")
        strategies.append(create(name, listed[name].parameters if name in listed else {}))
        weights.append(_weight(text, share) if equals else 1.0 / len(names))
    return tuple(strategies), tuple(weights)


def _weight(text: str, share: str) -> float:
    try:
        return float(share)
    except ValueError:
        raise ConfigError([f"--strategy {text}: the weight must be a number above 0, at most 1"]) from None


def load_market(loaded: LoadedSettings, request: Request) -> tuple[Market, int]:
    """Bars from the packaged data or a folder, and the first bar that is traded on.

    With a start, up to ``bars.warmup_bars`` bars before it are loaded to warm the strategies up, as live.

    Raises
    ------
    DataError
        With everything that is wrong with the data.
    """
    if request.start is not None and request.end is not None and request.start > request.end:
        raise DataError([f"the start {request.start} lies behind the end {request.end}"])
    if request.data is None:
        tables, calendar = load_packaged(request.symbols), packaged_calendar()
    else:
        folder = load_folder(request.data, request.symbols, calendar_name=loaded.settings.universe.calendar)
        tables, calendar = folder.tables, folder.calendar
    days = loaded.settings.caps.settlement_days
    market = align(tables, calendar, settlement_days=days, until=request.end)
    first = market.first_bar_of(request.start)
    if first >= len(market.end_ns):
        raise DataError([f"there are no bars on or after {request.start}"])
    spare = max(first - loaded.settings.bars.warmup_bars, 0)
    if spare:
        market = align(tables, calendar, settlement_days=days, first=spare, until=request.end)
    return market, first - spare


def _split_list(texts: Iterable[str]) -> tuple[str, ...]:
    """Items of options that may be repeated and hold several, separated by commas."""
    return tuple(item.strip() for text in texts for item in text.split(",") if item.strip())
