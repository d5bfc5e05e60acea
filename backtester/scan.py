"""Signals and market rows over history: the live steps, bar by bar, one symbol at a time.

Neither depends on the account, so they can be scanned ahead of it: the state of one symbol stays in registers, and the
account's loop (`backtester.engine`) finds rows. Scanning gives bit for bit what stepping gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

from backtester.columns import Columns
from backtester.tape import MarketScan
from core.kernel import borrowing_kernel, kernel
from portfolio.market_rows import VOLUME_WINDOW
from strategy.base import BarRow, Column, Indicator, Parameters, State, Strategy

FloatArray = npt.NDArray[np.float64]

_CLOSE = BarRow._fields.index("close")


def scan_market(bars: FloatArray, atr_window: int) -> MarketScan:
    """Close, ATR and average volume after each bar; see `portfolio.market_rows`.

    Parameters
    ----------
    bars
        Shape (bars, symbols, 5): open, high, low, close, volume. A bar whose close is NaN is missing: its symbol
        keeps what it had.
    atr_window
        Bars of the average true range.
    """
    return scan_rows(Columns(bars), atr_window)


def scan_rows(columns: Columns, atr_window: int) -> MarketScan:
    """`scan_market` of bars that are laid out already. It is only read: columns are shared with it."""
    closes = columns.fields[:, _CLOSE]
    if not columns.is_whole:
        known = np.empty(closes.shape)
        _keep_closes(closes, known)
        closes = known
    atr = columns.column(Column(Indicator.ATR, atr_window), whole_bars=False)
    volume = columns.average_volume(VOLUME_WINDOW)
    return MarketScan(*(np.ascontiguousarray(one.T) for one in (closes, atr, volume)))


@borrowing_kernel
def _keep_closes(closes: FloatArray, known: FloatArray) -> None:
    """Last close of each symbol that is a price; NaN before the first."""
    for symbol in range(closes.shape[0]):
        last = math.nan
        for bar in range(closes.shape[1]):
            if 0.0 < closes[symbol, bar] < math.inf:
                last = closes[symbol, bar]
            known[symbol, bar] = last


@kernel
def _row(bars: FloatArray, bar: int, symbol: int) -> tuple[float, float, float, float, float]:
    return (
        bars[bar, symbol, 0],
        bars[bar, symbol, 1],
        bars[bar, symbol, 2],
        bars[bar, symbol, 3],
        bars[bar, symbol, 4],
    )


def scan_signals(strategies: Sequence[Strategy], bars: FloatArray, symbols: Sequence[str] = ()) -> FloatArray:
    """Weight of every strategy in every symbol after each bar.

    Parameters
    ----------
    strategies
        Each begins with an empty state for each symbol. One whose step is plain Python is scanned in Python.
    bars
        As for `scan_market`; a symbol without a bar keeps its weight.
    symbols
        Names of the columns, for strategies that trade pairs. What is in no pair of such a strategy has a weight of 0.

    Returns
    -------
    ndarray
        Shape (bars, strategies, symbols), NaN while a strategy warms up; contiguous along the bars.
    """
    signals = np.empty((bars.shape[1], len(strategies), bars.shape[0]))
    scan_into(strategies, bars, symbols, Columns(bars), signals)
    return signals.transpose(2, 1, 0)


def scan_into(
    strategies: Sequence[Strategy],
    bars: FloatArray,
    symbols: Sequence[str],
    columns: Columns,
    signals: FloatArray,
) -> None:
    """`scan_signals` into an array that is there already, of shape (symbols, strategies, bars), with columns of the bars."""
    for index, strategy in enumerate(strategies):
        if strategy.kind.trades_pairs:
            _scan_pairs(strategy, bars, symbols, signals[:, index])
            continue
        if strategy.kind.rule is not None:
            columns.scan_rule(strategy, signals, index)
            continue
        scan = scan_of(strategy.kind.step)
        for symbol in range(bars.shape[1]):
            scan(strategy.parameters, strategy.new_state(), bars, symbol, signals[symbol, index])


def _scan_pairs(strategy: Strategy, bars: FloatArray, symbols: Sequence[str], weights: FloatArray) -> None:
    """Scan both legs of every pair; ``weights`` of shape (symbols, bars) is written."""
    scan = scan_of(strategy.kind.step, _scan_leg)
    column = {symbol: number for number, symbol in enumerate(symbols)}
    weights[:] = 0.0
    for pair in strategy.pairs:
        first, second = (column[symbol] for symbol in pair)
        for own, other, leads in ((first, second, True), (second, first, False)):
            scan(strategy.parameters, strategy.new_state(), bars, (own, other), leads, weights[own])


@lru_cache(maxsize=256)
def scan_of(step: Callable[..., Any], template: Callable[..., None] | None = None) -> Callable[..., None]:
    """Scan that runs ``step``: compiled if the step is, with the step compiled into it.

    The template (of a single symbol, unless another is given) is copied with ``step`` among its globals and a name of its own, because a kernel that takes
    a function as an argument is compiled anew in every process, while one that names it is found in the cache.
    """
    plain = getattr(step, "py_func", None)
    name = f"scan_{step.__module__}_{step.__qualname__}".replace(".", "_")
    space = {**globals(), "step": step}
    bound = FunctionType((template or _scan_signals).__code__, space, name)
    bound.__qualname__ = name
    return bound if plain is None else kernel(bound)


def _scan_signals(
    parameters: Parameters, state: State, bars: FloatArray, symbol: int, weights: FloatArray
) -> None:
    weight = math.nan
    for bar in range(bars.shape[0]):
        row = BarRow(*_row(bars, bar, symbol))
        if not math.isnan(row.close):
            state, weight = step(parameters, state, row)  # type: ignore[name-defined]  # noqa: F821 (see scan_of)
        weights[bar] = weight


def _scan_leg(
    parameters: Parameters,
    state: State,
    bars: FloatArray,
    columns: tuple[int, int],
    leads: bool,
    weights: FloatArray,
) -> None:
    weight = math.nan
    for bar in range(bars.shape[0]):
        own, other = BarRow(*_row(bars, bar, columns[0])), BarRow(*_row(bars, bar, columns[1]))
        if not (math.isnan(own.close) or math.isnan(other.close)):
            state, weight = step(parameters, state, own, other, leads)  # type: ignore[name-defined]  # noqa: F821
        weights[bar] = weight
