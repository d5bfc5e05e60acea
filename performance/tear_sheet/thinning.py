"""Less data than there is, chosen so that the picture stays the same; each panel says when it happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from performance.series import Dates, FloatArray
from performance.tear_sheet.report_data import Bars

CURVE_POINTS = 4_000


def thin(values: FloatArray, points: int = CURVE_POINTS) -> npt.NDArray[np.int64]:
    """Choose places of a curve: the first, the last, and the lowest and highest of each of ``points / 2`` stretches.

    No extreme of the curve is lost. All places when there are not more than ``points``; NaN count as lowest.
    """
    count = len(values)
    if count <= points:
        return np.arange(count)
    edges = np.linspace(0, count, points // 2 + 1).astype(np.int64)
    known = np.where(np.isnan(values), -np.inf, values)
    places = [np.array([0, count - 1])]
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        stretch = known[begin:end]
        places.append(np.array([begin + int(stretch.argmin()), begin + int(stretch.argmax())]))
    return np.unique(np.concatenate(places))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candles:
    """Bars put together; ``of_bar`` says in which candle each bar is, ``per_candle`` how many bars are in one."""

    bars: Bars
    of_bar: npt.NDArray[np.int64]
    per_candle: int


def candles(bars: Bars, most: int) -> Candles:
    """Put bars together until there are at most ``most`` candles: first open, highest, lowest, last close, last time."""
    count = len(bars.times)
    per_candle = max(-(-count // most), 1)
    of_bar = np.arange(count) // per_candle
    begins = np.arange(0, count, per_candle)
    ends = np.minimum(begins + per_candle, count) - 1
    if not count:
        return Candles(bars=bars, of_bar=of_bar, per_candle=1)
    times: Dates = bars.times[ends]
    return Candles(
        bars=Bars(
            times=times,
            open=bars.open[begins],
            high=np.maximum.reduceat(bars.high, begins),
            low=np.minimum.reduceat(bars.low, begins),
            close=bars.close[ends],
        ),
        of_bar=of_bar,
        per_candle=per_candle,
    )
