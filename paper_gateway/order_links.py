"""What one order's fill or end does to others: brackets and OCA groups.

- A child works for as many shares as its parent has filled, less what its siblings filled.
- A parent that ends unfilled takes its children with it; one that ends filled in part leaves them that part.
- A fill in an OCA group cancels the others (type 1) or takes as many shares off them (types 2 and 3). The children
  of one parent are tied in the latter way when they name no group, as TWS does with a bracket's exits.
"""

from __future__ import annotations

from collections.abc import Callable

from core.vocabulary import OrderType
from paper_gateway.order_store import OrderStore
from paper_gateway.outbox import Outbox
from paper_gateway.types import OrderState
from paper_gateway.working_order import WorkingOrder


class OrderLinks:
    """Ends orders and passes on what that means.

    Parameters
    ----------
    store, outbox
        The brokerage's.
    start_trailing
        Sets a trailing stop from the present price.
    """

    def __init__(
        self, store: OrderStore, outbox: Outbox, start_trailing: Callable[[WorkingOrder], None]
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._start_trailing = start_trailing

    def filled(self, order: WorkingOrder, quantity: int) -> None:
        """Pass on that ``quantity`` more of ``order`` has filled."""
        cancels = bool(order.ticket.oca_group) and order.ticket.oca_type <= 1
        for sibling in self._store.siblings(order):
            if sibling.state.is_done:
                continue
            if cancels:
                self.cancel(sibling, "")
            else:
                self._reduce(sibling, quantity)
        for child in self._store.children(order):
            self._wake(child)

    def cancel(self, order: WorkingOrder, reason: str) -> None:
        """Cancel a live order."""
        self.end(order, OrderState.CANCELLED)
        self._outbox.cancelled(order, reason)

    def end(self, order: WorkingOrder, state: OrderState) -> None:
        """End a live order; its children end too, or go on for the shares that it filled."""
        order.state = state
        children = self._store.children(order)
        self._store.complete(order)
        self._outbox.announce(order)
        if state is OrderState.FILLED:
            return
        for child in children:
            if child.state.is_done:
                continue
            child.original = min(child.original, order.filled)
            self._store.touch(child)
            if child.remaining <= 0:
                self.cancel(child, "the parent order is cancelled")
            else:
                self._outbox.announce(child)

    def _reduce(self, order: WorkingOrder, quantity: int) -> None:
        order.reduced += min(quantity, order.remaining)
        self._store.touch(order)
        if order.remaining <= 0:
            self.cancel(order, "")
        else:
            self._outbox.announce(order)

    def _wake(self, child: WorkingOrder) -> None:
        self._store.touch(child)
        if not child.transmitted or child.workable == 0:
            return
        if not child.is_awake and child.kind is OrderType.TRAIL and child.ticket.trail_stop_price is None:
            self._start_trailing(child)  # it trails from the moment its parent fills
        child.is_awake = True
        state = OrderState.PRE_SUBMITTED if child.is_stop or child.is_auction else OrderState.SUBMITTED
        if child.state is not state:
            child.state = state
            self._outbox.announce(child)
