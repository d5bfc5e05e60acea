"""What a service gave for one symbol, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from data.bar_table import DAILY, NS_PER_S
from data.corporate_actions import CorporateAction
from data.quality.integrity import Rows
from data.store.schema import PriceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Rows stamped with midnights UTC of their dates (daily) or with their starts; None when there were none."""

    symbol: str
    size_s: int
    rows: Rows | None
    prices: PriceKind
    actions: tuple[CorporateAction, ...] = ()
    notes: tuple[str, ...] = ()


def rows_of(
    symbol: str, size_s: int, stamps_ns: list[int], columns: list[list[float]], origin: str
) -> Rows | None:
    """Rows of the lists of a service: open, high, low, close, volume; None when they are empty."""
    if not stamps_ns:
        return None
    values = np.array(columns, dtype=np.float64)
    return Rows(
        symbol=symbol,
        is_daily=size_s == DAILY,
        time_ns=np.array(stamps_ns, dtype=np.int64),
        prices=values[:4],
        volume=values[4],
        lines=np.empty(0, dtype=np.int64),
        origin=origin,
    )


def midnight_ns(day: date) -> int:
    """Midnight UTC of a date: the stamp of a daily row."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAILY * NS_PER_S
