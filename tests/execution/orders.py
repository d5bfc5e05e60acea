"""Orders, reports and a journal in memory, for the tests of this package."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from core.clock import ManualClock
from core.events import Execution, OpenOrderReport, Order, OrderStatusReport
from core.records import RecordKind
from core.vocabulary import BrokerStatus, OrderType, Purpose, Side, TimeInForce
from execution.order_book import OrderBook
from execution.order_manager import OrderManager

CLIENT = 1
D = Decimal


class ListJournal:
    """Keeps records as the real journal would read them back: through JSON. A failed batch leaves nothing."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, object]]] = []

    def append(self, kind: RecordKind, payload: Mapping[str, object]) -> int:
        self.records.append((str(kind), json.loads(json.dumps(payload, allow_nan=False))))
        return len(self.records)

    @contextmanager
    def batch(self) -> Iterator[None]:
        before = len(self.records)
        try:
            yield
        except BaseException:
            del self.records[before:]
            raise

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.records]

    def fold(self) -> OrderBook:
        book = OrderBook()
        for kind, payload in self.records:
            book.apply(kind, payload)
        return book


def make_order(**changes: object) -> Order:
    order = Order(
        order_ref="BS-run00001-000001-E",
        strategy="momentum",
        symbol="IBM",
        side=Side.BUY,
        quantity=D(100),
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        reason="entry",
        created_ns=1_000,
        arrival_price=190.25,
    )
    return replace(order, **changes)  # type: ignore[arg-type]


def make_stop(entry: Order, **changes: object) -> Order:
    ref = entry.order_ref.replace("-E", "-S")
    stop = make_order(
        order_ref=ref,
        side=entry.side.opposite,
        quantity=entry.quantity,
        symbol=entry.symbol,
        strategy=entry.strategy,
        order_type=OrderType.STOP,
        purpose=Purpose.STOP,
        stop_price=D("180.00"),
        time_in_force=TimeInForce.GTC,
        parent_ref=entry.order_ref,
        oca_group=f"OCA-{ref}",
        arrival_price=None,
    )
    return replace(stop, **changes)  # type: ignore[arg-type]


def status_of(
    order: Order, order_id: int, status: BrokerStatus, filled: int | Decimal = 0, *, perm_id: int = 900
) -> OrderStatusReport:
    return OrderStatusReport(
        order_ref=order.order_ref,
        order_id=order_id,
        perm_id=perm_id,
        client_id=CLIENT,
        status=status,
        filled=D(filled),
        remaining=order.quantity - D(filled),
        average_fill_price=190.0,
    )


def open_report(
    order: Order, order_id: int, status: BrokerStatus = BrokerStatus.SUBMITTED, *, perm_id: int = 900
) -> OpenOrderReport:
    return OpenOrderReport(
        order_ref=order.order_ref,
        order_id=order_id,
        perm_id=perm_id,
        client_id=CLIENT,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=str(order.order_type),
        status=status,
    )


def execution_of(
    order: Order,
    order_id: int,
    quantity: int | Decimal,
    *,
    number: int = 1,
    revision: int = 1,
    price: str = "190.10",
) -> Execution:
    return Execution(
        exec_id=f"0000e0d5.509f0a1c.{number:02d}.{revision:02d}",
        order_ref=order.order_ref,
        order_id=order_id,
        perm_id=900,
        client_id=CLIENT,
        account="DU1234567",
        symbol=order.symbol,
        side=order.side,
        quantity=D(quantity),
        price=D(price),
        time_ns=2_000 + number,
    )


def make_manager(clock: ManualClock | None = None) -> tuple[OrderManager, ListJournal]:
    journal = ListJournal()
    manager = OrderManager(OrderBook(), journal, client_id=CLIENT, clock=clock or ManualClock())
    return manager, journal


def sent(manager: OrderManager, order: Order, order_id: int) -> Order:
    manager.intend(order, order_id)
    manager.sent(order.order_ref, order_id)
    return order
