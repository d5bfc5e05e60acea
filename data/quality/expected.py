"""Which bars the exchange's sessions should have, and which of them are missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.bar_table import NS_PER_S, BarTable
from data.sessions import ExchangeCalendar, Session

Times = NDArray[np.int64]
_DAY = timedelta(days=1)


@lru_cache(maxsize=16)
def sessions_over(calendar: ExchangeCalendar, first_ns: int, last_ns: int) -> tuple[Session, ...]:
    """Sessions from the one in which a bar ends at ``first_ns`` to that of ``last_ns``."""
    # A session may lie on the UTC day before or after that of its bars.
    first, last = (_date(moment) for moment in (first_ns, last_ns))
    around = calendar.sessions(first - 2 * _DAY, last + 2 * _DAY)
    return tuple(one for one in around if one.close_ns >= first_ns and one.open_ns < last_ns)


def expected_ends(table: BarTable, calendar: ExchangeCalendar) -> Times:
    """Return the ends of all bars that the sessions from the table's first bar to its last should have.

    Intraday bars end at multiples of their size on the UTC clock, or counted from the opening, whichever fits more of
    the table's bars; the last one ends with the session.
    """
    first_ns, last_ns = int(table.end_ns[0]), int(table.end_ns[-1])
    if table.is_daily:
        return _closes(calendar, first_ns, last_ns)
    size_ns = table.size_s * NS_PER_S
    by_clock, by_opening = (
        _grid(calendar, first_ns, last_ns, size_ns, by_clock=one) for one in (True, False)
    )
    fits_clock, fits_opening = (int(is_among(table.end_ns, one).sum()) for one in (by_clock, by_opening))
    return by_clock if fits_clock >= fits_opening else by_opening


def is_among(values: Times, known: Times) -> NDArray[np.bool_]:
    """Whether each value is one of ``known``; both rise strictly (so a search is enough, and quicker than a set)."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    place = np.searchsorted(known, values).clip(max=len(known) - 1)
    return np.asarray(known[place] == values, dtype=np.bool_)


@lru_cache(maxsize=16)
def _closes(calendar: ExchangeCalendar, first_ns: int, last_ns: int) -> Times:
    closes = [one.close_ns for one in sessions_over(calendar, first_ns, last_ns)]
    return np.array(closes, dtype=np.int64)


def session_starts(table: BarTable, calendar: ExchangeCalendar) -> NDArray[np.bool_]:
    """Whether each bar is the first of its session; all are when bars are daily. Shape (bars,)."""
    if table.is_daily:
        return np.ones(len(table), dtype=np.bool_)
    sessions = sessions_over(calendar, int(table.end_ns[0]), int(table.end_ns[-1]))
    opens = np.array([one.open_ns for one in sessions], dtype=np.int64)
    number = np.searchsorted(opens, table.end_ns, side="left")
    return np.append(True, np.diff(number) != 0)


@lru_cache(maxsize=16)
def _grid(calendar: ExchangeCalendar, first_ns: int, last_ns: int, size_ns: int, *, by_clock: bool) -> Times:
    parts = []
    for one in sessions_over(calendar, first_ns, last_ns):
        base = one.open_ns // size_ns * size_ns if by_clock else one.open_ns
        ends = np.arange(base + size_ns, one.close_ns + size_ns, size_ns, dtype=np.int64)
        parts.append(np.minimum(ends, one.close_ns))
    ends = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    return ends[(ends >= first_ns) & (ends <= last_ns)]


def _date(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).date()
