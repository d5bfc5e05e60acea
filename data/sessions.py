"""Sessions of an exchange: dates, opening and closing times, early closes, settlement dates. Times are int64 nanoseconds UTC.

Where they come from stands elsewhere (`data.exchange_calendar`, `data.kept_calendar`): the library takes longer to load
than most of what research does with its dates.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

_UNITED_STATES = frozenset({"XNYS", "XNAS", "NYSE", "NASDAQ"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One trading session; ``early_close`` when it is shorter than the exchange's usual one."""

    date: date
    open_ns: int
    close_ns: int
    early_close: bool

    @property
    def duration_s(self) -> int:
        """Seconds from open to close."""
        return (self.close_ns - self.open_ns) // 1_000_000_000

    def contains(self, time_ns: int) -> bool:
        """Whether the exchange is open at ``time_ns``: from the open up to, not including, the close."""
        return self.open_ns <= time_ns < self.close_ns


class ExchangeCalendar:
    """Sessions of one exchange over a range of dates.

    Parameters
    ----------
    name
        Code of ``exchange_calendars``, ``XNYS`` for New York.
    timezone
        Name of the exchange's time zone.
    sessions
        At least one, in order of time.
    """

    def __init__(self, name: str, timezone: str, sessions: Iterable[Session]) -> None:
        self.name = name
        self.timezone = ZoneInfo(timezone)
        self._sessions = tuple(sessions)
        self._dates = [session.date for session in self._sessions]
        self._opens = [session.open_ns for session in self._sessions]

    @property
    def all_sessions(self) -> tuple[Session, ...]:
        """Every session."""
        return self._sessions

    @property
    def first_date(self) -> date:
        """The first session's date."""
        return self._dates[0]

    @property
    def last_date(self) -> date:
        """The last session's date."""
        return self._dates[-1]

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        """Sessions from ``first`` to ``last``, both included."""
        return self._sessions[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    def session_on(self, day: date) -> Session | None:
        """Session of a date; None on a weekend, a holiday, or outside the calendar's range."""
        place = bisect_left(self._dates, day)
        return self._sessions[place] if place < len(self._dates) and self._dates[place] == day else None

    def session_at(self, time_ns: int) -> Session | None:
        """Session that is open at ``time_ns``; None when the exchange is closed then."""
        place = bisect_right(self._opens, time_ns) - 1
        if place < 0 or not self._sessions[place].contains(time_ns):
            return None
        return self._sessions[place]

    def next_session(self, time_ns: int) -> Session | None:
        """First session that opens after ``time_ns``; None beyond the calendar's range."""
        place = bisect_right(self._opens, time_ns)
        return self._sessions[place] if place < len(self._sessions) else None

    def previous_session(self, time_ns: int) -> Session | None:
        """Newest session that opened at or before ``time_ns``; None before the calendar's range."""
        place = bisect_right(self._opens, time_ns) - 1
        return self._sessions[place] if place >= 0 else None

    def opened(self, after_ns: int, until_ns: int) -> int | None:
        """Sessions that opened after ``after_ns``, up to ``until_ns`` included; None beyond the calendar's range.

        From the last session on the range counts as left: nobody knows there when the next one opens.
        """
        if not self._opens[0] <= after_ns <= until_ns < self._opens[-1]:
            return None
        return bisect_right(self._opens, until_ns) - bisect_right(self._opens, after_ns)

    def settlement_date(self, trade_date: date, days: int) -> date:
        """Date on which a trade of ``trade_date`` settles, ``days`` settlement days later (T+N).

        In the United States the exchanges are open on Columbus Day and Veterans Day but banks are not, so nothing
        settles on them (FINRA publishes these dates each year, "Holiday Trade Date, Settlement Date and Margin
        Extensions Schedule").

        Raises
        ------
        ValueError
            When ``days`` is negative or the date lies outside the calendar's range.
        """
        if days < 0:
            raise ValueError(f"days must not be negative: {days}")
        if days == 0:
            later = iter(self._dates[bisect_left(self._dates, trade_date) :])
        else:
            later = filter(self._settles_on, self._dates[bisect_right(self._dates, trade_date) :])
        settles = next(islice(later, max(days - 1, 0), None), None)
        if settles is not None:
            return settles
        raise ValueError(f"{trade_date} + {days} settlement days lies outside the {self.name} calendar")

    def _settles_on(self, day: date) -> bool:
        return self.name not in _UNITED_STATES or not is_bank_holiday(day)


def is_bank_holiday(day: date) -> bool:
    """Whether US banks are closed although the exchanges are open: Columbus Day, Veterans Day as observed."""
    if day.month == 10:
        return day.weekday() == 0 and 8 <= day.day <= 14
    veterans = date(day.year, 11, 11)
    if veterans.weekday() == 6:
        veterans += timedelta(days=1)
    return day == veterans
