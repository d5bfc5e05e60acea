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

from backtester.tape import MarketScan
from core.kernel import kernel
from portfolio.market_rows import MarketRows, MarketState, market_step, new_market_rows, new_market_state
from strategy.base import BarRow, Parameters, State, Strategy

FloatArray = npt.NDArray[np.float64]


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
    shape = bars.shape[:2]
    scan = MarketScan(np.empty(shape), np.empty(shape), np.empty(shape))
    for symbol in range(shape[1]):
        state, rows = new_market_state(), new_market_rows(1)
        _scan_market(bars, symbol, state, rows, atr_window, scan)
    return scan


@kernel
def _scan_market(
    bars: FloatArray, symbol: int, state: MarketState, rows: MarketRows, atr_window: int, scan: MarketScan
) -> None:
    for bar in range(bars.shape[0]):
        row = BarRow(*_row(bars, bar, symbol))
        if not math.isnan(row.close):
            state = market_step(state, rows, 0, row, atr_window)
        scan.close[bar, symbol] = rows.close[0]
        scan.atr[bar, symbol] = rows.atr[0]
        scan.average_volume[bar, symbol] = rows.average_volume[0]


@kernel
def _row(bars: FloatArray, bar: int, symbol: int) -> tuple[float, float, float, float, float]:
    return (
        bars[bar, symbol, 0],
        bars[bar, symbol, 1],
        bars[bar, symbol, 2],
        bars[bar, symbol, 3],
        bars[bar, symbol, 4],
    )


def scan_signals(strategies: Sequence[Strategy], bars: FloatArray) -> FloatArray:
    """Weight of every strategy in every symbol after each bar.

    Parameters
    ----------
    strategies
        Each begins with an empty state for each symbol. One whose step is plain Python is scanned in Python.
    bars
        As for `scan_market`; a symbol without a bar keeps its weight.

    Returns
    -------
    ndarray
        Shape (bars, strategies, symbols), NaN while a strategy warms up; contiguous along the bars.
    """
    signals = np.empty((bars.shape[1], len(strategies), bars.shape[0]))
    for index, strategy in enumerate(strategies):
        scan = scan_of(strategy.kind.step)
        for symbol in range(bars.shape[1]):
            scan(strategy.parameters, strategy.new_state(), bars, symbol, signals[symbol, index])
    return signals.transpose(2, 1, 0)


@lru_cache(maxsize=256)
def scan_of(step: Callable[..., Any]) -> Callable[..., None]:
    """Scan that runs ``step``: compiled if the step is, with the step compiled into it.

    The template below is copied with ``step`` among its globals and a name of its own, because a kernel that takes
    a function as an argument is compiled anew in every process, while one that names it is found in the cache.
    """
    plain = getattr(step, "py_func", None)
    name = f"scan_{step.__module__}_{step.__qualname__}".replace(".", "_")
    space = {**globals(), "step": step}
    bound = FunctionType(_scan_signals.__code__, space, name)
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
