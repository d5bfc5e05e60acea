"""Orders that are refused, held, doubled, and cancels that don't work (``hooks.Exchange``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from paper_gateway.faults.scenario import Cancels, Hold, Reject, Twice
from paper_gateway.faults.schedule import Schedule
from paper_gateway.hooks import Unanswered
from paper_gateway.order_rules import Refusal
from paper_gateway.types import Held, OrderTicket
from paper_gateway.working_order import WorkingOrder

_HELD = {"pending_submit": Held.PENDING_SUBMIT, "locate": Held.LOCATE, "halt": Held.HALT}
_TEXTS = {
    161: "Cancel attempted when order is not in a cancellable state.",
    202: "Order Canceled - reason:",
    10147: "OrderId {order_id} that needs to be cancelled is not found.",
    10148: "OrderId {order_id} that needs to be cancelled cannot be cancelled, state: PendingCancel.",
}
TWIN_DISTANCE = 5_000
"""By how much the order id of a doubled order exceeds its first one's."""


class FaultyExchange:
    """An exchange with a bad day.

    Parameters
    ----------
    schedule
        Which faults are active.
    fill_later
        Fills that many shares of an order after some seconds, although it was cancelled.
    """

    def __init__(self, schedule: Schedule, fill_later: Callable[[WorkingOrder, int, float], None]) -> None:
        self._schedule = schedule
        self._fill_later = fill_later

    def refusal(self, order: WorkingOrder, /) -> Refusal | None:
        """Why an order is refused."""
        for fault, chance in self._schedule.active(Reject, order.ticket.client_id):
            if _names(fault.symbols, order.symbol) and chance.random() < fault.chance:
                return Refusal(fault.code, fault.text)
        return None

    def hold(self, order: WorkingOrder, /) -> Held | None:
        """Why an order doesn't go on."""
        for fault, chance in self._schedule.active(Hold, order.ticket.client_id):
            if _names(fault.symbols, order.symbol) and chance.random() < fault.chance:
                return _HELD[fault.reason]
        return None

    def still_holds(self, order: WorkingOrder) -> bool:
        """Whether the trouble of an order that is held goes on."""
        return any(
            _HELD[fault.reason] is order.held and _names(fault.symbols, order.symbol)
            for fault, _ in self._schedule.active(Hold, order.ticket.client_id)
        )

    def on_cancel(self, order: WorkingOrder, /) -> Refusal | Unanswered | None:
        """Say what becomes of a cancel."""
        for fault, chance in self._schedule.active(Cancels, order.ticket.client_id):
            if chance.random() >= fault.chance:
                continue
            if fault.mode == "ignored":
                return Unanswered()
            if fault.mode == "refused":
                return Refusal(fault.code, _TEXTS[fault.code].format(order_id=order.ticket.order_id))
            self._fill_later(order, fault.shares, fault.delay_s.draw(chance))
        return None

    def twins(self, ticket: OrderTicket, /) -> Iterable[OrderTicket]:
        """Further orders that reach the exchange for the one that was placed."""
        for fault, chance in self._schedule.active(Twice, ticket.client_id):
            if chance.random() < fault.chance:
                yield replace(ticket, order_id=ticket.order_id + TWIN_DISTANCE, parent_id=0)


def _names(symbols: tuple[str, ...], symbol: str) -> bool:
    return not symbols or symbol in symbols
