"""What every mode begins with: the configuration with the command line's changes, the strategies, and the bars."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from backtester.market import Market, align
from backtester.strategy_files import StrategySource
from backtester.unsimulated import unsimulated
from core.config_loader import OVERRIDE_PREFIX, LoadedSettings, load_settings
from core.config_schema import StrategySettings
from core.errors import ConfigError
from data.bar_table import DataError
from data.quality.findings import policies_of
from data.sources import Source, open_source
from strategy.base import Pairs, Strategy, nearest
from strategy.registry import validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for; None where it leaves the choice to the configuration or the data."""

    config: Path
    strategies: tuple[str, ...]
    symbols: tuple[str, ...] | None
    start: date | None
    end: date | None
    data: str | None
    cash: str | None
    changes: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    pairs: Pairs = ()

    @classmethod
    def of(cls, options: Namespace) -> Request:
        """Read the options that all modes share (`backtester.options`)."""
        return cls(
            config=options.config,
            strategies=split_list(options.strategy),
            symbols=split_list(options.symbols) or None,
            start=options.start,
            end=options.end,
            data=options.data,
            cash=options.cash,
            changes=(*options.set, *(f"data.quality.{one}" for one in split_list(options.quality))),
            parameters=split_list(options.param),
            pairs=read_pairs(split_list(options.pairs)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is traded: configuration, bars, and strategies with their shares of the equity.

    ``first_bar`` is the first bar that is traded on; those before it are warm-up. ``origins`` says of each strategy
    where it comes from, ``source`` what the bars came from.
    """

    loaded: LoadedSettings
    market: Market
    first_bar: int
    strategies: tuple[Strategy, ...]
    weights: tuple[float, ...]
    origins: tuple[StrategySource, ...]
    source: Source


def open_study(request: Request) -> Study:
    """Load configuration, strategies and bars.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    loaded = load_settings(request.config, environment_with(request, os.environ))
    origins, strategies, weights = choose_strategies(
        loaded, request.strategies, request.parameters, request.pairs
    )
    market, first_bar, source = load_market(loaded, request)
    differences = unsimulated(loaded.settings)
    for sentence in differences:
        sys.stderr.write(f"note: {sentence}\n")
    market = replace(market, notes=(*market.notes, *differences))
    return Study(
        loaded=loaded,
        market=market,
        first_bar=first_bar,
        strategies=strategies,
        weights=weights,
        origins=origins,
        source=source,
    )


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
    loaded: LoadedSettings, names: Sequence[str], parameters: Sequence[str] = (), pairs: Pairs = ()
) -> tuple[tuple[StrategySource, ...], tuple[Strategy, ...], tuple[float, ...]]:
    """Where the strategies come from, the strategies, and their shares of the equity.

    Parameters
    ----------
    loaded
        The configuration. It gives the parameters of those it lists; others have their defaults.
    names
        ``NAME`` or ``NAME=WEIGHT``; a name may be ``path/to/file.py:NAME``. Without weights the equity is shared
        equally. None at all: those enabled in the configuration, with its weights.
    parameters
        ``NAME.PARAMETER=VALUE``, which override the configuration.
    pairs
        For the strategies that trade pairs; none for those of the configuration.

    Raises
    ------
    ConfigError
        Unknown names, wrong parameters or weights.
    """
    listed = {one.name: one for one in loaded.settings.strategies}
    loaded.reject(validate(loaded.settings.strategies))
    shares = [name.partition("=") for name in names]
    if not names:
        enabled = [one for one in loaded.settings.strategies if one.enabled and one.weight > 0]
        shares = [(one.name, "=", str(one.weight)) for one in enabled]
    origins = tuple(
        _with_pairs(StrategySource.of(name), listed.get(name), pairs) for name, _equals, _share in shares
    )
    kinds = [origin.load() for origin in origins]
    values = {kind.name: dict(listed[kind.name].parameters) if kind.name in listed else {} for kind in kinds}
    set_parameters(values, parameters)
    strategies = tuple(kind.create(values[kind.name]) for kind in kinds)
    weights = tuple(_weight(name, share) if equals else 1.0 / len(shares) for name, equals, share in shares)
    return origins, strategies, weights


def _with_pairs(source: StrategySource, listed: StrategySettings | None, pairs: Pairs) -> StrategySource:
    if not source.load().trades_pairs:
        return source
    return replace(source, pairs=pairs or (listed.pairs if listed is not None else ()))


def read_pairs(texts: Iterable[str]) -> Pairs:
    """Read ``A/B`` of each text.

    Raises
    ------
    ConfigError
        With each that is no pair.
    """
    split = [(text, tuple(leg.strip() for leg in text.split("/"))) for text in texts]
    wrong = [text for text, legs in split if len(legs) != 2 or not all(legs)]
    if wrong:
        raise ConfigError([f"--pairs {text}: write FIRST/SECOND, such as KO/PEP" for text in wrong])
    return tuple((legs[0], legs[1]) for _text, legs in split)


def set_parameters(values: dict[str, dict[str, int | float]], texts: Iterable[str]) -> None:
    """Set what ``--param NAME.PARAMETER=VALUE`` says in the values of each strategy.

    Raises
    ------
    ConfigError
        With each that is no such thing. Whether the parameter exists is found when the strategy is made.
    """
    problems = []
    for text in texts:
        key, _equals, value = text.partition("=")
        name, _dot, parameter = key.strip().partition(".")
        number = _number(value)
        if not parameter or number is None:
            problems.append(
                f"--param {text}: write STRATEGY.PARAMETER=NUMBER, such as momentum.fast_window=50"
            )
        elif name not in values:
            problems.append(f"--param {text}: {name} isn't traded here{nearest(name, values)}")
        else:
            values[name][parameter] = number
    if problems:
        raise ConfigError(problems)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _weight(name: str, share: str) -> float:
    try:
        return float(share)
    except ValueError:
        raise ConfigError(
            [f"--strategy {name}={share}: the weight must be a number above 0, at most 1"]
        ) from None


def load_market(loaded: LoadedSettings, request: Request) -> tuple[Market, int, Source]:
    """Bars, the first one that is traded on, and where they come from.

    With a start, up to ``bars.warmup_bars`` bars before it are loaded to warm the strategies up, as live.

    Raises
    ------
    DataError
        With everything that is wrong with the data.
    """
    if request.start is not None and request.end is not None and request.start > request.end:
        raise DataError([f"the start {request.start} lies behind the end {request.end}"])
    source = open_source(
        request.data,
        request.symbols,
        calendar_name=loaded.settings.universe.calendar,
        policies=policies_of(loaded.settings.data.quality),
        raw=True,
    )

    def aligned(first: int) -> Market:
        return align(
            source.tables,
            source.calendar,
            settlement_days=loaded.settings.caps.settlement_days,
            first=first,
            until=request.end,
            actions=source.actions,
        )

    market = aligned(0)
    first = market.first_bar_of(request.start)
    if first >= len(market.end_ns):
        raise DataError([f"there are no bars on or after {request.start}"])
    spare = max(first - loaded.settings.bars.warmup_bars, 0)
    if spare:
        market = aligned(spare)
    return market, first - spare, source


def split_list(texts: Iterable[str]) -> tuple[str, ...]:
    """Items of options that may be repeated and hold several, separated by commas."""
    return tuple(item.strip() for text in texts for item in text.split(",") if item.strip())
