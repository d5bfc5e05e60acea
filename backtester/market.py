"""The bars of many symbols on one clock: a row for every time at which any of them has a bar."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from backtester.corporate_actions import Events, adjusted_bars, events_of
from backtester.tape import Clock
from data.bar_table import BarTable, DataError
from data.corporate_actions import CorporateAction
from data.sessions import ExchangeCalendar, Session
from portfolio.monthly_counter import month_of

_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """Aligned bars.

    Attributes
    ----------
    symbols
        In the order of the columns.
    size_s
        Seconds in a bar.
    end_ns
        Shape (bars,): closing times, int64 nanoseconds UTC.
    bars
        Shape (bars, symbols, 5): open, high, low, close, volume; NaN where a symbol has no bar.
    sessions
        Every session from the first bar to the last, one after the other.
    clock
        What each bar's time means.
    sha256
        Hash of symbols, times and bars.
    actions
        Corporate actions of raw prices; none if the prices are adjusted.
    notes
        What the loader did to the data, and where symbols lack bars; for humans.
    """

    symbols: tuple[str, ...]
    size_s: int
    end_ns: npt.NDArray[np.int64]
    bars: npt.NDArray[np.float64]
    sessions: tuple[Session, ...]
    clock: Clock
    sha256: str
    notes: tuple[str, ...]
    actions: tuple[CorporateAction, ...] = ()

    @property
    def is_daily(self) -> bool:
        """Whether there is one bar a session."""
        return bool(self.clock.is_last.all())

    def first_bar_of(self, day: date | None) -> int:
        """First bar of the first session on or after ``day``; the number of bars if there is none."""
        if day is None:
            return 0
        first = next(
            (number for number, one in enumerate(self.sessions) if one.date >= day), len(self.sessions)
        )
        return int(np.searchsorted(self.clock.session, first))

    def events(self) -> Events:
        """Corporate actions on these bars."""
        return events_of(self.actions, self.symbols, self.end_ns)

    def signal_bars(self) -> npt.NDArray[np.float64]:
        """Bars that strategies see, shape (bars, symbols, 5): without the steps of corporate actions."""
        return adjusted_bars(self.events(), self.bars) if self.actions else self.bars

    def head(self, end: int) -> Market:
        """Return the market as it was known after its first ``end`` bars; nothing is copied, the hash stays that of all bars."""
        clock = Clock(
            self.clock.session[:end],
            self.clock.is_last[:end],
            self.clock.month[:end],
            self.clock.settles,
            self.clock.days,
        )
        sessions = self.sessions[: int(clock.session[-1]) + 1]
        return replace(self, end_ns=self.end_ns[:end], bars=self.bars[:end], sessions=sessions, clock=clock)

    def only(self, column: int) -> Market:
        """Return one symbol's bars on the same clock; the hash stays that of all bars."""
        bars = np.ascontiguousarray(self.bars[:, column : column + 1])
        actions = tuple(one for one in self.actions if one.symbol == self.symbols[column])
        return replace(self, symbols=(self.symbols[column],), bars=bars, actions=actions)


def align(
    tables: Mapping[str, BarTable],
    calendar: ExchangeCalendar,
    *,
    settlement_days: int,
    first: int = 0,
    until: date | None = None,
    actions: Sequence[CorporateAction] = (),
) -> Market:
    """Put the bars of several symbols on one clock.

    Parameters
    ----------
    tables
        Bars by symbol, all of one size.
    calendar
        Sessions that cover them.
    settlement_days
        T+N of a sale.
    first
        Rows left out at the beginning.
    until
        Last session's date; None for all.
    actions
        Corporate actions, when the bars are raw.

    Raises
    ------
    DataError
        When bar sizes differ, a bar lies outside all sessions, or nothing is left.
    """
    symbols = tuple(tables)
    sizes = sorted({table.size_s for table in tables.values()})
    if len(sizes) != 1:
        raise DataError([f"the bars differ in size: {', '.join(f'{size} s' for size in sizes)}"])
    end_ns = np.unique(np.concatenate([table.end_ns for table in tables.values()]))
    if until is not None:
        # By the calendar's own dates: a morning in Tokyo is the evening before in UTC.
        later = calendar.sessions(until + timedelta(days=1), calendar.last_date)
        end_ns = end_ns[end_ns <= later[0].open_ns] if later else end_ns
    end_ns = end_ns[first:]
    if not len(end_ns):
        raise DataError(["no bars are left between the start and the end"])
    bars = np.full((len(end_ns), len(symbols), len(_COLUMNS)), np.nan)
    for column, table in enumerate(tables.values()):
        chosen = table.rows_between(int(end_ns[0]) - 1, int(end_ns[-1]))
        rows = np.searchsorted(end_ns, table.end_ns[chosen])
        for field, name in enumerate(_COLUMNS):
            bars[rows, column, field] = getattr(table, name)[chosen]
    sessions, clock = make_clock(end_ns, calendar, settlement_days)
    notes = [note for table in tables.values() for note in table.notes]
    notes += [*_holes(symbols, bars)]
    return Market(
        symbols=symbols,
        size_s=sizes[0],
        end_ns=end_ns,
        bars=bars,
        sessions=sessions,
        clock=clock,
        sha256=_hash(symbols, end_ns, bars, actions),
        notes=tuple(notes),
        actions=tuple(actions),
    )


