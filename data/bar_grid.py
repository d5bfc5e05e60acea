"""Where bars begin and end: multiples of the bar size on the UTC clock, inside exchange sessions.

As in IB's own historical bars, the first hourly bar of a New York session is half an hour long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from data.sessions import Session

NS_PER_S: Final = 1_000_000_000
FEED_STEP_NS: Final = 5 * NS_PER_S
"""The feed's bars are five seconds long."""


class SessionHours(Protocol):
    """The part of ``ExchangeCalendar`` that bars need."""

    def session_at(self, time_ns: int) -> Session | None:
        """Session that is open at ``time_ns``."""
        ...

    def next_session(self, time_ns: int) -> Session | None:
        """First session that opens after ``time_ns``."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """One bar's place in time, from its start (exclusive of what ended then) to its end."""

    start_ns: int
    end_ns: int
    session: Session

    @property
    def feed_bars(self) -> int:
        """Five-second bars that fill it."""
        return (self.end_ns - self.start_ns) // FEED_STEP_NS


class BarGrid:
    """Windows of one bar size.

    Parameters
    ----------
    size_s
        Bar size, a multiple of five seconds.
    hours
        Sessions; nothing outside them belongs to a bar.
    """

    def __init__(self, size_s: int, hours: SessionHours) -> None:
        if size_s <= 0 or size_s % 5:
            raise ValueError(f"the bar size must be a positive multiple of 5 s, not {size_s}")
        self.size_ns = size_s * NS_PER_S
        self._hours = hours
        self._session: Session | None = None

    def session_of(self, end_ns: int) -> Session | None:
        """Session in which a feed bar that ended at ``end_ns`` lies; None outside of all."""
        start_ns = end_ns - FEED_STEP_NS
        if self._session is None or not self._session.contains(start_ns):
            self._session = self._hours.session_at(start_ns)
        return self._session

    def window_of(self, end_ns: int) -> Window | None:
        """Window to which a feed bar that ended at ``end_ns`` belongs; None outside the sessions."""
        session = self.session_of(end_ns)
        if session is None or end_ns > session.close_ns:
            return None
        end = -(-end_ns // self.size_ns) * self.size_ns
        return Window(max(end - self.size_ns, session.open_ns), min(end, session.close_ns), session)

    def next_window(self, window: Window) -> Window | None:
        """Window that follows, in the same session or the next; None beyond the calendar."""
        if window.end_ns < window.session.close_ns:
            end = min(window.end_ns + self.size_ns, window.session.close_ns)
            return Window(window.end_ns, end, window.session)
        session = self._hours.next_session(window.end_ns)
        return None if session is None else self.window_of(session.open_ns + FEED_STEP_NS)

    def rows_between(self, earlier_end_ns: int, later_end_ns: int, *, limit: int = 100_000) -> int:
        """Windows that end strictly between two bar ends, at most ``limit``: how many rows were missed."""
        window = self.window_of(earlier_end_ns)
        missed = 0
        while window is not None and missed < limit:
            window = self.next_window(window)
            if window is None or window.end_ns >= later_end_ns:
                break
            missed += 1
        return missed
