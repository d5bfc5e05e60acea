"""Wilder's indicators: relative strength index and average true range."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators.averages import Flags, FloatArray
from core.kernel import borrowing_kernel, inlined_kernel, kernel

FloatMatrix = FloatArray


class RsiState(NamedTuple):
    """State of a relative strength index: closes seen, the last one, and the two smoothed averages."""

    seen: int
    previous_close: float
    average_gain: float
    average_loss: float


def new_rsi() -> RsiState:
    """Empty state of a relative strength index."""
    return RsiState(seen=0, previous_close=math.nan, average_gain=0.0, average_loss=0.0)


@kernel
def rsi_step(state: RsiState, close: float, window: int) -> tuple[RsiState, float]:
    """Wilder's relative strength index.

    ``RSI = 100 * G / (G + L)`` with G, L the averages of gains and losses: the plain mean of the first ``window``
    changes, then ``average += (change - average) / window``. 50 when nothing has moved.

    Parameters
    ----------
    state
        From `new_rsi`.
    close
        The newest close. One that is not finite is passed over.
    window
        Number of changes (2 or more).

    Returns
    -------
    state, rsi
        In [0, 100]; NaN until ``window`` changes have come, which takes ``window + 1`` closes.

    Notes
    -----
    J. Welles Wilder, *New Concepts in Technical Trading Systems* (1978), section VI. The form above equals
    ``100 - 100 / (1 + G / L)`` without the division by zero.
    """
    seen, previous, gain, loss = state
    if math.isfinite(close):
        if seen > 0:
            change = close - previous
            # While the window fills, the running mean of the first n changes is the same recursion with n.
            length = float(min(seen, window))
            gain += (max(change, 0.0) - gain) / length
            loss += (max(-change, 0.0) - loss) / length
        previous = close
        seen += 1
    value = math.nan
    if seen > window:
        both = gain + loss
        value = 100.0 * gain / both if both > 0.0 else 50.0
    return RsiState(seen, previous, gain, loss), value


class AtrState(NamedTuple):
    """State of an average true range: bars seen, the last close, the smoothed range."""

    seen: int
    previous_close: float
    average: float


def new_atr() -> AtrState:
    """Empty state of an average true range."""
    return AtrState(seen=0, previous_close=math.nan, average=0.0)


@kernel
def atr_step(state: AtrState, high: float, low: float, close: float, window: int) -> tuple[AtrState, float]:
    """Wilder's average true range.

    ``TR = max(high, previous close) - min(low, previous close)``; the average is the plain mean of the first
    ``window`` true ranges, then ``average += (TR - average) / window``. The first bar has no previous close and
    counts with ``high - low``, as in Wilder's worksheet (TA-Lib leaves it out and so begins one bar later).

    Parameters
    ----------
    state
        From `new_atr`.
    high, low, close
        The newest bar. One with a value that is not finite, or with high below low, is passed over.
    window
        Number of bars (2 or more).

    Returns
    -------
    state, atr
        In units of price; NaN until ``window`` bars have come.

    Notes
    -----
    J. Welles Wilder, *New Concepts in Technical Trading Systems* (1978), section III.
    """
    seen, previous, average = atr_take(state, high, low, close, window)
    return AtrState(seen, previous, average), average if seen >= window else math.nan


@inlined_kernel
def atr_take(state: AtrState, high: float, low: float, close: float, window: int) -> AtrState:
    """State after one more bar."""
    seen, previous, average = state
    if math.isfinite(high) and math.isfinite(low) and math.isfinite(close) and high >= low:
        top, bottom = high, low
        if seen > 0:
            top, bottom = max(high, previous), min(low, previous)
        seen += 1
        average += (top - bottom - average) / float(min(seen, window))
        previous = close
    return AtrState(seen, previous, average)


@borrowing_kernel
def atr_column(fields: FloatMatrix, use: Flags, window: int, out: FloatArray) -> None:
    """Scan `atr_step`: its value after each bar.

    Parameters
    ----------
    fields
        Shape (5, bars): open, high, low, close, volume.
    use
        Shape (bars,): 0 where there is no bar, so that nothing is taken.
    window
        As for `atr_step`.
    out
        Written, shape (bars,).
    """
    state = AtrState(0, math.nan, 0.0)
    for bar in range(use.size):
        if use[bar] != 0:
            state = atr_take(state, fields[1, bar], fields[2, bar], fields[3, bar], window)
        out[bar] = state.average if state.seen >= window else math.nan
