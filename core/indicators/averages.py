"""Moving averages of one value a bar: simple and exponential."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.kernel import borrowing_kernel, inlined_kernel, kernel

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint8]

FIXED_POINT = 2.0**30
"""Steps a unit in which averages are summed: 9.3e-10."""

LARGEST = 2.0**22
"""Values of this size (4,194,304) and above seen as not finite in `sma_step`."""

MAX_WINDOW = 2000
"""Longest window of `sma_step`: 2**22 * 2**30 * 2000 just fits into an int64."""

INTEGER_SCALE = 1.0
"""``scale`` of `sma_step` for whole numbers such as volumes, which then may reach 2**52."""


class SmaState(NamedTuple):
    """State of a simple moving average. ``ring`` belongs to the state and is written in place."""

    ring: npt.NDArray[np.int64]
    seen: int
    total: int


def new_sma(window: int) -> SmaState:
    """Empty state of a moving average over ``window`` values (1 to `MAX_WINDOW`)."""
    if not 1 <= window <= MAX_WINDOW:
        raise ValueError(f"a moving average needs a window of 1 to {MAX_WINDOW}, not {window}")
    return SmaState(ring=np.zeros(window, dtype=np.int64), seen=0, total=0)


@kernel
def sma_step(state: SmaState, value: float, scale: float) -> tuple[SmaState, float]:
    """Average the last ``window`` values.

    The window is summed in fixed point (int64), which is exact: no drift, and the result does not depend on
    where the history began. The average differs from that of the floats by at most ``0.5 / scale``.

    Parameters
    ----------
    state
        From `new_sma`; its ring is written in place.
    value
        The newest value. One that is not finite, or is `LARGEST` or more in steps of 2**30, is passed over.
    scale
        Steps a unit: `FIXED_POINT` for prices, `INTEGER_SCALE` for volumes.

    Returns
    -------
    state, average
        The average is NaN until ``window`` values have come.
    """
    ring, seen, total = state
    total, taken = sma_take(ring, seen, seen % ring.size, total, value, scale)
    seen += taken
    return SmaState(ring, seen, total), sma_value(seen, total, ring.size, scale)


@inlined_kernel
def sma_take(  # noqa: PLR0917 (scalars, so that a scan keeps them in registers)
    ring: npt.NDArray[np.int64], seen: int, place: int, total: int, value: float, scale: float
) -> tuple[int, int]:
    """Put a value into the ring at ``place``; return the new sum, and 1 if it was taken, 0 if it was passed over."""
    if not abs(value) * scale < LARGEST * FIXED_POINT:  # True for NaN
        return total, 0
    steps = math.floor(value * scale + 0.5)
    if seen >= ring.size:
        total -= ring[place]
    ring[place] = steps
    return total + steps, 1


@inlined_kernel
def sma_value(seen: int, total: int, window: int, scale: float) -> float:
    """Average of a sum; NaN until the window is full."""
    return total / (scale * window) if seen >= window else math.nan


@borrowing_kernel
def sma_column(
    values: FloatArray, use: Flags, ring: npt.NDArray[np.int64], scale: float, out: FloatArray
) -> None:
    """Scan `sma_step`: its value after each bar.

    Parameters
    ----------
    values
        Shape (bars,).
    use
        Shape (bars,): 0 where there is no bar, so that nothing is taken.
    ring
        As long as the window; what stands in it doesn't matter.
    scale
        As for `sma_step`.
    out
        Written, shape (bars,).
    """
    seen, place, total = 0, 0, 0
    for bar in range(values.size):
        if use[bar] != 0:
            total, taken = sma_take(ring, seen, place, total, values[bar], scale)
            seen += taken
            place = place + taken if place + taken < ring.size else 0
        out[bar] = sma_value(seen, total, ring.size, scale)


class EmaState(NamedTuple):
    """State of an exponential moving average: values seen and the average so far."""

    seen: int
    average: float


def new_ema() -> EmaState:
    """Empty state of an exponential moving average."""
    return EmaState(seen=0, average=0.0)


@kernel
def ema_step(state: EmaState, value: float, window: int) -> tuple[EmaState, float]:
    """Average with weights that fall by ``1 - 2 / (window + 1)`` a bar.

    Begins with the plain mean of the first ``window`` values, as TA-Lib does; then ``average += 2 / (window + 1) *
    (value - average)``.

    Parameters
    ----------
    state
        From `new_ema`.
    value
        The newest value. One that is not finite is passed over.
    window
        Number of bars (1 or more).

    Returns
    -------
    state, average
        The average is NaN until ``window`` values have come.
    """
    seen, average = state
    if math.isfinite(value):
        seen += 1
        share = 1.0 / float(seen) if seen <= window else 2.0 / (window + 1.0)
        average += (value - average) * share
    shown = math.nan
    if seen >= window:
        shown = average
    return EmaState(seen, average), shown
