"""The brokerage's parts, for faults that reach behind its back (``paper_gateway.faults.interventions``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paper_gateway.account import Account
from paper_gateway.bookkeeping import Bookkeeper
from paper_gateway.market import Market
from paper_gateway.order_store import OrderStore
from paper_gateway.outbox import Outbox
from paper_gateway.working_order import WorkingOrder


@dataclass(frozen=True, slots=True)
class Internals:
    """Parts of a brokerage; ``go_live`` shows an order to the market."""

    market: Market
    account: Account
    store: OrderStore
    outbox: Outbox
    books: Bookkeeper
    go_live: Callable[[WorkingOrder], None]
