"""The broker: orders, partial fills, brackets, OCA groups, corrections, and all that TWS is known to do to its clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from core.events import (
    BrokerError,
    Commission,
    Event,
    Execution,
    OpenOrderReport,
    Order,
    OrderStatusReport,
    PositionReport,
)
from core.vocabulary import BrokerStatus, OrderType
from tests.simulation.clock import MS, Time

ACCOUNT = "DU1"
ZERO = Decimal(0)
OPENING_CASH = Decimal(1_000_000)
_PRICE = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """How the broker misbehaves in one run; chances, or counts."""

    drop: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    no_answer: float = 0.0
    corrections: float = 0.0
    late_commissions: float = 0.0
    fills_after_cancel: float = 0.0
    refused_cancels: float = 0.0
    rejects: float = 0.0
    twice: float = 0.0
    halted: frozenset[str] = frozenset()
    restarts: int = 0
    forget_ns: int = 0
    manual: int = 0
    ids_go_back: bool = False


@dataclass(slots=True)
class SimOrder:
    """One order at the broker; the permId names it."""

    perm_id: int
    client: int
    order_id: int
    order: Order
    parent_id: int | None
    born_ns: int
    quantity: Decimal
    status: BrokerStatus
    filled: Decimal = ZERO
    is_active: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it may still fill."""
        return not self.status.is_over

    @property
    def rest(self) -> Decimal:
        """Quantity that is still open."""
        return max(ZERO, self.quantity - self.filled)


class Client(Protocol):
    """A connected process, as the broker sees it."""

    def hear(self, event: Event) -> None:
        """Take a message of the broker; it goes over the wire."""


