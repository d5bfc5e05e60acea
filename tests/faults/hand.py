"""A broker session in the hand of a test: it places orders under any name, as a human or a stray process would."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.events import Event, Order
from core.ib_wrapper.session import IBSession
from core.vocabulary import OrderType, Purpose, Side
from tests.waiting import DEADLINE_S, wait_for


class Hand:
    """One connected client."""

    def __init__(self, session: IBSession) -> None:
        self.session = session

    def buy(self, symbol: str, quantity: int, *, order_ref: str, limit: Decimal | None = None) -> None:
        """Place an order: at the market, or resting at ``limit``."""
        order = Order(
            order_ref=order_ref,
            strategy="hand",
            symbol=symbol,
            side=Side.BUY,
            quantity=Decimal(quantity),
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            purpose=Purpose.ENTRY,
            reason="test",
            created_ns=0,
            limit_price=limit,
        )
        self.session.place(self.session.next_order_id(), order)

    def positions(self) -> dict[str, Decimal]:
        """What the account holds."""
        answer = self.session.positions().result(10)
        assert isinstance(answer, tuple)
        return {report.symbol: report.quantity for report in answer}

    def open_orders(self) -> set[str]:
        """Names of all open orders."""
        answer = self.session.open_orders().result(10)
        assert isinstance(answer, tuple)
        return {report.order_ref for report in answer}

    def await_positions(self, expected: dict[str, int]) -> None:
        """Wait until the account holds exactly that."""
        wait_for(lambda: self.positions() == expected, f"positions {expected}")


@contextmanager
def hand(port: int, client_id: int = 31) -> Iterator[Hand]:
    """Connect to the gateway on ``port``."""
    inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    session = IBSession(BrokerSettings(port=port), client_id=client_id, sink=inbox.put, clock=SystemClock())
    session.start()
    try:
        assert session.wait_ready(DEADLINE_S)
        yield Hand(session)
    finally:
        session.stop()
