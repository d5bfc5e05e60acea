"""What the brokerage has to tell, in the order in which clients must see it."""

from __future__ import annotations

from paper_gateway.order_rules import CANCELLED, Refusal
from paper_gateway.types import BrokerageEvent, OrderChanged, OrderTicket, RequestFailed
from paper_gateway.working_order import WorkingOrder


class Outbox:
    """Collects events until they are drained."""

    def __init__(self) -> None:
        self._events: list[BrokerageEvent] = []

    def put(self, event: BrokerageEvent) -> None:
        """Add an event."""
        self._events.append(event)

    def announce(self, order: WorkingOrder, *, announce: bool = True) -> None:
        """Tell how an order stands; without ``announce`` by orderStatus alone."""
        self._events.append(OrderChanged(order=order.view(), announce=announce))

    def refuse(self, ticket: OrderTicket, refusal: Refusal) -> None:
        """Tell a client that its order is refused, or warn it."""
        self.fail(ticket.client_id, ticket.order_id, refusal)

    def fail(self, client_id: int, request_id: int, refusal: Refusal) -> None:
        """Tell a client that a request failed."""
        self._events.append(
            RequestFailed(
                client_id=client_id, request_id=request_id, code=refusal.code, message=refusal.message
            )
        )

    def cancelled(self, order: WorkingOrder, reason: str) -> None:
        """Send the error with which TWS accompanies every cancelled order."""
        self.refuse(order.ticket, Refusal(CANCELLED, f"Order Canceled - reason:{reason}"))

    def drain(self) -> list[BrokerageEvent]:
        """Return what was collected, and forget it."""
        events, self._events = self._events, []
        return events
