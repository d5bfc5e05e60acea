"""Who sees what, by IB's rules.

A client sees its own orders, their executions and commissions; the master client those of all. Positions belong to
the account, so everyone sees them. A refusal goes to the client that asked.
"""

from __future__ import annotations

from collections.abc import Iterable

from paper_gateway import times
from paper_gateway.requests import ExecutionsRequest
from paper_gateway.types import (
    BrokerageEvent,
    CommissionCharged,
    Executed,
    ExecutionView,
    OrderChanged,
    OrderView,
    RequestFailed,
)

_SIDES = {"BUY": "BOT", "SELL": "SLD", "SSHORT": "SLD"}


def sees(event: BrokerageEvent, client_id: int, master_client_id: int | None) -> bool:
    """Whether a client is told of an event as it happens."""
    if isinstance(event, RequestFailed):
        return event.client_id == client_id
    if client_id == master_client_id:
        return True
    if isinstance(event, OrderChanged):
        return event.order.ticket.client_id == client_id
    if isinstance(event, Executed):
        return event.execution.client_id == client_id
    if isinstance(event, CommissionCharged):
        return event.client_id == client_id
    return True


def own_orders(orders: Iterable[OrderView], client_id: int) -> list[OrderView]:
    """Orders that reqOpenOrders shows to a client."""
    return [order for order in orders if order.ticket.client_id == client_id]


def matching_executions(
    executions: Iterable[ExecutionView], wanted: ExecutionsRequest
) -> list[ExecutionView]:
    """Select executions that pass a filter; empty fields and a client id of 0 let everything pass.

    Raises
    ------
    ValueError
        When the filter's time can't be read.
    """
    since = times.parse_end(wanted.time) if wanted.time else 0
    side = _SIDES.get(wanted.side.upper(), wanted.side.upper())
    return [
        one
        for one in executions
        if wanted.client_id in {0, one.client_id}
        and wanted.account in {"", one.account}
        and wanted.symbol in {"", one.symbol}
        and wanted.sec_type in {"", "STK"}
        and wanted.exchange in {"", "SMART", one.exchange}
        and side in {"", one.side}
        and one.time_ns >= since
    ]
