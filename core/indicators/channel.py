"""The channel of highest highs and lowest lows (Donchian), and where a close stands in it (Williams %R)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.indicators.averages import MAX_WINDOW, Flags, FloatArray
from core.kernel import borrowing_kernel, inlined_kernel, kernel

FloatMatrix = npt.NDArray[np.float64]


class LargestState(NamedTuple):
    """Candidates for the largest of the last values, largest first, in a ring that is written in place.

    A candidate is a value that no later one has reached. ``places`` holds the number of the bar each came with; the
    candidates begin at ``first`` and are ``length`` many. ``seen`` counts the bars.
    """

    values: npt.NDArray[np.float64]
    places: npt.NDArray[np.int64]
    first: int
    length: int
    seen: int


class ChannelState(NamedTuple):
    """State of a channel: the largest high, and the largest of the lows with their sign turned."""

    highs: LargestState
    lows: LargestState


def new_channel(window: int) -> ChannelState:
    """Empty state of a channel over ``window`` bars (1 to `MAX_WINDOW`)."""
    if not 1 <= window <= MAX_WINDOW:
        raise ValueError(f"a channel needs a window of 1 to {MAX_WINDOW}, not {window}")
    return ChannelState(_new_largest(window), _new_largest(window))


def _new_largest(window: int) -> LargestState:
    return LargestState(np.zeros(window), np.zeros(window, dtype=np.int64), first=0, length=0, seen=0)


@kernel
def _largest_step(state: LargestState, value: float) -> LargestState:
    """Take one value: D. Lemire's streaming maximum (2006), about three comparisons a bar whatever the window."""
    values, places, first, length, seen = state
    first, length = largest_take(values, places, (first, length), seen, value)
    return LargestState(values, places, first, length, seen + 1)


@inlined_kernel
def largest_take(
    values: FloatArray, places: npt.NDArray[np.int64], span: tuple[int, int], seen: int, value: float
) -> tuple[int, int]:
    """Put a value among the candidates, which are ``span`` (first and number of them); return the new span."""
    first, length = span
    window = values.size
    if length > 0 and places[first] <= seen - window:
        first = first + 1 if first + 1 < window else 0
        length -= 1
    while length > 0 and values[_wrapped(first + length - 1, window)] <= value:
        length -= 1
    end = _wrapped(first + length, window)
    values[end] = value
    places[end] = seen
    return first, length + 1


@inlined_kernel
def _wrapped(place: int, window: int) -> int:
    """Place in the ring, for places below twice its length; a division would take longer."""
    return place if place < window else place - window


@borrowing_kernel
def channel_column(  # noqa: PLR0917 (arrays of one scan)
    fields: FloatMatrix,
    use: Flags,
    upper: bool,
    values: FloatArray,
    places: npt.NDArray[np.int64],
    out: FloatArray,
) -> None:
    """Scan one end of `channel_step`: its value after each bar.

    Parameters
    ----------
    fields
        Shape (5, bars): open, high, low, close, volume.
    use
        Shape (bars,): 0 where there is no bar, so that nothing is taken.
    upper
        Whether the highest high is wanted, or the lowest low.
    values, places
        As long as the window; what stands in them doesn't matter.
    out
        Written, shape (bars,).
    """
    span, seen = (0, 0), 0
    for bar in range(use.size):
        high, low = fields[1, bar], fields[2, bar]
        if use[bar] != 0 and math.isfinite(high) and math.isfinite(low) and high >= low:
            span = largest_take(values, places, span, seen, high if upper else -low)
            seen += 1
        out[bar] = math.nan
        if seen >= values.size:
            out[bar] = values[span[0]] if upper else -values[span[0]]


@kernel
def channel_step(state: ChannelState, high: float, low: float) -> tuple[ChannelState, float, float]:
    """Highest high and lowest low of the last ``window`` bars, this one included.

    Parameters
    ----------
    state
        From `new_channel`; its rings are written in place.
    high, low
        The newest bar. One with a value that is not finite, or with high below low, is passed over.

    Returns
    -------
    state, upper, lower
        In units of price; NaN until ``window`` bars have come.

    Notes
    -----
    R. D. Donchian, "High Finance in Copper", Financial Analysts Journal 16 (1960). A breakout compares the close
    with the channel of the bars *before* it: keep the last step's values for that.
    """
    highs, lows = state
    if math.isfinite(high) and math.isfinite(low) and high >= low:
        highs = _largest_step(highs, high)
        lows = _largest_step(lows, -low)
    upper, lower = math.nan, math.nan
    if highs.seen >= highs.values.size:
        upper = highs.values[highs.first]
        lower = -lows.values[lows.first]
    return ChannelState(highs, lows), upper, lower


@kernel
def williams_r(upper: float, lower: float, close: float) -> float:
    """Williams' %R: ``-100 * (upper - close) / (upper - lower)``, with the channel from `channel_step`.

    Returns
    -------
    float
        -100 at the lower end of the channel, 0 at the upper; -50 when the channel has no width; NaN when a value is.

    Notes
    -----
    Larry Williams, *How I Made One Million Dollars ... Last Year ... Trading Commodities* (1973).
    """
    width = upper - lower
    if width == 0.0:
        return -50.0
    return -100.0 * ((upper - close) / width)  # the quotient first: it can't leave [0, 1]
