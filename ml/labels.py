"""What an entry would have earned: triple-barrier labels, net of costs, by the rules that the account trades by.

The barriers (M. Lopez de Prado, "Advances in Financial Machine Learning", 2018, chapter 3) are those of a real position, so that the
label is what an approval would have brought:

- below: the protective stop, ``distance`` from the close on which the entry was decided; a gap fills at the open;
- above: a profit target, if one is asked for (live trading has none);
- time: the first open after the strategy's own signal has left, or after so many bars.

Inside one bar the stop counts before the target. An entry fills at the next bar's open, every fill at the costs of the
backtest. A position that the bars don't bring to its end has no label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.costs import Costs, commission, fees, fill_price
from backtester.money import MICRO, micros

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Path:
    """One symbol's bars without holes and a strategy's signal after each of them, arrays of shape (bars,)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    signal: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry that was decided at the close of bar ``bar``: ``side`` +1 or -1, distance of the stop in dollars."""

    bar: int
    side: int
    quantity: int
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Barriers:
    """Where a position ends besides its stop and its signal: a target as a multiple of the stop's distance, and bars."""

    target_multiple: float = math.inf
    max_bars: int = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """How a position ended: the bar, the barrier, prices before costs, and what was earned after all costs (dollars)."""

    end_bar: int
    barrier: str
    entry_price: float
    exit_price: float
    earned: float


def label_entry(path: Path, entry: Entry, barriers: Barriers, costs: Costs) -> Label | None:
    """Follow one position from its entry to the barrier that it meets first; None when the bars end before.

    Nothing behind the bar of that barrier is looked at.
    """
    first = entry.bar + 1
    end = min(first + barriers.max_bars, len(path.open) - 1)
    if first > end:
        return None
    entry_price = float(path.open[first])
    stop = float(path.close[entry.bar]) - entry.side * entry.distance
    target = entry_price + entry.side * barriers.target_multiple * entry.distance
    rows = slice(first, end)
    worst, best = (path.low, path.high) if entry.side > 0 else (path.high, path.low)
    stopped = entry.side * (worst[rows] - stop) <= 0
    reached = entry.side * (best[rows] - target) >= 0
    left = np.sign(path.signal[rows]) != entry.side  # also while the signal isn't known
    met = stopped | reached | left
    place = int(met.argmax()) if met.any() else end - first
    bar = first + place
    if place < end - first and stopped[place]:
        gap = float(path.open[bar])
        return _label(
            path,
            entry,
            costs,
            (bar, "stop", entry_price, entry.side * min(entry.side * gap, entry.side * stop)),
        )
    if place < end - first and reached[place]:
        gap = float(path.open[bar])
        return _label(
            path,
            entry,
            costs,
            (bar, "target", entry_price, entry.side * max(entry.side * gap, entry.side * target)),
        )
    if place < end - first:
        return _label(path, entry, costs, (bar + 1, "signal", entry_price, float(path.open[bar + 1])))
    if end < first + barriers.max_bars:
        return None  # the bars end before any barrier
    return _label(path, entry, costs, (end, "time", entry_price, float(path.open[end])))


def _label(path: Path, entry: Entry, costs: Costs, end: tuple[int, str, float, float]) -> Label:
    bar, barrier, entry_price, exit_price = end
    paid = _fill(costs, path, entry.bar + 1, entry_price, entry.side * entry.quantity)
    got = _fill(costs, path, bar, exit_price, -entry.side * entry.quantity)
    return Label(
        end_bar=bar, barrier=barrier, entry_price=entry_price, exit_price=exit_price, earned=paid + got
    )


def _fill(costs: Costs, path: Path, bar: int, price: float, signed: int) -> float:
    """Cash that a fill of a signed quantity moves, dollars: what it costs or brings, less commission and fees."""
    volume, quantity = max(float(path.volume[bar]), 1.0), abs(signed)
    at = fill_price(costs, micros(price), signed, volume, False)
    charged = commission(costs.schedule, quantity, quantity * at, 0)
    charged += fees(costs.schedule, quantity, at, signed < 0, charged)
    return float(-signed * at - charged) / MICRO
