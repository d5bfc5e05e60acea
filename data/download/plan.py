"""What to ask IB for: a download cut into pieces that it answers, always at the same places.

Because the cuts lie at calendar years, months, weeks, sessions or hours, and not at the ends of what somebody asked for,
a download that is asked for again, or for longer, finds the pieces that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from data.bar_table import DAILY, NS_PER_S
from data.exchange_calendar import ExchangeCalendar, Session

# Largest duration of one request by bar size, from IB's "valid duration and bar size" table.
_SECONDS_OF_PIECE: Final = {5: 3600, 10: 14_400, 15: 14_400, 30: 28_800}
SIZES: Final = (5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, DAILY)
"""Bar sizes that can be downloaded, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One request: bars that end after ``after_ns`` and not after ``end_ns``.

    ``part`` counts the pieces of one session, 0 where a piece is whole sessions.
    """

    symbol: str
    size_s: int
    first: date
    last: date
    part: int
    after_ns: int
    end_ns: int
    duration: str

    @property
    def key(self) -> tuple[date, date, int]:
        """What tells it from the other pieces of a symbol and size."""
        return self.first, self.last, self.part


def plan(  # noqa: PLR0917 (all of them are needed, in the order of the sentence)
    symbols: Iterable[str], size_s: int, first: date, last: date, calendar: ExchangeCalendar, until_ns: int
) -> list[Piece]:
    """Cut a download into pieces, oldest first, symbol by symbol.

    Parameters
    ----------
    size_s
        One of `SIZES`.
    first, last
        Sessions wanted, both included.
    until_ns
        Sessions that aren't over by then are left out: their bars would still change.

    Raises
    ------
    ValueError
        When the size isn't one of `SIZES`.
    """
    if size_s not in SIZES:
        raise ValueError(f"bars of {size_s} s can't be downloaded from IB; possible: {SIZES}")
    sessions = [one for one in calendar.sessions(first, last) if one.close_ns <= until_ns]
    if size_s in _SECONDS_OF_PIECE:
        return [piece for symbol in symbols for one in sessions for piece in _parts(symbol, size_s, one)]
    groups = [list(group) for _, group in groupby(sessions, _grouping(size_s))]
    return [_whole(symbol, size_s, group) for symbol in symbols for group in groups]


def _grouping(size_s: int) -> Callable[[Session], object]:
    if size_s == DAILY:
        return lambda one: one.date.year
    if size_s >= 1800:
        return lambda one: (one.date.year, one.date.month)
    if size_s >= 180:
        return lambda one: one.date.isocalendar()[:2]
    return lambda one: one.date


def _whole(symbol: str, size_s: int, group: Sequence[Session]) -> Piece:
    return Piece(
        symbol=symbol,
        size_s=size_s,
        first=group[0].date,
        last=group[-1].date,
        part=0,
        after_ns=group[0].open_ns,
        end_ns=group[-1].close_ns,
        duration=f"{len(group)} D",
    )


def _parts(symbol: str, size_s: int, session: Session) -> list[Piece]:
    step_ns = _SECONDS_OF_PIECE[size_s] * NS_PER_S
    starts = range(session.open_ns, session.close_ns, step_ns)
    return [
        Piece(
            symbol=symbol,
            size_s=size_s,
            first=session.date,
            last=session.date,
            part=part,
            after_ns=start,
            end_ns=min(start + step_ns, session.close_ns),
            duration=f"{(min(start + step_ns, session.close_ns) - start) // NS_PER_S} S",
        )
        for part, start in enumerate(starts)
    ]
