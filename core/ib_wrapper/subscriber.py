"""What a session wants to be told: remembered, and asked for again after every reconnect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from core.clock import Clock
from core.errors import RetryLater
from core.ib_wrapper.desk import RequestDesk
from core.ib_wrapper.feeds import BAR_SECONDS, Feeds
from core.ib_wrapper.sender import Sender

# After a farm is back TWS resumes by itself; what is still silent after so long is subscribed again. Longer than the
# five seconds of a bar: IB counts requests for bars (60 in ten minutes), so none is made in vain.
_FARM_GRACE_NS: Final = 6_000_000_000
# Pause before a subscription that TWS has ended is renewed, and before it is renewed again when that didn't last.
_RENEW_NS: Final = 500_000_000
_RENEW_AGAIN_NS: Final = 30_000_000_000


class Subscriber:
    """The session's standing wishes.

    Parameters
    ----------
    data_type
        IB's market data type: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    """

    def __init__(
        self,
        sender: Sender,
        feeds: Feeds,
        desk: RequestDesk,
        clock: Clock,
        *,
        account: Callable[[], str | None],
        data_type: int,
    ) -> None:
        self._sender = sender
        self._feeds = feeds
        self._desk = desk
        self._clock = clock
        self._account = account
        self._data_type = data_type
        self._lock = threading.RLock()
        self._bars: dict[str, None] = {}
        self._quotes: dict[str, None] = {}
        self._wants_account = False
        self._wants_pnl = False
        self._pnl: tuple[int, str] | None = None
        self._farm_back_ns: int | None = None
        self._renewals: dict[str, int] = {}
        self._renewed_ns: dict[str, int] = {}
        self.probes = 0

    # --- wishes ------------------------------------------------------------------------------------------

    def want_bars(self, symbols: Iterable[str]) -> None:
        """Five-second bars of these symbols, those that are wanted already left alone."""
        with self._lock:
            fresh = [s for s in dict.fromkeys(symbols) if s not in self._bars]
            self._bars.update(dict.fromkeys(fresh))
            self._now_or_later(lambda: self._ask_each(fresh, []))

    def want_quotes(self, symbols: Iterable[str]) -> None:
        """Quotes of these symbols, those that are wanted already left alone."""
        with self._lock:
            fresh = [s for s in dict.fromkeys(symbols) if s not in self._quotes]
            self._quotes.update(dict.fromkeys(fresh))
            self._now_or_later(lambda: self._ask_each([], fresh))

    def want_account(self) -> None:
        """Account values."""
        with self._lock:
            self._wants_account = True
            self._now_or_later(self._ask_account)

    def want_pnl(self) -> None:
        """Profit and loss."""
        with self._lock:
            self._wants_pnl = True
            self._now_or_later(self._ask_pnl)

    # --- renewal -----------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Ask for everything anew: this connection, or IB's end of it, knows of no subscription."""
        with self._lock:
            self._renewals.clear()
            self._now_or_later(self._ask_all)

    def farm_is_back(self) -> None:
        """Look a little later whether data flow: a market data farm is connected again."""
        with self._lock:
            self._farm_back_ns = self._clock.monotonic_ns()

    def ended(self, symbol: str) -> None:
        """Renew a symbol's subscriptions a little later: TWS has ended one of them."""
        with self._lock:
            now = self._clock.monotonic_ns()
            lately = now - self._renewed_ns.get(symbol, now - _RENEW_AGAIN_NS) < _RENEW_AGAIN_NS
            self._renewals.setdefault(symbol, now + (_RENEW_AGAIN_NS if lately else _RENEW_NS))

    def tick(self) -> None:
        """Renew what was ended, and what stayed silent after a farm came back."""
        self._renew_ended()
        with self._lock:
            since = self._farm_back_ns
            if since is None or self._clock.monotonic_ns() - since < _FARM_GRACE_NS:
                return
            self._farm_back_ns = None
            bars = self._feeds.silent_since(since, self._feeds.bar_symbols)
            quotes = self._feeds.silent_since(since, self._feeds.quote_symbols)
            self._now_or_later(lambda: self._ask_each(bars, quotes, cancel=True))

    def _renew_ended(self) -> None:
        with self._lock:
            now = self._clock.monotonic_ns()
            due = [symbol for symbol, due_ns in self._renewals.items() if due_ns <= now]
            for symbol in due:
                del self._renewals[symbol]
                self._renewed_ns[symbol] = now
            bars = [symbol for symbol in due if symbol in self._bars]
            quotes = [symbol for symbol in due if symbol in self._quotes]
            self._now_or_later(lambda: self._ask_each(bars, quotes, cancel=True))

    def probe(self) -> None:
        """Ask for a round trip that proves the connection; it goes before what waits."""
        self.probes += 1
        self._desk.current_time(urgent=True)

    def pnl_account(self, request_id: int) -> str | None:
        """Account of the profit and loss that comes under this id; None for an id of the past."""
        pnl = self._pnl
        return pnl[1] if pnl is not None and pnl[0] == request_id else None

    # --- requests ----------------------------------------------------------------------------------------

    def _now_or_later(self, ask: Callable[[], object]) -> None:
        """Ask now; without a connection the wish waits for the next one."""
        try:
            ask()
        except RetryLater:
            return

    def _ask_all(self) -> None:
        self._sender.send("reqMarketDataType", self._data_type)
        if self._wants_account:
            self._ask_account()
        if self._wants_pnl:
            self._ask_pnl()
        self._ask_each(self._bars, self._quotes)

    def _ask_each(self, bars: Iterable[str], quotes: Iterable[str], *, cancel: bool = False) -> None:
        for symbol in bars:
            self._ask_bars(symbol, cancel=cancel)
        for symbol in quotes:
            self._ask_quotes(symbol, cancel=cancel)

    def _ask_account(self) -> None:
        self._sender.send("reqAccountUpdates", True, self._account() or "")

    def _ask_pnl(self) -> None:
        account = self._account()
        if account is None:
            return
        request_id = self._desk.by_id.new_id()
        self._pnl = (request_id, account)
        self._sender.send("reqPnL", request_id, account, "")

    def _ask_bars(self, symbol: str, *, cancel: bool = False) -> None:
        request_id = self._desk.by_id.new_id()
        former = self._feeds.bind_bars(symbol, request_id)
        if cancel and former is not None:
            self._sender.send("cancelRealTimeBars", former)
        regular_hours = True
        self._sender.send(
            "reqRealTimeBars",
            request_id,
            self._desk.contract(symbol),
            BAR_SECONDS,
            "TRADES",
            regular_hours,
            [],
        )

    def _ask_quotes(self, symbol: str, *, cancel: bool = False) -> None:
        request_id = self._desk.by_id.new_id()
        former = self._feeds.bind_quotes(symbol, request_id)
        if cancel and former is not None:
            self._sender.send("cancelMktData", former)
        snapshot, regulatory = False, False
        self._sender.send("reqMktData", request_id, self._desk.contract(symbol), "", snapshot, regulatory, [])
