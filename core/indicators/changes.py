"""What has changed since earlier bars: the value so many bars ago, and the volatility of the changes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.indicators.averages import MAX_WINDOW
from core.kernel import kernel

CHANGE_STEPS = 2.0**24
"""Steps a unit in which logarithmic changes are summed: 6e-8, or 0.0006 basis points."""

LARGEST_CHANGE = 4.0
"""Logarithmic changes beyond this (a factor of 55) count as this: 2**(2 * 26) * `MAX_WINDOW` squares fit into an int64."""


class LagState(NamedTuple):
    """The last values, in a ring that is written in place, and the one that has just left it."""

    ring: npt.NDArray[np.float64]
    seen: int
    earlier: float


def new_lag(window: int) -> LagState:
    """Empty state for the value ``window`` values ago (1 to `MAX_WINDOW`)."""
    if not 1 <= window <= MAX_WINDOW:
        raise ValueError(f"a lag needs a window of 1 to {MAX_WINDOW}, not {window}")
    return LagState(ring=np.zeros(window), seen=0, earlier=math.nan)


@kernel
def lag_step(state: LagState, value: float) -> tuple[LagState, float]:
    """Return the value that came ``window`` values before this one.

    Parameters
    ----------
    state
        From `new_lag`; its ring is written in place.
    value
        The newest value. One that is not finite is passed over.

    Returns
    -------
    state, earlier
        NaN until ``window + 1`` values have come.
    """
    ring, seen, earlier = state
    if math.isfinite(value):
        place = seen % ring.size
        if seen >= ring.size:
            earlier = ring[place]
        ring[place] = value
        seen += 1
    return LagState(ring, seen, earlier), earlier


class VolatilityState(NamedTuple):
    """The last logarithmic changes in steps, in a ring that is written in place, with their sum and sum of squares."""

    ring: npt.NDArray[np.int64]
    seen: int
    previous_close: float
    total: int
    squares: int


def new_volatility(window: int) -> VolatilityState:
    """Empty state of the volatility of ``window`` changes (2 to `MAX_WINDOW`)."""
    if not 2 <= window <= MAX_WINDOW:
        raise ValueError(f"a volatility needs a window of 2 to {MAX_WINDOW}, not {window}")
    return VolatilityState(np.zeros(window, dtype=np.int64), 0, math.nan, total=0, squares=0)


@kernel
def volatility_step(state: VolatilityState, close: float) -> tuple[VolatilityState, float]:
    """Take the standard deviation of the last ``window`` logarithmic changes, with ``window - 1`` in the denominator.

    The sums are kept in fixed point, which is exact: the value depends on the closes in the window only, bit for bit,
    and is 0 (no rounding left over) when nothing has moved.

    Parameters
    ----------
    state
        From `new_volatility`; its ring is written in place.
    close
        The newest close. One that is not finite or not positive is passed over.

    Returns
    -------
    state, volatility
        For one bar, not annualised; NaN until ``window`` changes have come, which takes ``window + 1`` closes.
    """
    ring, seen, previous, total, squares = state
    window = ring.size
    if 0.0 < close < math.inf:
        if seen > 0:
            change = min(max(math.log(close / previous), -LARGEST_CHANGE), LARGEST_CHANGE)
            steps = math.floor(change * CHANGE_STEPS + 0.5)
            place = (seen - 1) % window
            dropped = ring[place]
            ring[place] = steps
            total += steps - dropped
            squares += steps * steps - dropped * dropped
        previous = close
        seen += 1
    value = math.nan
    if seen > window:
        variance = (squares - float(total) * float(total) / window) / (window - 1.0)
        value = math.sqrt(max(variance, 0.0)) / CHANGE_STEPS
    return VolatilityState(ring, seen, previous, total, squares), value
