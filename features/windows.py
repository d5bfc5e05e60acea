"""Moving windows as kernels. Each value depends on the rows of its window only, bit for bit, whatever came before.

So a feature is the same from a short history as from a long one, and yesterday's value never changes. A window that holds
a NaN, or that isn't full yet, gives NaN. Libraries' rolling sums carry rounding errors from row to row, and recursive
indicators their whole past, so that neither could be compared with a value computed elsewhere.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.indicators import AtrState, RsiState, atr_step, rsi_step
from core.kernel import kernel

FloatArray = npt.NDArray[np.float64]


@kernel
def mean(values: FloatArray, window: int) -> FloatArray:
    """Arithmetic mean of the last ``window`` rows, shape as ``values`` (days,)."""
    result = np.full(values.shape, np.nan)
    for row in range(window - 1, len(values)):
        total = 0.0
        for place in range(row - window + 1, row + 1):
            total += values[place]
        result[row] = total / window
    return result


@kernel
def deviation(values: FloatArray, window: int) -> FloatArray:
    """Sample standard deviation of the last ``window`` rows (two passes)."""
    result = np.full(values.shape, np.nan)
    for row in range(window - 1, len(values)):
        total = 0.0
        for place in range(row - window + 1, row + 1):
            total += values[place]
        centre, squares = total / window, 0.0
        for place in range(row - window + 1, row + 1):
            squares += (values[place] - centre) ** 2
        result[row] = math.sqrt(squares / (window - 1))
    return result


@kernel
def highest(values: FloatArray, window: int) -> FloatArray:
    """Largest of the last ``window`` rows."""
    result = np.full(values.shape, np.nan)
    for row in range(window - 1, len(values)):
        top, unknown = values[row], math.isnan(values[row])
        for place in range(row - window + 1, row):
            unknown |= math.isnan(values[place])
            top = max(top, values[place])
        if not unknown:
            result[row] = top
    return result


@kernel
def rank(values: FloatArray, window: int) -> FloatArray:
    """Share of the last ``window`` rows (the newest left out) that are below the newest, ties counting half; in [0, 1]."""
    result = np.full(values.shape, np.nan)
    for row in range(window - 1, len(values)):
        below, unknown = 0.0, math.isnan(values[row])
        for place in range(row - window + 1, row):
            unknown |= math.isnan(values[place])
            if values[place] < values[row]:
                below += 1.0
            elif values[place] == values[row]:
                below += 0.5
        if not unknown:
            result[row] = below / (window - 1)
    return result


@kernel
def rsi(close: FloatArray, window: int, rows: int) -> FloatArray:
    """Wilder's RSI, begun anew ``rows`` closes ago for each day."""
    result = np.full(close.shape, np.nan)
    for row in range(rows - 1, len(close)):
        state, value, unknown = RsiState(0, math.nan, 0.0, 0.0), math.nan, False
        for place in range(row - rows + 1, row + 1):
            unknown |= math.isnan(close[place])
            state, value = rsi_step(state, close[place], window)
        if not unknown:
            result[row] = value
    return result


@kernel
def atr(high: FloatArray, low: FloatArray, close: FloatArray, window: int, rows: int) -> FloatArray:
    """Wilder's average true range, begun anew ``rows`` bars ago for each day."""
    result = np.full(close.shape, np.nan)
    for row in range(rows - 1, len(close)):
        state, value, unknown = AtrState(0, math.nan, 0.0), math.nan, False
        for place in range(row - rows + 1, row + 1):
            unknown |= math.isnan(close[place])
            state, value = atr_step(state, high[place], low[place], close[place], window)
        if not unknown:
            result[row] = value
    return result
