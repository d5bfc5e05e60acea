"""What happens at IB behind the clients' backs: fills after a cancel, corrections, lost orders, splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from paper_gateway.internals import Internals
from paper_gateway.matching import Fill
from paper_gateway.types import (
    BrokerageEvent,
    CommissionCharged,
    Executed,
    ExecutionView,
    OrderState,
    PositionChanged,
)
from paper_gateway.working_order import WorkingOrder


class Interventions:
    """Changes a brokerage's state. Every method returns what clients would be told, in that order."""

    def __init__(self, internals: Internals) -> None:
        self._in = internals

    def release(self, still_holds: Callable[[WorkingOrder], bool]) -> list[BrokerageEvent]:
        """Let go on what was held, as far as its trouble has ended."""
        for order in list(self._in.store.live()):
            if order.held is not None and not still_holds(order):
                order.held = None
                order.state = OrderState.PENDING_SUBMIT
                self._in.store.touch(order)
                self._in.go_live(order)
        return self._in.outbox.drain()

    def fill_after_end(self, order: WorkingOrder, shares: int) -> list[BrokerageEvent]:
        """Fill shares of an order that was told to be cancelled: the fill had been under way."""
        price = self._in.market.last_ticks(order.symbol)
        shares = min(shares, order.remaining)
        if order.state is not OrderState.CANCELLED or price is None or shares < 1:
            return []
        order.filled += shares
        order.turnover += shares * price
        order.last_price = price
        booked = self._in.books.book(order, Fill(shares, price))
        self._in.outbox.put(Executed(execution=booked.execution))
        self._in.outbox.announce(order, announce=False)
        client_id = order.ticket.client_id
        self._in.outbox.put(CommissionCharged(client_id=client_id, commission=booked.commission))
        self._in.outbox.put(PositionChanged(position=booked.position))
        return self._in.outbox.drain()

    def correct(self, execution: ExecutionView, by: Decimal) -> list[BrokerageEvent]:
        """Correct an execution's price."""
        corrected = self._in.books.correct(execution, max(execution.price + by, Decimal("0.01")))
        return [
            Executed(execution=corrected),
            PositionChanged(position=self._in.books.position(execution.symbol)),
        ]

    def forget(self, orders: Iterable[WorkingOrder]) -> list[WorkingOrder]:
        """Lose orders that had not reached the exchange; return those that were lost."""
        lost = [order for order in orders if not order.state.is_done and not order.filled]
        for order in lost:
            self._in.store.forget(order)
        return lost

    def split(self, symbol: str, ratio: int) -> list[BrokerageEvent]:
        """Multiply a holding."""
        self._in.account.split(symbol, ratio)
        return [PositionChanged(position=self._in.books.position(symbol))]

    def live(self) -> list[WorkingOrder]:
        """Live orders."""
        return list(self._in.store.live())
