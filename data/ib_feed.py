"""The live feed: subscriptions, five-second bars into rows, newest quotes, and which symbols have gone stale.

Everything here runs on the engine's thread; the broker session only puts events into the queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from core.clock import Clock
from core.config_schema import BarSettings
from core.events import Bar, FeedChanged, Quote, RealtimeBar
from core.vocabulary import FeedStatus
from data.bar_assembler import BarAssembler, MarketRow
from data.bar_builder import BarBuilder
from data.bar_grid import FEED_STEP_NS, BarGrid, SessionHours

_LOOK_NS: Final = 250_000_000


class FeedPort(Protocol):
    """The part of the broker session that the feed needs."""

    def subscribe_realtime_bars(self, symbols: Iterable[str]) -> None:
        """Ask for five-second bars, now and after every reconnect."""
        ...

    def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        """Ask for quotes, now and after every reconnect."""
        ...


@dataclass(slots=True)
class _SymbolFeed:
    builder: BarBuilder
    status: FeedStatus = FeedStatus.STALE
    heard_ns: int | None = None
    quote: Quote | None = None


class IBFeed:
    """Market data of the universe.

    Parameters
    ----------
    session
        The broker.
    symbols
        The universe.
    settings
        Section ``bars`` of the configuration.
    hours
        The exchange's sessions.
    clock
        Staleness and the rows' grace are liveness: monotonic.
    """

    def __init__(
        self,
        session: FeedPort,
        *,
        symbols: Iterable[str],
        settings: BarSettings,
        hours: SessionHours,
        clock: Clock,
    ) -> None:
        self._session = session
        self._clock = clock
        self._stale_ns = round(settings.stale_after_s * 1e9)
        self._grid = BarGrid(settings.size_s, hours)
        self._feeds = {s: _SymbolFeed(BarBuilder(s, self._grid)) for s in dict.fromkeys(symbols)}
        self._assembler = BarAssembler(self._feeds, settings.assemble_grace_s)
        self._changes: list[FeedChanged] = []
        self._row_end_ns = 0
        self._next_look_ns = 0
        self.market_ns = 0
        """Market time: the end of the newest bar of any symbol."""

    def start(self, after_ns: int = 0) -> None:
        """Subscribe; rows up to ``after_ns`` are known from history and will not come again."""
        self._assembler.start_after(after_ns)
        self._row_end_ns = max(self._row_end_ns, after_ns)
        self.market_ns = max(self.market_ns, after_ns)
        self._session.subscribe_realtime_bars(self._feeds)
        self._session.subscribe_quotes(self._feeds)

    # --- events -------------------------------------------------------------------------------------------

    def on_realtime_bar(self, bar: RealtimeBar) -> tuple[MarketRow, ...]:
        """Take a five-second bar; return the rows that it completed, oldest first."""
        feed = self._feeds.get(bar.symbol)
        if feed is None:
            return ()
        now_ns = self._clock.monotonic_ns()
        self.market_ns = max(self.market_ns, bar.end_ns)
        feed.heard_ns = now_ns
        self._set_status(bar.symbol, feed, FeedStatus.LIVE, "bars are coming")
        return self._assemble(feed.builder.add(bar), now_ns)

    def on_quote(self, quote: Quote) -> None:
        """Remember a quote."""
        feed = self._feeds.get(quote.symbol)
        if feed is not None:
            feed.quote = quote

    def on_feed_changed(self, change: FeedChanged) -> None:
        """Take a change that the session reports. Only data make a symbol live again, not the promise of data."""
        if change.status in {FeedStatus.LIVE, FeedStatus.GAP}:
            return
        for symbol, feed in self._feeds.items():
            if change.symbol in {None, symbol}:
                self._set_status(symbol, feed, change.status, change.detail)

    def on_reconnected(self, *, data_lost: bool) -> None:
        """Take a new connection: what was subscribed is being renewed, and nothing is live before it speaks.

        Parameters
        ----------
        data_lost
            Whether subscriptions were lost; when they were kept, data may simply go on.
        """
        if data_lost:
            for symbol, feed in self._feeds.items():
                self._set_status(symbol, feed, FeedStatus.STALE, "the subscription is being renewed")

    def poll(self) -> tuple[MarketRow, ...]:
        """Return the rows whose grace is over, and notice stale symbols. Cheap enough to be called on every turn."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_look_ns:
            self._next_look_ns = now_ns + _LOOK_NS
            self._look_for_stale(now_ns)
        due_ns = self._assembler.due(now_ns)
        if due_ns is None:
            return ()
        rows: tuple[MarketRow, ...] = ()
        for feed in self._feeds.values():
            rows += self._assemble(feed.builder.close_through(due_ns), now_ns)
        return rows + self._numbered(self._assembler.release(due_ns))

    def take_changes(self) -> tuple[FeedChanged, ...]:
        """Return the changes of single symbols since the last call, for the log."""
        changes, self._changes = tuple(self._changes), []
        return changes

    # --- questions ----------------------------------------------------------------------------------------

    def stale_symbols(self) -> frozenset[str]:
        """Symbols whose data must not be acted on."""
        return frozenset(s for s, feed in self._feeds.items() if feed.status is not FeedStatus.LIVE)

    def quote(self, symbol: str) -> Quote | None:
        """Newest quote of a symbol; None before the first."""
        feed = self._feeds.get(symbol)
        return None if feed is None else feed.quote

    def market_is_open(self, time_ns: int | None = None) -> bool:
        """Whether the session goes on after a bar that ended at ``time_ns`` (default: the newest bar)."""
        end_ns = self.market_ns if time_ns is None else time_ns
        return self._grid.session_of(end_ns + FEED_STEP_NS) is not None

    def counters(self) -> dict[str, int]:
        """Feed bars refused and out of order, bars late for their row."""
        builders = [feed.builder for feed in self._feeds.values()]
        return {
            "feed_bars_refused": sum(builder.refused for builder in builders),
            "feed_bars_out_of_order": sum(builder.out_of_order for builder in builders),
            "bars_late": self._assembler.late,
        }

    # --- inside -------------------------------------------------------------------------------------------

    def _assemble(self, bars: tuple[Bar, ...], now_ns: int) -> tuple[MarketRow, ...]:
        rows: tuple[MarketRow, ...] = ()
        for bar in bars:
            rows += self._numbered(self._assembler.add(bar, now_ns))
        return rows

    def _numbered(self, rows: tuple[MarketRow, ...]) -> tuple[MarketRow, ...]:
        numbered = []
        for row in rows:
            missed = 0
            if self._row_end_ns:
                missed = self._grid.rows_between(self._row_end_ns, row.end_ns)
            self._row_end_ns = row.end_ns
            numbered.append(replace(row, rows_missed=missed) if missed else row)
        return tuple(numbered)

    def _look_for_stale(self, now_ns: int) -> None:
        if not self.market_is_open():
            return  # after the close silence is what one expects
        for symbol, feed in self._feeds.items():
            if feed.heard_ns is not None and now_ns - feed.heard_ns > self._stale_ns:
                seconds = (now_ns - feed.heard_ns) / 1e9
                self._set_status(symbol, feed, FeedStatus.STALE, f"no bar for {seconds:.0f} s")

    def _set_status(self, symbol: str, feed: _SymbolFeed, status: FeedStatus, detail: str) -> None:
        if feed.status is not status:
            feed.status = status
            self._changes.append(FeedChanged(symbol=symbol, status=status, detail=detail))
