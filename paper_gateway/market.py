"""The replayed market: one clock, one tape a symbol, quotes and history as of now and never beyond.

Time moves only through ``open_session``, ``advance`` and ``close_session``, which the replay calls. A step is five
seconds; after ``advance`` the market stands at the end of that step, and its bar is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from data.bar_table import NS_PER_S, BarTable, DataError
from data.exchange_calendar import ExchangeCalendar, Session
from paper_gateway.history import History
from paper_gateway.listing import Listing, make_listings
from paper_gateway.tape import STEP_NS, Tape, TapeStore
from paper_gateway.types import BarView, Instrument, QuoteView


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Five seconds of market time that have just ended."""

    session: Session
    index: int  # from 0
    end_ns: int
    is_last: bool


class TapeReader:
    """One symbol's tape of a session, for reading one step at a time: a memoryview's item costs a third of numpy's."""

    __slots__ = (
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "close",
        "day_high",
        "day_low",
        "day_volume",
        "high",
        "low",
        "open",
        "previous_close",
        "volume",
    )

    def __init__(self, tape: Tape, *, centred: bool = False) -> None:
        path = tape.path
        self.previous_close = tape.previous_close
        self.open = path.open.data
        self.high = path.high.data
        self.low = path.low.data
        self.close = path.close.data
        self.volume = path.volume.data
        self.bid = np.maximum(path.close - 1, 1).data if centred else path.bid.data
        self.ask = (path.close + 1).data if centred else path.ask.data
        self.bid_size = path.bid_size.data
        self.ask_size = path.ask_size.data
        self.day_high = np.maximum.accumulate(path.high).data
        self.day_low = np.minimum.accumulate(path.low).data
        self.day_volume = np.cumsum(path.volume).data


