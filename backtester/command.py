"""The command line's work, apart from the parsing: what to trade, on which bars, and where the results go.

Heavy imports happen inside the functions, so that ``--help`` is there at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from core.config_loader import OVERRIDE_PREFIX, LoadedSettings, load_settings
from core.errors import ConfigError
from core.exit_codes import ExitCode

if TYPE_CHECKING:
    from backtester.market import Market
    from backtester.result import BacktestResult
    from strategy.base import Strategy


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
    as_json: bool


def list_strategies() -> ExitCode:
    """Print the strategies and their parameters."""
    from strategy.registry import STRATEGIES  # noqa: PLC0415 (numba)

    for kind in STRATEGIES.values():
        print(f"{kind.name}: {kind.summary}")
        for spec in kind.specs:
            print(f"    {spec.name} = {spec.default}  ({spec.low} to {spec.high}; {spec.meaning})")
    return ExitCode.CLEAN


def run_single(request: Request) -> ExitCode:
    """Run one backtest, write its folder and print its summary; mistakes go to the error stream, all at once."""
    from data.bar_table import DataError  # noqa: PLC0415 (numpy)

    began = time.perf_counter()
    try:
        loaded = load_settings(request.config, environment_with(request, os.environ))
        strategies, weights = choose_strategies(loaded, request.strategies)
        market, first_bar = load_market(loaded, request)
        from backtester.run import run_backtest  # noqa: PLC0415 (numba)

        loading_s = time.perf_counter() - began
        result = run_backtest(loaded.settings, market, strategies, weights, first_bar=first_bar)
    except (ConfigError, DataError) as error:
        for problem in error.problems:
            print(_in_words_of_the_command(problem), file=sys.stderr)
        return ExitCode.USAGE
    _report(request, loaded, result, dict(zip(result.strategies, weights, strict=True)), (began, loading_s))
    return ExitCode.CLEAN


def _report(
    request: Request,
    loaded: LoadedSettings,
    result: BacktestResult,
    weights: Mapping[str, float],
    times: tuple[float, float],
) -> None:
    from backtester.report import summary, text_of, write_folder  # noqa: PLC0415 (numpy)

    began, loading_s = times
    figures = summary(result, weights)
    folder = write_folder(loaded, result, figures)
    if request.as_json:
        import json  # noqa: PLC0415

        print(json.dumps({**figures, "folder": str(folder)}, indent=2))
        return
    print(text_of(figures, result.notes))
    total_s = time.perf_counter() - began
    print(f"results: {folder}  ({total_s:.2f} s, of which {loading_s:.2f} s to load)")


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


def _in_words_of_the_command(problem: str) -> str:
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
    from strategy.registry import create, validate  # noqa: PLC0415 (numba)

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
    from backtester.market import align  # noqa: PLC0415 (numpy)
    from data.bar_table import DataError  # noqa: PLC0415

    if request.start is not None and request.end is not None and request.start > request.end:
        raise DataError([f"the start {request.start} lies behind the end {request.end}"])
    if request.data is None:
        from data.packaged import load_packaged, packaged_calendar  # noqa: PLC0415

        tables, calendar = load_packaged(request.symbols), packaged_calendar()
    else:
        from data.csv_bars import load_folder  # noqa: PLC0415

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


def split_list(texts: Iterable[str]) -> tuple[str, ...]:
    """Items of options that may be repeated and hold several, separated by commas."""
    return tuple(item.strip() for text in texts for item in text.split(",") if item.strip())
