"""A small market with hand-drawn bars, and a desk that trades on it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from data.bar_table import NS_PER_S, BarTable
from data.exchange_calendar import Session
from data.packaged import packaged_calendar
from paper_gateway.brokerage import Brokerage
from paper_gateway.market import Market
from paper_gateway.types import (
    BrokerageEvent,
    CommissionCharged,
    Executed,
    ExecutionView,
    OrderChanged,
    OrderState,
    OrderTicket,
    RequestFailed,
)

DAY = date(2012, 11, 12)
NEXT_DAY = date(2012, 11, 13)

Candle = tuple[float, float, float, float, float]  # open, high, low, close, volume


def session_of(day: date) -> Session:
    """Session of a date that has one."""
    session = packaged_calendar().session_on(day)
    assert session is not None
    return session


def drawn_table(symbol: str, candles: list[Candle], *, day: date = DAY, size_s: int = 5) -> BarTable:
    """Bars of ``size_s`` from the opening on; nothing trades after them."""
    session = session_of(day)
    columns = np.array(candles, dtype=float).T
    ends = session.open_ns + np.arange(1, len(candles) + 1, dtype=np.int64) * size_s * NS_PER_S
    return BarTable(
        symbol=symbol,
        size_s=size_s,
        end_ns=ends,
        open=columns[0].copy(),
        high=columns[1].copy(),
        low=columns[2].copy(),
        close=columns[3].copy(),
        volume=columns[4].copy(),
    )


class Desk:
    """Market, brokerage, and what the brokerage has told so far."""

    def __init__(self, tables: dict[str, BarTable], *, seed: int = 1, **options: Any) -> None:
        self.market = Market(tables, packaged_calendar(), seed=seed)
        self.brokerage = Brokerage(self.market, **options)
        self.events: list[BrokerageEvent] = []
        self.session = session_of(DAY)
        self.market.set_time(self.session.open_ns)
        self._next_id = 0

    @classmethod
    def drawn(cls, *candles: Candle, symbol: str = "AAA", **options: Any) -> Desk:
        """A desk with one drawn symbol."""
        return cls({symbol: drawn_table(symbol, list(candles))}, **options)

    def open(self) -> Desk:
        """Open the day's session."""
        self.market.open_session(self.session)
        self._take(self.brokerage.on_session_open())
        return self

    def step(self, count: int = 1) -> list[BrokerageEvent]:
        """Let steps pass."""
        events: list[BrokerageEvent] = []
        for _ in range(count):
            self.market.advance()
            events += self._take(self.brokerage.on_step())
        return events

    def close(self) -> list[BrokerageEvent]:
        """Let the session pass to its end, and close it."""
        while self.market.now_ns < self.session.close_ns:
            self.step()
        self.market.close_session()
        return self._take(self.brokerage.on_session_close())

    def next_day(self) -> Desk:
        """Open the session after this one."""
        session = self.market.next_session
        assert session is not None
        self.session = session
        return self.open()

    def place(
        self,
        action: str,
        quantity: float,
        order_type: str,
        *,
        order_id: int = 0,
        client_id: int = 1,
        **fields: Any,
    ) -> int:
        """Place an order; prices may be floats. Returns its id."""
        self._next_id = max(self._next_id + 1, order_id)
        number = order_id or self._next_id
        decimals: dict[str, Any] = {
            name: Decimal(str(value))
            if isinstance(value, int | float) and name.endswith(("price", "percent"))
            else value
            for name, value in fields.items()
        }
        self._take(
            self.brokerage.place(
                OrderTicket(
                    client_id=client_id,
                    order_id=number,
                    symbol=str(decimals.pop("symbol", self.market.symbols[0])),
                    action=action,
                    quantity=Decimal(str(quantity)),
                    order_type=order_type,
                    **decimals,
                )
            )
        )
        return number

    def send(self, ticket: OrderTicket) -> list[BrokerageEvent]:
        """Place an order that a client's message was read into."""
        return self._take(self.brokerage.place(ticket))

    def cancel(self, order_id: int, client_id: int = 1) -> list[BrokerageEvent]:
        """Cancel an order."""
        return self._take(self.brokerage.cancel(client_id, order_id))

    def _take(self, events: list[BrokerageEvent]) -> list[BrokerageEvent]:
        self.events += events
        return events

    # --- what was told ---

    def views(self, order_id: int, client_id: int = 1) -> list[Any]:
        """Every report of an order, oldest first."""
        return [
            event.order
            for event in self.events
            if isinstance(event, OrderChanged)
            and (event.order.ticket.client_id, event.order.ticket.order_id) == (client_id, order_id)
        ]

    def view(self, order_id: int, client_id: int = 1) -> Any:
        """Return the newest report of an order."""
        return self.views(order_id, client_id)[-1]

    def state(self, order_id: int) -> OrderState:
        """Return the newest state of an order."""
        state: OrderState = self.view(order_id).state
        return state

    def fills(self, order_id: int | None = None) -> list[ExecutionView]:
        """Executions of an order, or of all."""
        executions = [event.execution for event in self.events if isinstance(event, Executed)]
        return [each for each in executions if order_id in {None, each.order_id}]

    def codes(self, order_id: int | None = None) -> list[int]:
        """Error codes that an order's client was sent."""
        failures = [event for event in self.events if isinstance(event, RequestFailed)]
        return [event.code for event in failures if order_id in {None, event.request_id}]

    def commission(self) -> Decimal:
        """All commissions charged."""
        charged = [event.commission.amount for event in self.events if isinstance(event, CommissionCharged)]
        return sum(charged, Decimal(0))

    def position(self, symbol: str = "AAA") -> int:
        """Signed position."""
        return next((int(each.quantity) for each in self.brokerage.positions() if each.symbol == symbol), 0)

    def bid_ask(self, symbol: str = "AAA") -> tuple[Decimal, Decimal]:
        """Quote of now."""
        quote = self.market.quote(symbol)
        return quote.bid, quote.ask