@dataclass
class Broker:
    """The truth of the simulated account.

    Parameters
    ----------
    on_fill
        Told of each fill before it counts: order, quantity, position before.
    """

    time: Time
    troubles: Troubles
    on_fill: Callable[[SimOrder, Decimal, Decimal], None]
    on_order: Callable[[SimOrder], None]
    orders: dict[int, SimOrder] = field(default_factory=dict)
    by_id: dict[tuple[int, int], SimOrder] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    cash: Decimal = OPENING_CASH
    executions: list[Execution] = field(default_factory=list)
    commissions: dict[str, Commission] = field(default_factory=dict)
    clients: dict[int, Client] = field(default_factory=dict)
    last_event_ns: int = 0
    is_up: bool = True
    _perm: int = 1000
    _exec: int = 0
    _highest: dict[int, int] = field(default_factory=dict)

    # --- what clients ask for ----------------------------------------------------------------------------

    def place(self, client: int, order_id: int, order: Order, parent_id: int | None, transmit: bool) -> None:
        """Take an order, or a change of one."""
        known = self.by_id.get((client, order_id))
        if known is not None:
            self._amend(known, order)
            return
        if self.troubles.rejects and self.time.chance.random() < self.troubles.rejects:
            self._tell(client, BrokerError(request_id=order_id, code=201, message="Order rejected"))
            return
        if order.symbol in self.troubles.halted:
            self._tell(
                client,
                BrokerError(request_id=order_id, code=201, message="halted", order_ref=order.order_ref),
            )
            return
        self._highest[client] = max(order_id, self._highest.get(client, 0))
        self._accept(client, order_id, order, parent_id, transmit)
        is_doubled = client == 1 and parent_id is None and self.time.chance.random() < self.troubles.twice
        if is_doubled:
            self._accept(
                client, 900_000 + order_id, order, None, True
            )  # the same intent has reached IB twice

    def _accept(
        self, client: int, order_id: int, order: Order, parent_id: int | None, transmit: bool
    ) -> None:
        self._perm += 1
        one = SimOrder(
            perm_id=self._perm,
            client=client,
            order_id=order_id,
            order=order,
            parent_id=parent_id,
            born_ns=self.time.now,
            quantity=order.quantity,
            status=BrokerStatus.PRE_SUBMITTED,
        )
        self.orders[one.perm_id] = self.by_id[client, order_id] = one
        self._note("order", one)
        self.on_order(one)
        parent = self.by_id.get((client, parent_id)) if parent_id is not None else None
        if transmit and parent is not None:
            self._activate(parent)
            self._report(one)
            if parent.filled:
                self._activate(one)
        elif transmit:
            self._activate(one)

    def _amend(self, one: SimOrder, order: Order) -> None:
        if not one.is_live:
            self._tell(
                one.client,
                BrokerError(request_id=one.order_id, code=104, message="Cannot modify a filled order"),
            )
            return
        one.order = replace(one.order, quantity=order.quantity)
        one.quantity = max(order.quantity, one.filled)
        self._note("amended", one)
        if not one.rest:
            self._end(one, BrokerStatus.FILLED if one.filled else BrokerStatus.CANCELLED)
        else:
            self._report(one)

    def cancel(self, client: int, order_id: int) -> None:
        """Take a cancel; a fill may overtake it."""
        one = self.by_id.get((client, order_id))
        if one is None or not one.is_live:
            self._tell(client, BrokerError(request_id=order_id, code=10147, message="OrderId not found"))
            return
        if self.time.chance.random() < self.troubles.refused_cancels:
            self._tell(client, BrokerError(request_id=order_id, code=161, message="Cancel refused"))
            return
        self.time.after(self.time.chance.randint(0, 20 * MS), lambda: self._cancelled(one))

    def cancel_all(self) -> None:
        """Take a global cancel."""
        for one in list(self.orders.values()):
            if one.is_live:
                self.time.after(self.time.chance.randint(0, 20 * MS), lambda one=one: self._cancelled(one))  # type: ignore[misc]

    def open_orders(self) -> tuple[OpenOrderReport, ...]:
        """Orders that may still fill, as of now."""
        return tuple(self._open_report(one) for one in self.orders.values() if one.is_live)

    def position_reports(self) -> tuple[PositionReport, ...]:
        """Positions as of now."""
        return tuple(
            PositionReport(account=ACCOUNT, symbol=symbol, quantity=quantity, average_cost=_PRICE)
            for symbol, quantity in self.positions.items()
        )

    def next_valid_id(self, client: int) -> int:
        """Id that a client is offered when it connects."""
        return 1 if self.troubles.ids_go_back else self._highest.get(client, 0) + 1

    # --- what happens ------------------------------------------------------------------------------------

    def _activate(self, one: SimOrder) -> None:
        if one.is_active or not one.is_live:
            return
        one.is_active, one.status = True, BrokerStatus.SUBMITTED
        self._report(one)
        chance = self.time.chance
        if one.order.order_type is OrderType.STOP:
            if chance.random() < 0.25:
                self.time.after(chance.randint(20 * MS, 900 * MS), lambda: self._fill(one))
        else:
            self.time.after(chance.randint(0, 40 * MS), lambda: self._fill(one))

    def _fill(self, one: SimOrder, *, is_late: bool = False) -> None:
        """Fill a part or the rest, now; what is left follows."""
        if (
            not self.is_up
            or (not one.is_live and not is_late)
            or one.perm_id not in self.orders
            or not one.rest
        ):
            return
        chance = self.time.chance
        part = one.rest
        if part > 1 and chance.random() < 0.5:
            part = Decimal(chance.randint(1, int(part) - 1))
        before = self.positions.get(one.order.symbol, ZERO)
        self.on_fill(one, part, before)
        one.filled += part
        self._reduce_group(one, part)
        self._book(one, part)
        for child in [
            c for c in self.orders.values() if c.parent_id == one.order_id and c.client == one.client
        ]:
            self._activate(child)
        if not one.rest and one.is_live:
            one.status = BrokerStatus.FILLED
        self._report(one)
        if one.rest and one.is_live:
            self.time.after(chance.randint(1, 30 * MS), lambda: self._fill(one))

    def _book(self, one: SimOrder, part: Decimal) -> None:
        """Make an execution and its commission, and perhaps a correction of both."""
        chance, order = self.time.chance, one.order
        self._exec += 1
        price = _PRICE + Decimal(chance.randint(-50, 50)) / 100
        execution = Execution(
            exec_id=f"0000e0d5.{self._exec:08x}.01.01",
            order_ref=order.order_ref,
            order_id=one.order_id,
            perm_id=one.perm_id,
            client_id=one.client,
            account=ACCOUNT,
            symbol=order.symbol,
            side=order.side,
            quantity=part,
            price=price,
            time_ns=self.time.now,
        )
        self.positions[order.symbol] = self.positions.get(order.symbol, ZERO) + execution.signed_quantity
        self.executions.append(execution)
        self.cash -= execution.signed_quantity * price
        self._note("fill", one, f"{part} at {price}, position {self.positions[order.symbol]}")
        self._broadcast(execution)
        self._charge(execution)
        if chance.random() < self.troubles.corrections:
            self.time.after(chance.randint(1, 300 * MS), lambda: self._correct(execution))

    def _charge(self, execution: Execution) -> None:
        chance = self.time.chance
        amount = Decimal(chance.randint(35, 200)) / 100
        commission = Commission(exec_id=execution.exec_id, amount=amount, currency="USD")

        def charge() -> None:
            self.commissions[execution.exec_id] = commission
            self.cash -= amount
            self.last_event_ns = self.time.now
            self._broadcast(commission)

        if chance.random() < self.troubles.late_commissions:
            self._broadcast(replace(commission, amount=Decimal(-1)))  # as TWS says that it is not known yet
            self.time.after(chance.randint(1, 400 * MS), charge)
        else:
            charge()

    def _correct(self, execution: Execution) -> None:
        if not self.is_up:
            return
        price = execution.price + Decimal(self.time.chance.randint(1, 9)) / 100
        corrected = replace(execution, exec_id=execution.exec_id[:-2] + "02", price=price)
        self.cash -= execution.signed_quantity * (price - execution.price)
        self.executions.append(corrected)
        self.last_event_ns = self.time.now
        self.time.say("broker", f"corrects {execution.exec_id} to {price}")
        self._broadcast(corrected)

    def _reduce_group(self, one: SimOrder, part: Decimal) -> None:
        group = one.order.oca_group
        if group is None:
            return
        for other in list(self.orders.values()):
            if other is not one and other.is_live and other.order.oca_group == group:
                other.quantity -= part
                if not other.rest:
                    self._end(other, BrokerStatus.CANCELLED)
                else:
                    self._report(other)

    def _cancelled(self, one: SimOrder) -> None:
        if not one.is_live or one.perm_id not in self.orders:
            return
        self._end(one, BrokerStatus.CANCELLED)
        if one.is_active and one.rest and self.time.chance.random() < self.troubles.fills_after_cancel:
            self.time.after(self.time.chance.randint(1, 60 * MS), lambda: self._fill(one, is_late=True))

    def _end(self, one: SimOrder, status: BrokerStatus) -> None:
        one.status = status
        self._note("over", one)
        self._report(one)
        if status is BrokerStatus.CANCELLED:
            self._tell(one.client, BrokerError(request_id=one.order_id, code=202, message="Order Canceled"))
        for child in list(self.orders.values()):
            if (
                child.parent_id == one.order_id
                and child.client == one.client
                and child.is_live
                and not one.filled
            ):
                self._end(child, BrokerStatus.CANCELLED)

    def trade_by_hand(self, symbol: str, order: Order) -> None:
        """Have a human trade in the account."""
        self._accept(0, self._perm, replace(order, symbol=symbol), None, True)

    def restart(self) -> None:
        """Go down; the youngest orders are forgotten, as a gateway does that had not passed them on."""
        self.is_up = False
        for one in list(self.orders.values()):
            if one.is_live and not one.filled and self.time.now - one.born_ns <= self.troubles.forget_ns:
                self._note("forgotten", one)
                del self.orders[one.perm_id]
                self.by_id.pop((one.client, one.order_id), None)
        for one in list(self.orders.values()):  # a child is nothing without its parent
            if one.parent_id is not None and (one.client, one.parent_id) not in self.by_id and one.is_live:
                del self.orders[one.perm_id]
                self.by_id.pop((one.client, one.order_id), None)

    def come_back(self) -> None:
        """Be up again; what works goes on working."""
        self.is_up = True
        for one in self.orders.values():
            if one.is_live and one.is_active and one.order.order_type is not OrderType.STOP:
                self.time.after(self.time.chance.randint(1, 40 * MS), lambda one=one: self._fill(one))  # type: ignore[misc]

    # --- telling -----------------------------------------------------------------------------------------

    def _open_report(self, one: SimOrder) -> OpenOrderReport:
        return OpenOrderReport(
            order_ref=one.order.order_ref,
            order_id=one.order_id,
            perm_id=one.perm_id,
            client_id=one.client,
            symbol=one.order.symbol,
            side=one.order.side,
            quantity=one.quantity,
            order_type=str(one.order.order_type),
            status=one.status,
        )

    def _report(self, one: SimOrder) -> None:
        self._tell(one.client, self._open_report(one))
        self._tell(
            one.client,
            OrderStatusReport(
                order_ref=one.order.order_ref,
                order_id=one.order_id,
                perm_id=one.perm_id,
                client_id=one.client,
                status=one.status,
                filled=one.filled,
                remaining=one.rest,
                average_fill_price=100.0,
            ),
        )

    def _broadcast(self, event: Execution | Commission) -> None:
        """Tell the client of the order, and the watchdog, which as a master client hears of all."""
        for client in list(self.clients):
            self._tell(client, event)

    def _tell(self, client: int, event: Event) -> None:
        """Tell news, which may be lost, doubled or late."""
        chance, troubles = self.time.chance, self.troubles
        if chance.random() < troubles.drop:
            return
        for _ in range(2 if chance.random() < troubles.duplicate else 1):
            if chance.random() < troubles.late:
                self.time.after(chance.randint(1, 400 * MS), lambda: self._hand(client, event))
            else:
                self._hand(client, event)

    def _hand(self, client: int, event: Event) -> None:
        listener = self.clients.get(client)
        if listener is not None and self.is_up:
            listener.hear(event)

    def _note(self, what: str, one: SimOrder, detail: str = "") -> None:
        self.last_event_ns = self.time.now
        if self.time.lines is not None:
            order = one.order
            self.time.say(
                "broker",
                f"{what} {order.order_ref} id {one.order_id} perm {one.perm_id}: {order.side} "
                f"{one.filled}/{one.quantity} {order.symbol} {order.order_type} {one.status} {detail}",
            )
