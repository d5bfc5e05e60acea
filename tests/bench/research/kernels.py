"""The bare fused kernel of each work: the least that a compiled loop can do for the same figures, and nothing else.

No account: a fraction of the equity is held, a fixed fee is paid, prices are floats. It says how much of our time the
modelling takes. Parallel over (pair, symbol) or paths, indicators from running sums, figures taken on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
FEE = 0.0005


def path_figures(total: FloatArray, drawdown: FloatArray) -> dict[str, Any]:
    """VaR and CVaR of total returns, median growth a year, 95% drawdown; as the peers compute them."""
    ordered = np.sort(total)
    levels = {level: int(len(ordered) * (100 - level) / 100) for level in (95, 99)}
    return {
        **{f"var_{level}": float(-ordered[place]) for level, place in levels.items()},
        **{f"cvar_{level}": float(-ordered[: place + 1].mean()) for level, place in levels.items()},
        "cagr_median": float(np.median((1.0 + total) ** 0.1 - 1.0)),
        "drawdown_95": float(np.percentile(drawdown, 95)),
    }


def single(bars: FloatArray) -> dict[str, Any]:
    """Williams %R with a trailing stop over five-minute bars."""
    total, drawdown, fills = _single(np.ascontiguousarray(bars[:, 0]))
    return {"total_return": total - 1.0, "max_drawdown": drawdown, "fills": fills}


@njit(cache=True)
def _single(bars: FloatArray) -> tuple[float, float, int]:
    total, atr, shares, stop, cash, peak, worst, fills = 0.0, 0.0, 0.0, 0.0, 1e6, 1e6, 0.0, 0
    enter = False
    for bar in range(len(bars)):
        begin, high, low, close = bars[bar, 0], bars[bar, 1], bars[bar, 2], bars[bar, 3]
        if enter:
            shares = math.floor(min(0.02 * cash / (10.0 * atr), 0.95 * cash / begin))
            stop = begin - 10.0 * atr
            cash -= shares * begin + max(1.0, 0.0035 * shares)
            enter, fills = False, fills + 1
        elif shares > 0.0 and low <= stop:
            cash += shares * min(begin, stop) - max(1.0, 0.0035 * shares)
            shares, fills = 0.0, fills + 1
        total += close
        if bar >= 200:
            total -= bars[bar - 200, 3]
        before = bars[bar - 1, 3] if bar > 0 else close
        atr += (max(high, before) - min(low, before) - atr) / min(bar + 1, 14)
        if bar >= 199:
            top, bottom = high, low
            for back in range(1, 10):
                top, bottom = max(top, bars[bar - back, 1]), min(bottom, bars[bar - back, 2])
            percent_r = (close - top) / (top - bottom) * 100.0 if top > bottom else -50.0
            if shares > 0.0:
                stop = max(stop, close - 10.0 * atr)
                if percent_r > -20.0 and close < total / 200.0:
                    stop = math.inf
            elif percent_r < -80.0 and close > total / 200.0:
                enter = True
        value = cash + shares * close
        peak = max(peak, value)
        worst = max(worst, 1.0 - value / peak)
    return (cash + shares * bars[-1, 3]) / 1e6, worst, fills


def grid(bars: FloatArray, fasts: Sequence[int], slows: Sequence[int]) -> dict[str, Any]:
    """Crosses of moving averages, every pair on every symbol."""
    closes = np.ascontiguousarray(bars[:, :, 3].T)
    found = _grid(closes, _changes(closes), np.array(fasts), np.array(slows))
    return {"cells": found.shape[0] * found.shape[1], "total_return": float(found[..., 0].mean())}


def _changes(closes: FloatArray) -> FloatArray:
    changes = np.zeros(closes.shape)
    changes[:, 1:] = closes[:, 1:] / closes[:, :-1] - 1.0
    return changes


@njit(parallel=True)
def _averages(closes: FloatArray, windows: IntArray) -> FloatArray:
    """Moving averages, shape (windows, symbols, bars); 0 until the window is full."""
    found = np.zeros((windows.size, closes.shape[0], closes.shape[1]))
    for cell in prange(windows.size * closes.shape[0]):
        place, symbol = cell // closes.shape[0], cell % closes.shape[0]
        window, total = windows[place], 0.0
        for bar in range(closes.shape[1]):
            total += closes[symbol, bar]
            if bar >= window:
                total -= closes[symbol, bar - window]
            if bar >= window - 1:
                found[place, symbol, bar] = total / window
    return found


@njit(parallel=True)
def _grid(closes: FloatArray, changes: FloatArray, fasts: IntArray, slows: IntArray) -> FloatArray:
    symbols, pairs = closes.shape[0], fasts.size * slows.size
    quick, calm = _averages(closes, fasts), _averages(closes, slows)
    found = np.empty((pairs, symbols, 3))
    for cell in prange(pairs * symbols):
        pair, symbol = cell // symbols, cell % symbols
        one, two = pair // slows.size, pair % slows.size
        total, ratio, worst = _cross(
            changes[symbol], quick[one, symbol], calm[two, symbol], slows[two] - 1, closes.shape[1]
        )
        found[pair, symbol, 0] = total
        found[pair, symbol, 1] = ratio
        found[pair, symbol, 2] = worst
    return found


@njit
def _cross(
    changes: FloatArray, quick: FloatArray, calm: FloatArray, first: int, end: int
) -> tuple[float, float, float]:
    """Total return, mean over deviation, and drawdown of holding while the fast average is above the slow one."""
    value, peak, worst, mean, squares, held = 1.0, 1.0, 0.0, 0.0, 0.0, 0.0
    for bar in range(first, end):
        gain = held * changes[bar]
        above = 1.0 if quick[bar] > calm[bar] else 0.0
        gain -= FEE * abs(above - held)
        held = above
        value *= 1.0 + gain
        mean += gain
        squares += gain * gain
        peak = max(peak, value)
        worst = max(worst, 1.0 - value / peak)
    count = end - first
    spread = squares / count - (mean / count) ** 2
    ratio = mean / count / math.sqrt(spread) if spread > 0.0 else 0.0
    return value - 1.0, ratio, worst


def walk_forward(bars: FloatArray) -> dict[str, Any]:
    """Ten folds, the best pair of each symbol."""
    closes = np.ascontiguousarray(bars[:, :, 3].T)
    found = _walk_forward(closes, _changes(closes), np.arange(5, 45, 4), np.arange(50, 291, 25))
    return {"mean_test_return": float(found.mean())}


@njit(parallel=True)
def _walk_forward(closes: FloatArray, changes: FloatArray, fasts: IntArray, slows: IntArray) -> FloatArray:
    quick, calm = _averages(closes, fasts), _averages(closes, slows)
    found = np.empty((10, closes.shape[0]))
    for cell in prange(found.size):
        fold, symbol = cell // closes.shape[0], cell % closes.shape[0]
        first, best, best_one, best_two = fold * 600, -math.inf, 0, 0
        for one in range(fasts.size):
            for two in range(slows.size):
                ratio = _cross(changes[symbol], quick[one, symbol], calm[two, symbol], first, first + 1500)[1]
                if ratio > best:
                    best, best_one, best_two = ratio, one, two
        found[fold, symbol] = _cross(
            changes[symbol], quick[best_one, symbol], calm[best_two, symbol], first + 1500, first + 2100
        )[0]
    return found


def monte_carlo(history: FloatArray) -> dict[str, Any]:
    """10,000 paths of as many days as the history has."""
    found = _paths(np.log1p(history), 10_000)
    return path_figures(np.expm1(found[:, 0]), -np.expm1(-found[:, 1]))


@njit(parallel=True)
def _paths(steps: FloatArray, paths: int) -> FloatArray:
    found = np.empty((paths, 2))
    for path in prange(paths):
        word = np.uint64(path) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        level, peak, worst = 0.0, 0.0, 0.0
        for _ in range(steps.size):
            word ^= word << np.uint64(13)
            word ^= word >> np.uint64(7)
            word ^= word << np.uint64(17)
            level += steps[((word >> np.uint64(32)) * np.uint64(steps.size)) >> np.uint64(32)]
            peak = max(peak, level)
            worst = max(worst, peak - level)
        found[path, 0], found[path, 1] = level, worst
    return found
