"""What all client sessions share: one market, one account, and who hears of what.

Sans-IO: sessions collect bytes, the server writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from paper_gateway import visibility
from paper_gateway.audit import Audit
from paper_gateway.brokerage import Brokerage
from paper_gateway.hooks import Faults
from paper_gateway.market import Market
from paper_gateway.requests import ContractSpec
from paper_gateway.ticks import TickTail, quote_ticks, real_time_bar_tail
from paper_gateway.types import (
    BarView,
    BrokerageEvent,
    CommissionView,
    Instrument,
    PositionChanged,
    QuoteView,
)

QUOTE_INTERVAL_S = 0.25  # TWS samples level-one quotes about four times a second
PNL_INTERVAL_S = 1.0
ACCOUNT_INTERVAL_NS = 180 * 1_000_000_000  # account values: on a change of position, else every three minutes

_MIDPOINT_VENUE = "IBKRATS"  # IB's own, to which PEG MID orders are sent


@dataclass(frozen=True, slots=True)
class StepData:
    """One symbol's news of a step, encoded once for all subscribers."""

    symbol: str
    bar: BarView | None
    bar_tail: bytes
    quote: QuoteView | None
    tick_tails: Sequence[TickTail]


@dataclass(frozen=True, slots=True)
class AccountNews:
    """The account as of now; ``values`` is None when only profit and loss are due."""

    values: Mapping[str, str] | None
    pnl: tuple[Decimal, Decimal, Decimal]


class Subscriber(Protocol):
    """A session as the hub sees it."""

    client_id: int

    def send(self, data: bytes) -> None:
        """Queue one complete message."""
        ...

    def drop_streams(self) -> None:
        """Forget every market data subscription."""
        ...

    def on_brokerage_event(self, event: BrokerageEvent) -> None:
        """Tell the client of one event that it may see."""
        ...

    def on_step(self, step: Sequence[StepData]) -> None:
        """Send bars and quotes to those subscriptions that want them."""
        ...

    def on_account(self, news: AccountNews) -> None:
        """Send account values and profit and loss to those subscriptions that want them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Choices of the gateway's operator."""

    account: str = "DU1234567"
    master_client_id: int | None = None
    max_messages_per_second: int = 0  # 0: no limit


@dataclass(slots=True)
class HubStatistics:
    """Counters for the status file."""

    messages_in: int = 0
    malformed: int = 0
    connections: int = 0
    refused: int = 0
    slow_clients: int = 0
    extra: dict[str, int] = field(default_factory=dict)


