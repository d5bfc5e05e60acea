"""Daily bars of several symbols on one clock, as features see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_COLUMNS = ("open", "high", "low", "close", "volume")


class DailyBars(Protocol):
    """What a panel takes from a symbol's bars (`data.bar_table.BarTable` has it); each column of shape (bars,)."""

    @property
    def end_ns(self) -> npt.NDArray[np.int64]:
        """Closing times, int64 nanoseconds UTC, strictly rising."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Bars by session and symbol; every matrix is of shape (days, symbols), NaN where a symbol has no bar.

    Attributes
    ----------
    symbols
        In the order of the columns.
    days
        Dates of the sessions, strictly rising.
    open, high, low, close
        Dollars, adjusted for splits.
    volume
        Shares.
    """

    symbols: tuple[str, ...]
    days: tuple[date, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.days), len(self.symbols))
        for field in fields(self)[2:]:
            if getattr(self, field.name).shape != shape:
                raise ValueError(f"{field.name} must be of shape {shape}")
        if any(after <= before for before, after in pairwise(self.days)):
            raise ValueError("the days must rise strictly")

    def until(self, days: int) -> Panel:
        """Return the panel as it was known after its first ``days`` sessions."""
        return self._cut(slice(0, days))

    def since(self, day: int) -> Panel:
        """Return the panel without its first ``day`` sessions."""
        return self._cut(slice(day, None))

    def _cut(self, rows: slice) -> Panel:
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Panel(symbols=self.symbols, days=self.days[rows], **columns)


def panel_of(tables: Mapping[str, DailyBars]) -> Panel:
    """Put the daily bars of several symbols on one clock.

    Parameters
    ----------
    tables
        Bars by symbol. A bar's day is the UTC date of its end, which is the session's for exchanges that close before
        midnight UTC, as those of America and Europe do.

    Raises
    ------
    ValueError
        Without any bars.
    """
    if not tables:
        raise ValueError("there are no bars")
    end_ns = np.unique(np.concatenate([table.end_ns for table in tables.values()]))
    shape = (len(end_ns), len(tables))
    columns = {name: np.full(shape, np.nan) for name in _COLUMNS}
    for place, table in enumerate(tables.values()):
        rows = np.searchsorted(end_ns, table.end_ns)
        for name, matrix in columns.items():
            matrix[rows, place] = getattr(table, name)
    days = tuple(_utc_date(int(moment)) for moment in end_ns)
    return Panel(symbols=tuple(tables), days=days, **columns)


def _utc_date(moment_ns: int) -> date:
    day: date = np.datetime64(moment_ns, "ns").astype("datetime64[D]").astype(object)
    return day
