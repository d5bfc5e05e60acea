"""What really happened in the account, one JSON object a line, whatever clients were told (``--audit FILE``).

``monotonic_ns`` is the machine's monotonic clock, the one in which the other processes' journals count.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from paper_gateway.types import BrokerageEvent, CommissionCharged, Executed, OrderChanged, PositionChanged


class Audit:
    """Appends to a file.

    Parameters
    ----------
    path
        The file; begun anew with every gateway, whose account begins anew too.
    cash
        The account's cash now.
    """

    def __init__(self, path: Path, cash: Callable[[], object]) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._cash = cash
        self.write("started")

    def write(self, what: str, **fields: object) -> None:
        """Write one line."""
        line = {"monotonic_ns": time.monotonic_ns(), "what": what, "cash": str(self._cash()), **fields}
        self._file.write(json.dumps(line) + "\n")

    def take(self, events: Iterable[BrokerageEvent]) -> None:
        """Write what events tell of the account."""
        for event in events:
            self._take(event)
        self._file.flush()

    def _take(self, event: BrokerageEvent) -> None:
        match event:
            case OrderChanged(order=order) if not order.ticket.what_if:
                self.write(
                    "order",
                    perm_id=order.perm_id,
                    order_ref=order.ticket.order_ref,
                    client_id=order.ticket.client_id,
                    order_id=order.ticket.order_id,
                    symbol=order.ticket.symbol,
                    action=order.ticket.action,
                    quantity=str(order.ticket.quantity),
                    state=order.state.value,
                    filled=str(order.filled),
                )
            case Executed(execution=one):
                self.write(
                    "execution",
                    exec_id=one.exec_id,
                    perm_id=one.perm_id,
                    order_ref=one.order_ref,
                    client_id=one.client_id,
                    symbol=one.symbol,
                    side=one.side,
                    quantity=str(one.quantity),
                    price=str(one.price),
                )
            case CommissionCharged(commission=cost):
                self.write("commission", exec_id=cost.exec_id, amount=str(cost.amount))
            case PositionChanged(position=held):
                self.write("position", symbol=held.symbol, quantity=str(held.quantity))
            case _:
                pass