class Hub:
    """One market and one account for all sessions.

    Parameters
    ----------
    market, brokerage
        The market side.
    settings
        Choices of the operator.
    monotonic
        Seconds of wall time, for sampling rates and pacing.

    Attributes
    ----------
    faults, audit
        Scripted faults, and a file of what really happens; None without them.
    """

    def __init__(
        self,
        market: Market,
        brokerage: Brokerage,
        settings: HubSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.market = market
        self.brokerage = brokerage
        self.settings = settings or HubSettings()
        self.monotonic = monotonic
        self.statistics = HubStatistics()
        self.faults: Faults | None = None
        self.audit: Audit | None = None
        self.sessions: dict[int, Subscriber] = {}
        self._highest_order_id: dict[int, int] = {}
        self._instruments = {one.symbol: one for one in market.instruments()}
        self._by_con_id = {one.con_id: one for one in self._instruments.values()}
        self._shown: dict[str, QuoteView] = {}
        self._quotes_at = self._pnl_at = float("-inf")
        self._values_at_ns = 0
        self._values_due = True
        self.on_bars_wanted: Callable[[], None] = lambda: None

    # --- clients -----------------------------------------------------------------------------------------

    def join(self, session: Subscriber) -> bool:
        """Take a session in; False when its client id is in use."""
        is_free = self.faults is None or self.faults.admits(session.client_id)
        if session.client_id in self.sessions or not is_free:
            self.statistics.refused += 1
            return False
        self.sessions[session.client_id] = session
        if self.faults is not None:
            self.faults.on_connected(session.client_id)
        return True

    def leave(self, session: Subscriber) -> None:
        """Free the client id of a session. Its orders go on working."""
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def next_order_id(self, client_id: int) -> int:
        """First order id that this client has not used."""
        return self._highest_order_id.get(client_id, 0) + 1

    def note_order_id(self, client_id: int, order_id: int) -> None:
        """Remember that a client used an order id."""
        self._highest_order_id[client_id] = max(order_id, self._highest_order_id.get(client_id, 0))

    def forget_order_ids(self) -> None:
        """Count order ids from 1 again, as a TWS whose settings were reset."""
        self._highest_order_id.clear()

    def commission_of(self, exec_id: str) -> CommissionView | None:
        """Cost of an execution, as far as it is known by now."""
        found = self.brokerage.commissions().get(exec_id)
        return found if self.faults is None or found is None else self.faults.known_commission(found)

    def bars_wanted(self) -> None:
        """Say that a client subscribed to bars: a replay that waited for one may start."""
        self.on_bars_wanted()

    # --- contracts ---------------------------------------------------------------------------------------

    def instrument(self, symbol: str) -> Instrument:
        """Return the listing of a symbol that is known to be listed."""
        return self._instruments[symbol]

    def instruments(self) -> Iterable[Instrument]:
        """Everything that is listed."""
        return self._instruments.values()

    def resolve(self, spec: ContractSpec) -> Instrument | None:
        """Find the one stock that a client's description means, or None."""
        found = self._by_con_id.get(spec.con_id) if spec.con_id else None
        if found is None and not spec.con_id:
            found = self._instruments.get(spec.symbol or spec.local_symbol)
        if found is None or spec.sec_type not in {"STK", ""} or spec.currency not in {found.currency, ""}:
            return None
        if not spec.con_id and spec.sec_type == "":
            return None
        if spec.symbol not in {found.symbol, ""} or spec.local_symbol not in {found.symbol, ""}:
            return None
        listed = {found.primary_exchange, "NASDAQ" if found.primary_exchange == "ISLAND" else "ISLAND", ""}
        if spec.primary_exchange not in listed and found.primary_exchange not in {"NASDAQ", "ISLAND"}:
            return None
        return found if spec.exchange in {*listed, "SMART", _MIDPOINT_VENUE} else None

    # --- news --------------------------------------------------------------------------------------------

    def publish(self, events: Iterable[BrokerageEvent]) -> None:
        """Tell every session what it may see, in the order of the events."""
        events = list(events)
        if self.audit is not None and events:
            self.audit.take(events)
        for event in events:
            if isinstance(event, PositionChanged):
                self._values_due = True
            if self.faults is not None:
                self.faults.saw(event)
            for client_id in list(self.sessions):
                if visibility.sees(event, client_id, self.settings.master_client_id):
                    self._tell(client_id, event)

    def _tell(self, client_id: int, event: BrokerageEvent) -> None:
        session = self.sessions[client_id]
        if self.faults is None:
            session.on_brokerage_event(event)
        else:
            self.faults.deliver(session, event)

    def shown_quote(self, symbol: str) -> QuoteView:
        """Return the quote that subscribers know, so that a new one starts from the same."""
        return self._shown.setdefault(symbol, self.market.quote(symbol))

    def step(self, *, boundary: bool) -> None:
        """Send the news of a market step that the brokerage has already matched.

        Parameters
        ----------
        boundary
            Whether market time stands at a boundary where decisions are made: quotes and account are then sent
            however fast the replay runs, so that what a client knows there doesn't depend on the wall clock.
        """
        now = self.monotonic()
        quotes = boundary or now - self._quotes_at >= QUOTE_INTERVAL_S
        if quotes:
            self._quotes_at = now
        step = [self._step_data(symbol, quotes=quotes) for symbol in self._instruments]
        for session in list(self.sessions.values()):
            session.on_step(step)
        self.refresh_account(now=boundary)

    def _step_data(self, symbol: str, *, quotes: bool) -> StepData:
        bar = self.market.step_bar(symbol)
        quote, tails = None, list[TickTail]()
        if quotes:
            quote = self.market.quote(symbol)
        if self.faults is not None:
            bar = None if bar is None else self.faults.shown_bar(bar)
            quote = None if quote is None else self.faults.shown_quote(quote)
        if quote is not None:
            tails = quote_ticks(quote, self._shown.get(symbol))
            self._shown[symbol] = quote
        return StepData(symbol, bar, b"" if bar is None else real_time_bar_tail(bar), quote, tails)

    def refresh_account(self, *, now: bool = False) -> None:
        """Send profit and loss and account values to their subscribers when they are due, or ``now``."""
        moment, market_ns = self.monotonic(), self.market.now_ns
        values = self._values_due or market_ns - self._values_at_ns >= ACCOUNT_INTERVAL_NS
        if not (now or moment - self._pnl_at >= PNL_INTERVAL_S):
            return
        self._pnl_at = moment
        if values:
            self._values_due, self._values_at_ns = False, market_ns
        if not self.sessions:
            return
        news = AccountNews(self.brokerage.account_values() if values else None, self.brokerage.pnl())
        for session in list(self.sessions.values()):
            session.on_account(news)