def make_clock(
    end_ns: npt.NDArray[np.int64], calendar: ExchangeCalendar, settlement_days: int
) -> tuple[tuple[Session, ...], Clock]:
    """Sessions from the first bar to the last, and what each bar's time means.

    Raises
    ------
    DataError
        When a bar lies outside all sessions.
    """
    begin, end = (calendar.previous_session(int(moment) - 1) for moment in (end_ns[0], end_ns[-1]))
    if begin is None or end is None:
        raise DataError([f"the bars lie outside the calendar {calendar.name}"])
    sessions = calendar.sessions(begin.date, end.date)
    opens = np.array([session.open_ns for session in sessions], dtype=np.int64)
    closes = np.array([session.close_ns for session in sessions], dtype=np.int64)
    number = (np.searchsorted(opens, end_ns, side="left") - 1).astype(np.int64)
    outside = np.flatnonzero(end_ns > closes[number])
    if len(outside):
        moment = datetime.fromtimestamp(int(end_ns[outside[0]]) // 1_000_000_000, UTC)
        raise DataError(
            [f"{len(outside)} bars end outside all sessions, the first at {moment:%Y-%m-%d %H:%M} UTC"]
        )
    place = {session.date: index for index, session in enumerate(sessions)}
    never = len(sessions) + 1  # beyond the data
    settles = np.array(
        [place.get(calendar.settlement_date(one.date, settlement_days), never) for one in sessions],
        dtype=np.int64,
    )
    months = [month_of(session.close_ns) for session in sessions]
    numbers = np.array([year * 12 + month for year, month in months], dtype=np.int64)
    is_last = np.append(number[1:] != number[:-1], end_ns[-1] == closes[number[-1]])
    gaps = [0, *((after.date - before.date).days for before, after in pairwise(sessions))]
    return sessions, Clock(number, is_last, numbers[number], settles, np.array(gaps, dtype=np.int64))


def _holes(symbols: Sequence[str], bars: npt.NDArray[np.float64]) -> list[str]:
    """Tell of symbols without bars inside their own history, and of those whose history is shorter."""
    notes = []
    for column, symbol in enumerate(symbols):
        present = np.flatnonzero(~np.isnan(bars[:, column, 3]))
        if not len(present):
            notes.append(f"{symbol}: no bars in this span")
            continue
        first, last = int(present[0]), int(present[-1])
        missing = last - first + 1 - len(present)
        if missing:
            notes.append(f"{symbol}: {missing} bars are missing between its first and its last")
        if last < len(bars) - 1:
            notes.append(f"{symbol}: its bars end {len(bars) - 1 - last} bars before the others'")
    return notes


def _hash(
    symbols: Sequence[str],
    end_ns: npt.NDArray[np.int64],
    bars: npt.NDArray[np.float64],
    actions: Sequence[CorporateAction],
) -> str:
    digest = hashlib.sha256(",".join(symbols).encode())
    for action in sorted(actions):
        digest.update(f"{action.symbol} {action.day} {action.kind} {action.value!r};".encode())
    digest.update(end_ns.tobytes())
    digest.update(np.ascontiguousarray(bars).tobytes())
    return digest.hexdigest()
