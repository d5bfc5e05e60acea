"""Market data subscriptions, remembered so that they can be renewed, and the latest quote of each symbol."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Final

from core.clock import Clock
from core.events import Event, Quote, RealtimeBar
from core.ib_wrapper.times import NS_PER_S
from core.ib_wrapper.translate import is_set

BAR_SECONDS: Final = 5
# A quote that hasn't changed is passed on again after so long, to show that it is fresh.
_REPEAT_NS: Final = 250_000_000

# Tick types of TWS, live and delayed (ibapi.ticktype): which field of the quote each one sets.
_PRICE_FIELDS: Final = {1: "bid", 2: "ask", 4: "last", 66: "bid", 67: "ask", 68: "last"}
_SIZE_FIELDS: Final = {0: "bid_size", 3: "ask_size", 5: "", 69: "bid_size", 70: "ask_size", 71: ""}


class QuoteBook:
    """Latest known quote of one symbol, built from single ticks. Touched by the reader thread only."""

    __slots__ = (
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "changed",
        "emitted_ns",
        "last",
        "request_id",
        "symbol",
    )

    def __init__(self, symbol: str, request_id: int) -> None:
        self.symbol = symbol
        self.request_id = request_id
        self.bid = self.ask = self.last = math.nan
        self.bid_size = self.ask_size = math.nan
        self.changed = False
        self.emitted_ns = 0

    def set(self, name: str, value: float) -> None:
        """Set one field and note whether that changed anything."""
        old = getattr(self, name)
        if old != value and not (math.isnan(old) and math.isnan(value)):
            setattr(self, name, value)
            self.changed = True


class Feeds:
    """Subscriptions by request id, and by what was asked for.

    Parameters
    ----------
    emit
        Takes the finished events.
    """

    def __init__(self, emit: Callable[[Event], None], clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._lock = threading.Lock()
        self._bars: dict[int, str] = {}
        self._quotes: dict[int, QuoteBook] = {}
        self._touched: dict[str, QuoteBook] = {}
        self._heard_ns: dict[int, int] = {}
        self.bar_symbols: dict[str, int] = {}
        self.quote_symbols: dict[str, int] = {}

    # --- what is subscribed ------------------------------------------------------------------------------

    def bind_bars(self, symbol: str, request_id: int) -> int | None:
        """Bars of ``symbol`` will come under this id; return the id that they had before."""
        with self._lock:
            former = self.bar_symbols.get(symbol)
            if former is not None:
                self._bars.pop(former, None)
            self.bar_symbols[symbol] = request_id
            self._bars[request_id] = symbol
            return former

    def bind_quotes(self, symbol: str, request_id: int) -> int | None:
        """Quotes of ``symbol`` will come under this id; return the id that they had before."""
        with self._lock:
            former = self.quote_symbols.get(symbol)
            if former is not None:
                self._quotes.pop(former, None)
            self.quote_symbols[symbol] = request_id
            self._quotes[request_id] = QuoteBook(symbol, request_id)
            return former

    def unbind_all(self) -> None:
        """Forget all ids: the connection that they belonged to is gone."""
        with self._lock:
            self._bars.clear()
            self._quotes.clear()
            self._touched.clear()
            self._heard_ns.clear()

    def symbol_of(self, request_id: int) -> str | None:
        """Symbol of a subscription, None when the id is none."""
        book = self._quotes.get(request_id)
        return book.symbol if book is not None else self._bars.get(request_id)

    def silent_since(self, since_ns: int, subscriptions: Mapping[str, int]) -> list[str]:
        """Symbols whose subscriptions (request ids) gave no data since then."""
        with self._lock:
            return [s for s, number in subscriptions.items() if self._heard_ns.get(number, 0) < since_ns]

    # --- what comes in (reader thread) -------------------------------------------------------------------

    def bar(
        self, request_id: int, start_s: int, prices: tuple[float, float, float, float], volume: float
    ) -> None:
        """One five-second bar, which TWS stamps with its start."""
        symbol = self._bars.get(request_id)
        if symbol is None:
            return
        self.flush()
        self._heard_ns[request_id] = self._clock.monotonic_ns()
        first, high, low, close = prices
        end_ns = (start_s + BAR_SECONDS) * NS_PER_S
        self._emit(
            RealtimeBar(
                symbol=symbol, end_ns=end_ns, open=first, high=high, low=low, close=close, volume=volume
            )
        )

    def price(self, request_id: int, tick_type: int, price: float) -> None:
        """One price tick; ibapi calls ``size`` right after it with the size that came in the same message."""
        book = self._quotes.get(request_id)
        name = _PRICE_FIELDS.get(tick_type)
        if book is None or name is None:
            return
        # TWS writes -1 (and 0) for "no bid", "no offer".
        book.set(name, price if is_set(price) and price > 0 else math.nan)
        self._touched[book.symbol] = book

    def size(self, request_id: int, tick_type: int, size: float) -> None:
        """One size tick."""
        book = self._quotes.get(request_id)
        name = _SIZE_FIELDS.get(tick_type)
        if book is None or name is None:
            return
        if name:
            book.set(name, size)
        self._touched[book.symbol] = book

    def flush(self) -> None:
        """Pass on the quotes that were touched since the last call: one event a symbol however many ticks came."""
        if not self._touched:
            return
        now = self._clock.monotonic_ns()
        touched, self._touched = self._touched, {}
        for book in touched.values():
            self._heard_ns[book.request_id] = now
            if not book.changed and now - book.emitted_ns < _REPEAT_NS:
                continue
            book.changed = False
            book.emitted_ns = now
            self._emit(
                Quote(
                    symbol=book.symbol,
                    bid=book.bid,
                    ask=book.ask,
                    last=book.last,
                    bid_size=book.bid_size,
                    ask_size=book.ask_size,
                    received_monotonic_ns=now,
                )
            )
