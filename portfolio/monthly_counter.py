"""Fills in a calendar month of market time, for the monthly budget. A value: a backtest has its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_EXCHANGE_ZONE = ZoneInfo("America/New_York")
_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCounter:
    """Number of fills in the newest month that has been seen; months are those of the exchange's calendar.

    ``month`` is (year, month), or (0, 0) before the first fill.
    """

    month: tuple[int, int] = (0, 0)
    fills: int = 0

    def after_fill(self, time_ns: int) -> MonthlyCounter:
        """Return the counter after one more fill at ``time_ns``.

        A fill of an earlier month, reported late, is not counted: its month is over.
        """
        month = month_of(time_ns)
        if month > self.month:
            return MonthlyCounter(month=month, fills=1)
        if month == self.month:
            return MonthlyCounter(month=month, fills=self.fills + 1)
        return self

    def count_at(self, time_ns: int) -> int:
        """Count the fills so far in the month of ``time_ns``; 0 when that month has had none."""
        return self.fills if month_of(time_ns) == self.month else 0


def month_of(time_ns: int) -> tuple[int, int]:
    """Return year and month of an instant (ns, UTC) on the exchange's wall calendar."""
    return _month_of_hour(time_ns // _HOUR_NS)


@lru_cache(maxsize=64)
def _month_of_hour(hour: int) -> tuple[int, int]:
    # The exchange's clock differs from UTC by whole hours, so that a month begins with one. A zone takes microseconds.
    local = datetime.fromtimestamp(hour * 3600, tz=_EXCHANGE_ZONE)
    return local.year, local.month