class Market:
    """Instruments, the clock, quotes and history.

    Parameters
    ----------
    tables
        Recorded bars by symbol (``data.packaged.load_packaged``, ``data.csv_bars.load_folder``).
    calendar
        The exchange's sessions; it must cover the recorded bars.
    seed
        Seed of the paths inside the recorded bars.
    centred_quotes
        Whether bid and ask stand one tick around the last price, instead of a simulated spread at either side of it.

    Raises
    ------
    DataError
        When there is no table.
    """

    def __init__(
        self,
        tables: Mapping[str, BarTable],
        calendar: ExchangeCalendar,
        *,
        seed: int = 1,
        centred_quotes: bool = False,
    ) -> None:
        if not tables:
            raise DataError(["there are no symbols to replay"])
        self.calendar = calendar
        self.seed = seed
        self.listings: dict[str, Listing] = make_listings(tables)
        self._by_con_id = {listing.instrument.con_id: listing for listing in self.listings.values()}
        self._tapes = TapeStore(self.listings, seed=seed)
        self._history = History(self.listings, calendar, self._tapes)
        self._centred = centred_quotes
        self._readers: dict[str, TapeReader] = {}
        self._prepared: dict[str, TapeReader] = {}
        self._prepared_session: Session | None = None
        self._unprepared: list[str] = []
        self._session: Session | None = None
        self._steps = 0
        self._is_open = False
        self._last: dict[str, int] = {}
        self._now_ns = min(int(table.end_ns[0]) for table in tables.values())

    # --- what is listed ---

    @property
    def symbols(self) -> tuple[str, ...]:
        """Listed symbols."""
        return tuple(self.listings)

    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments."""
        return tuple(listing.instrument for listing in self.listings.values())

    def instrument(self, symbol: str) -> Instrument | None:
        """Instrument of a symbol; None when it isn't listed."""
        listing = self.listings.get(symbol)
        return listing.instrument if listing is not None else None

    def instrument_of(self, con_id: int) -> Instrument | None:
        """Instrument of a contract id; None when it isn't listed."""
        listing = self._by_con_id.get(con_id)
        return listing.instrument if listing is not None else None

    # --- the clock ---

    @property
    def now_ns(self) -> int:
        """Market time, nanoseconds UTC."""
        return self._now_ns

    @property
    def is_open(self) -> bool:
        """Whether a session is open."""
        return self._is_open

    @property
    def session(self) -> Session | None:
        """The open session, or after its close the one that closed last; None before the first."""
        return self._session

    @property
    def next_session(self) -> Session | None:
        """The session that opens next; None at the end of the calendar."""
        # Before the bell the clock may already stand at the opening time.
        return self.calendar.next_session(self._now_ns if self._is_open else self._now_ns - 1)

    @property
    def step_index(self) -> int:
        """Index of the newest complete step of the session; -1 before the first."""
        return self._steps - 1

    def set_time(self, now_ns: int) -> None:
        """Put the clock at a moment outside any session; marks become the closes before it.

        Raises
        ------
        ValueError
            When a session is open.
        """
        if self._is_open:
            raise ValueError("the clock of an open session moves only by steps")
        self._now_ns = now_ns
        self._session = None
        self._readers, self._last = {}, {}
        self._steps = 0
        for symbol, listing in self.listings.items():
            rows = listing.table.rows_between(0, now_ns)
            if rows.stop:
                self._last[symbol] = int(listing.close[rows.stop - 1])

    def trades_on(self, session: Session) -> bool:
        """Whether any symbol has recorded bars in ``session``."""
        tables = (listing.table for listing in self.listings.values())
        return any(
            rows.start < rows.stop
            for rows in (t.rows_between(session.open_ns, session.close_ns) for t in tables)
        )

    def prepare(self, session: Session) -> bool:
        """Make one more of a coming session's tapes; True when all are made. Each takes about two milliseconds."""
        if self._prepared_session != session:
            self._prepared_session, self._prepared = session, {}
            self._unprepared = list(self.listings)
        if self._unprepared:
            symbol = self._unprepared.pop()
            tape = self._tapes.tape(symbol, session)
            if tape is not None:
                self._prepared[symbol] = TapeReader(tape, centred=self._centred)
        return not self._unprepared

    def open_session(self, session: Session) -> None:
        """Open the market. The clock stands at the opening; no step has passed.

        Raises
        ------
        ValueError
            When a session is open already.
        """
        if self._is_open:
            raise ValueError("a session is open already")
        while not self.prepare(session):
            pass
        self._readers, self._prepared, self._prepared_session = self._prepared, {}, None
        self._session = session
        self._steps = 0
        self._is_open = True
        self._now_ns = session.open_ns
        for symbol, reader in self._readers.items():
            self._last[symbol] = reader.open[0]

    def advance(self) -> Step:
        """Let five seconds pass and return the step that ended.

        Raises
        ------
        ValueError
            When no session is open, or it has no step left.
        """
        session = self._session
        if not self._is_open or session is None or self._now_ns >= session.close_ns:
            raise ValueError("there is no step left: open a session first")
        index = self._steps
        self._steps += 1
        self._now_ns += STEP_NS
        for symbol, reader in self._readers.items():
            self._last[symbol] = reader.close[index]
        return Step(
            session=session,
            index=index,
            end_ns=self._now_ns,
            is_last=self._now_ns >= session.close_ns,
        )

    def close_session(self) -> None:
        """Close the market; the clock stays at the close."""
        self._is_open = False

    # --- prices ---

    def reader(self, symbol: str) -> TapeReader | None:
        """Tape of the newest session for matching; None when the symbol doesn't trade in it."""
        return self._readers.get(symbol)

    def last_ticks(self, symbol: str) -> int | None:
        """Last price in ticks; None before the symbol's first trade."""
        return self._last.get(symbol)

    def touch(self, symbol: str) -> tuple[int, int]:
        """Bid and ask in ticks; around the last price when there is no tape."""
        reader = self._readers.get(symbol)
        if reader is None:
            last = self._last.get(symbol, 1)
            return max(last - 1, 1), last + 1
        return _touch_at(reader, self._steps - 1)

    def touch_before(self, symbol: str) -> tuple[int, int]:
        """Bid and ask in ticks when the newest step began; its symbol must trade in the session."""
        return _touch_at(self._readers[symbol], self._steps - 2)

    def quote(self, symbol: str) -> QuoteView:
        """Quote as of now. Sizes are 0 while closed, prices are 0 before the symbol's first trade.

        Raises
        ------
        KeyError
            When the symbol isn't listed.
        """
        price = self.listings[symbol].price
        last = self._last.get(symbol, 0)
        bid, ask = self.touch(symbol) if last else (0, 0)
        reader = self._readers.get(symbol)
        if reader is None:
            return _standing_quote(symbol, self._now_ns, price(bid), price(ask), price(last))
        index = max(self._steps - 1, 0)
        has_traded = self._steps > 0
        return QuoteView(
            symbol=symbol,
            time_ns=self._now_ns,
            bid=price(bid),
            ask=price(ask),
            last=price(last),
            bid_size=reader.bid_size[index] if self._is_open else 0,
            ask_size=reader.ask_size[index] if self._is_open else 0,
            last_size=min(reader.volume[index], 100) if has_traded else 0,
            day_open=price(reader.open[0]),
            day_high=price(reader.day_high[index] if has_traded else last),
            day_low=price(reader.day_low[index] if has_traded else last),
            day_volume=reader.day_volume[index] if has_traded else 0,
            previous_close=price(reader.previous_close),
        )

    def step_bar(self, symbol: str) -> BarView | None:
        """Five-second bar of the newest step; None when there is none."""
        reader = self._readers.get(symbol)
        if reader is None or self._steps == 0:
            return None
        i = self._steps - 1
        tick = float(self.listings[symbol].tick)
        o, h, low, c, volume = (
            reader.open[i],
            reader.high[i],
            reader.low[i],
            reader.close[i],
            reader.volume[i],
        )
        return BarView(
            symbol=symbol,
            start_ns=self._now_ns - STEP_NS,
            open=round(o * tick, 4),
            high=round(h * tick, 4),
            low=round(low * tick, 4),
            close=round(c * tick, 4),
            volume=float(volume),
            wap=round((o + h + low + c) * tick / 4, 6),
            count=max(volume // 150, 1 if volume else 0),
        )

    # --- history ---

    def history(
        self,
        symbol: str,
        *,
        duration: str,
        bar_size_s: int,
        end_ns: int | None = None,
        what_to_show: str = "TRADES",
    ) -> list[BarView]:
        """Bars up to ``end_ns`` (None: now), never beyond now; the newest may be unfinished, as in TWS.

        Parameters
        ----------
        symbol
            A listed symbol.
        duration
            As in TWS: a number and S, D, W, M or Y. ``D`` counts sessions and ``S`` seconds of regular hours; the
            others go back by the calendar.
        bar_size_s
            From 5 s to 8 hours as TWS has them; ``history.DAY_S``, ``WEEK_S`` or ``MONTH_S``.
        what_to_show
            TRADES, ADJUSTED_LAST, MIDPOINT, BID or ASK.

        Raises
        ------
        HistoryRefused
            When an argument can't be understood or served; its text is for error 162 or 321.
        """
        until = min(end_ns if end_ns is not None else self._now_ns, self._now_ns)
        return self._history.bars(
            symbol, until_ns=until, duration=duration, bar_size_s=bar_size_s, what_to_show=what_to_show
        )

    def head_ns(self, symbol: str) -> int:
        """Return the opening time of a listed symbol's first recorded session."""
        first_end_ns = int(self.listings[symbol].table.end_ns[0])
        session = self.calendar.previous_session(first_end_ns - 1)
        return session.open_ns if session is not None else first_end_ns

    def trading_hours(self) -> str:
        """Sessions of the next seven days as TWS writes them: ``20200102:0930-20200102:1600;20200103:CLOSED``."""
        zone = self.calendar.timezone
        today = datetime.fromtimestamp(self._now_ns // NS_PER_S, zone).date()
        parts = []
        for day in (today + timedelta(days=number) for number in range(7)):
            session = self.calendar.session_on(day)
            if session is None:
                parts.append(f"{day:%Y%m%d}:CLOSED")
                continue
            opens = datetime.fromtimestamp(session.open_ns // NS_PER_S, zone)
            closes = datetime.fromtimestamp(session.close_ns // NS_PER_S, zone)
            parts.append(f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}")
        return ";".join(parts)


def _touch_at(reader: TapeReader, index: int) -> tuple[int, int]:
    """Bid and ask at the end of a step; before the first one its spread, around the opening price."""
    if index >= 0:
        return reader.bid[index], reader.ask[index]
    shift = reader.open[0] - reader.close[0]
    bid = max(reader.bid[0] + shift, 1)
    return bid, bid + reader.ask[0] - reader.bid[0]


def _standing_quote(symbol: str, now_ns: int, bid: Decimal, ask: Decimal, last: Decimal) -> QuoteView:
    """Quote of a symbol that doesn't trade in this session: last price, no sizes."""
    return QuoteView(
        symbol=symbol,
        time_ns=now_ns,
        bid=bid,
        ask=ask,
        last=last,
        bid_size=0,
        ask_size=0,
        last_size=0,
        day_open=last,
        day_high=last,
        day_low=last,
        day_volume=0,
        previous_close=last,
    )
