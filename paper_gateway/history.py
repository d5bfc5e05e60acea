"""Historical bars: TWS's durations over recorded sessions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from data.bar_table import NS_PER_S
from data.exchange_calendar import ExchangeCalendar, Session
from paper_gateway.listing import Listing
from paper_gateway.tape import STEP_NS, Tape, TapeStore
from paper_gateway.types import BarView

_DURATION = re.compile(r"\s*(\d{1,6})\s*([SDWMY])\s*", re.IGNORECASE)

DAY_S = 86_400
WEEK_S = 7 * DAY_S
MONTH_S = 30 * DAY_S

_INTRADAY_SIZES = frozenset(
    {5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 28_800}
)
_SHOWN = frozenset({"TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK"})
_MOST_SESSIONS_OF_INTRADAY = 260


class HistoryRefused(ValueError):
    """A request for history that can't be served; the text says why."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How far back: ``count`` of ``unit`` (S, D, W, M, Y)."""

    count: int
    unit: str


def parse_duration(text: str) -> Duration:
    """Read a duration such as "2 D".

    Raises
    ------
    HistoryRefused
        When it isn't one.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise HistoryRefused(f"Invalid duration {text!r}: expected a number and S, D, W, M or Y")
    return Duration(int(match[1]), match[2].upper())


class History:
    """Bars of the past.

    Parameters
    ----------
    listings, calendar, tapes
        The market's.
    """

    def __init__(self, listings: Mapping[str, Listing], calendar: ExchangeCalendar, tapes: TapeStore) -> None:
        self._listings = listings
        self._calendar = calendar
        self._tapes = tapes

    def bars(
        self, symbol: str, *, until_ns: int, duration: str, bar_size_s: int, what_to_show: str
    ) -> list[BarView]:
        """Bars of ``symbol`` that started before ``until_ns``; see ``Market.history``."""
        shown = what_to_show.upper()
        if shown not in _SHOWN:
            raise HistoryRefused(
                f"{what_to_show} isn't available: expected one of {', '.join(sorted(_SHOWN))}"
            )
        if symbol not in self._listings:
            raise HistoryRefused(f"No historical market data for {symbol}")
        back = parse_duration(duration)
        if bar_size_s in _INTRADAY_SIZES:
            bars = self._intraday(symbol, until_ns, back, bar_size_s)
        elif bar_size_s in {DAY_S, WEEK_S, MONTH_S}:
            bars = _by_period(self._daily(symbol, until_ns, back), bar_size_s, self._local_date)
        else:
            raise HistoryRefused(f"Bars of {bar_size_s} s aren't available")
        return bars if shown in {"TRADES", "ADJUSTED_LAST"} else [_without_volume(bar) for bar in bars]

    def _intraday(self, symbol: str, until_ns: int, back: Duration, size_s: int) -> list[BarView]:
        bars: list[BarView] = []
        steps_left = max(back.count * NS_PER_S // STEP_NS, 1) if back.unit == "S" else None
        newest_first: list[list[BarView]] = []
        for number, (session, tape) in enumerate(self._tapes_before(symbol, until_ns)):
            if steps_left is None and not self._reaches(back, number, session, until_ns):
                break
            if number >= _MOST_SESSIONS_OF_INTRADAY:
                raise HistoryRefused(f"Time length exceeds maximum: {_MOST_SESSIONS_OF_INTRADAY} sessions")
            steps = min(max(until_ns - session.open_ns, 0) // STEP_NS, len(tape.path))
            bars = tape.bars(size_s, steps, offset_s=self._seconds_of_day(session.open_ns))
            if steps_left is not None:
                oldest_ns = session.open_ns + max(steps - steps_left, 0) * STEP_NS
                bars = [bar for bar in bars if bar.start_ns >= oldest_ns]
                steps_left -= steps
            newest_first.append(bars)
            if steps_left is not None and steps_left <= 0:
                break
        return [bar for some in reversed(newest_first) for bar in some]

    def _daily(self, symbol: str, until_ns: int, back: Duration) -> list[BarView]:
        if back.unit == "S":
            back = Duration(max(back.count // 86_400, 1), "D")
        newest_first: list[BarView] = []
        for number, session in enumerate(self._sessions_before(symbol, until_ns)):
            if not self._reaches(back, number, session, until_ns):
                break
            bar = self._session_bar(symbol, session, until_ns)
            if bar is not None:
                newest_first.append(bar)
        newest_first.reverse()
        return newest_first

    def _session_bar(self, symbol: str, session: Session, until_ns: int) -> BarView | None:
        listing = self._listings[symbol]
        rows = listing.table.rows_between(session.open_ns, session.close_ns)
        if rows.start == rows.stop:
            return None
        if until_ns < session.close_ns or not listing.table.is_daily:
            tape = self._tapes.tape(symbol, session)
            steps = (min(until_ns, session.close_ns) - session.open_ns) // STEP_NS
            bars = tape.bars(session.duration_s, steps) if tape is not None else []
            return bars[0] if bars else None
        row, tick = rows.start, float(listing.tick)
        volume = int(listing.volume[row])
        o, h, low, c = (
            int(column[row]) for column in (listing.open, listing.high, listing.low, listing.close)
        )
        return BarView(
            symbol=symbol,
            start_ns=session.open_ns,
            open=round(o * tick, 4),
            high=round(h * tick, 4),
            low=round(low * tick, 4),
            close=round(c * tick, 4),
            volume=float(volume),
            wap=round((h + low + 2 * c) * tick / 4, 6),
            count=max(volume // 150, 1 if volume else 0),
        )

    def _sessions_before(self, symbol: str, until_ns: int) -> Iterator[Session]:
        first_ns = int(self._listings[symbol].table.end_ns[0])
        session = self._calendar.previous_session(until_ns - 1)
        while session is not None and session.close_ns >= first_ns:
            yield session
            session = self._calendar.previous_session(session.open_ns - 1)

    def _tapes_before(self, symbol: str, until_ns: int) -> Iterator[tuple[Session, Tape]]:
        for session in self._sessions_before(symbol, until_ns):
            tape = self._tapes.tape(symbol, session)
            if tape is not None:
                yield session, tape

    def _reaches(self, back: Duration, number: int, session: Session, until_ns: int) -> bool:
        """Whether ``session``, the ``number``-th before ``until_ns``, lies within the duration."""
        if back.unit == "D":
            return number < back.count
        until = self._local_date(until_ns)
        return session.date > _before(until, back)

    def _local_date(self, time_ns: int) -> date:
        return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).astimezone(self._calendar.timezone).date()

    def _seconds_of_day(self, time_ns: int) -> int:
        local = datetime.fromtimestamp(time_ns // NS_PER_S, UTC).astimezone(self._calendar.timezone)
        midnight = datetime.combine(local.date(), time(), tzinfo=self._calendar.timezone)
        return round((local - midnight).total_seconds())


def _before(day: date, back: Duration) -> date:
    if back.unit == "W":
        return day - timedelta(weeks=back.count)
    months = back.count * (12 if back.unit == "Y" else 1)
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < 1:
        raise HistoryRefused(f"Invalid duration: {back.count} {back.unit} goes back too far")
    first = date(year, month + 1, 1)
    # The 31st of a month that has no 31st is its last day.
    in_month = ((first + timedelta(days=31)).replace(day=1) - first).days
    return first.replace(day=min(day.day, in_month))


def _by_period(bars: list[BarView], period_s: int, local_date: Callable[[int], date]) -> list[BarView]:
    if period_s == DAY_S:
        return bars

    def key(bar: BarView) -> tuple[int, int]:
        day = local_date(bar.start_ns)
        return day.isocalendar()[:2] if period_s == WEEK_S else (day.year, day.month)

    return [_merged(list(group)) for _, group in groupby(bars, key)]


def _merged(bars: list[BarView]) -> BarView:
    volume = sum(bar.volume for bar in bars)
    turnover = sum(bar.wap * bar.volume for bar in bars)
    return BarView(
        symbol=bars[0].symbol,
        start_ns=bars[0].start_ns,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=volume,
        wap=round(turnover / volume, 6) if volume else bars[-1].close,
        count=sum(bar.count for bar in bars),
    )


def _without_volume(bar: BarView) -> BarView:
    # Quotes have no volume: TWS sends -1. The simulated spread is left out of past bars.
    return replace(bar, volume=-1.0, wap=-1.0, count=-1)
