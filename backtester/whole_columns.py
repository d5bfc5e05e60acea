"""Indicators over histories in which every bar is whole, many bars at a time.

Then a window is a stretch of the array, and no value has to wait for the one before it. Each gives, bit for bit, what the
steps of `core.indicators` give:

* A moving average is summed in whole numbers, so the difference of two running sums is the sum of the window, exactly (beyond
  an int64 running sums begin anew from the other end, and differences stay what they are).
* The largest of a window is the larger one of the largest of two shorter windows that cover it together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.indicators import FIXED_POINT, INTEGER_SCALE, LARGEST
from core.kernel import borrowing_kernel

FloatArray = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]


def running_sums(values: FloatArray, scale: float) -> IntVector:
    """Add up the first 0, 1, ... values in steps of ``1 / scale``; shape (bars + 1,).

    Parameters
    ----------
    values
        Shape (bars,), all of which `core.indicators.sma_step` would take (`can_be_summed`).
    scale
        As for `core.indicators.sma_step`.
    """
    sums = np.empty(len(values) + 1, dtype=np.int64)
    _add_up(values, scale, sums)
    return sums


def can_be_summed(volumes: FloatArray) -> bool:
    """Whether `core.indicators.sma_step` would take all of these whole numbers."""
    return bool((np.abs(volumes) * INTEGER_SCALE < LARGEST * FIXED_POINT).all())


@borrowing_kernel
def _add_up(values: FloatArray, scale: float, sums: IntVector) -> None:
    total = 0
    sums[0] = 0
    for bar in range(values.size):
        total += math.floor(values[bar] * scale + 0.5)
        sums[bar + 1] = total


def averages_into(sums: IntVector, window: int, scale: float, out: FloatArray) -> None:
    """`core.indicators.sma_step` after each bar, from `running_sums`; ``out`` of shape (bars,) is written."""
    out[: window - 1] = math.nan
    if len(out) >= window:
        _divide(sums[window:], sums[:-window], scale * window, out[window - 1 :])


@borrowing_kernel
def _divide(ends: IntVector, begins: IntVector, divisor: float, out: FloatArray) -> None:
    for bar in range(out.size):
        out[bar] = (ends[bar] - begins[bar]) / divisor


def extremes_into(values: FloatArray, window: int, upper: bool, out: FloatArray) -> None:
    """One end of `core.indicators.channel_step` after each bar: the highest of the last highs, or the lowest of the lows.

    Parameters
    ----------
    values
        Highs or lows, shape (bars,).
    window
        Bars of the channel.
    upper
        Whether the highest is wanted.
    out
        Written, shape (bars,).
    """
    further: Any = np.maximum if upper else np.minimum
    out[: window - 1] = math.nan
    if len(out) < window:
        return
    best, covered = values, 1  # best[i] is the extreme of values i to i + covered - 1
    while 2 * covered <= window:
        best = further(best[:-covered], best[covered:])
        covered *= 2
    rest = window - covered
    further(best[: len(best) - rest], best[rest:], out=out[window - 1 :])
