"""Splits that the prices were not adjusted for, told from crashes by what stays the same over them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.bar_table import BarTable
from data.quality.expected import session_starts
from data.quality.scale import FloatArray, local_scale
from data.sessions import ExchangeCalendar

RATIOS: Final = {
    **{f"{new}:1": float(new) for new in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100)},
    "3:2": 1.5,
    "5:2": 2.5,
    **{f"1:{old}": 1.0 / old for old in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100)},
}
"""Shares after over shares before. 4:3 and 5:4 are left out: ordinary bad days look like them."""

MOST_OFF: Final = 0.10
LEAST_OFF: Final = 0.025
SCALES_OFF: Final = 5.0
JUMP_SCALES: Final = 8.0
SMALLEST: Final = 0.9 * math.log(1.5)
DOLLAR_FACTOR: Final = 5.0
"""A crash trades many times the usual dollars on its day; a split about as many as before."""
_NEAR: Final = 5
_DAYS: Final = 20


@dataclass(frozen=True, slots=True)
class Split:
    """A split that takes effect with the open of ``row``; prices before are ``ratio`` times too high."""

    row: int
    name: str
    ratio: float


def unadjusted_splits(table: BarTable, calendar: ExchangeCalendar) -> list[Split]:
    """Jumps at an open that are the ratio of a split, stay, and move nothing else.

    A jump counts when (1) it is one of `RATIOS`, give or take what the price usually moves overnight (five local
    standard deviations, at least 2.5% and at most 10%), (2) it is at least eight local standard deviations, (3) the rest
    of the bar is ordinary, (4) the level stays for the next bars, and (5) the dollars traded stay within a factor of
    five. Where volumes are not known, (1) allows 2.5% only.
    """
    jumps = np.zeros(len(table))
    jumps[1:] = np.log(table.close[:-1] / table.open[1:])
    if len(table) < 2 * _NEAR or np.abs(jumps).max() < SMALLEST:
        return []
    starts = session_starts(table, calendar)
    scale = _scale_between_sessions(table, starts)
    large = np.abs(jumps) > np.maximum(JUMP_SCALES * scale, SMALLEST)
    dollars = np.add.reduceat(table.close * table.volume, np.flatnonzero(starts))
    session = np.cumsum(starts) - 1
    found = []
    for row in np.flatnonzero(large & starts).tolist():
        name, ratio = min(RATIOS.items(), key=lambda one: abs(jumps[row] - math.log(one[1])))
        traded = _dollars_stay(dollars, int(session[row]))
        widest = LEAST_OFF if traded is None else MOST_OFF
        off = min(max(LEAST_OFF, SCALES_OFF * float(scale[row])), widest)
        is_split = (
            traded is not False
            and abs(jumps[row] - math.log(ratio)) <= off
            and abs(math.log(table.close[row] / table.open[row])) <= 2 * off
            and _level_stays(table, row, ratio, 2 * off)
        )
        if is_split:
            found.append(Split(row=row, name=name, ratio=ratio))
    return found


def _scale_between_sessions(table: BarTable, starts: NDArray[np.bool_]) -> FloatArray:
    """Local scale of a session's return: an overnight jump is measured by days, not by minutes."""
    if table.is_daily or starts.sum() < 2 * _NEAR:
        return local_scale(table.close)
    lasts = np.append(np.flatnonzero(starts)[1:] - 1, len(table) - 1)
    return local_scale(table.close[lasts]).take(np.cumsum(starts) - 1)


def _level_stays(table: BarTable, row: int, ratio: float, off: float) -> bool:
    before = np.median(table.close[max(row - _NEAR, 0) : row])
    after = np.median(table.close[row : row + _NEAR])
    return bool(abs(math.log(before / after) - math.log(ratio)) <= max(off, 0.08))


def _dollars_stay(dollars: FloatArray, session: int) -> bool | None:
    """Whether a session trades about as many dollars as those before it; None when volumes are not known."""
    before = dollars[max(session - _DAYS, 0) : session]
    usual = float(np.median(before[before > 0])) if (before > 0).any() else 0.0
    if usual <= 0 or dollars[session] <= 0:
        return None
    return usual / DOLLAR_FACTOR <= float(dollars[session]) <= usual * DOLLAR_FACTOR
