"""A broker, main and the wires between them, in simulated time, for the kill sequence's property tests.

Everything is late by a random but ordered amount (a socket is a queue); answers and statuses get lost, fills race
with cancels, orders are rejected, sessions drop, the watchdog dies. Each fill of a closing order is checked on the
spot: it must reduce the position and must not turn it round.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from core.events import OpenOrderReport
from core.vocabulary import KILL_PREFIX, BrokerStatus, Side
from risk.kill_messages import (
    CancelAll,
    CloseRefused,
    CloseStatus,
    ClosingOrder,
    FenceEnded,
    FenceOutcome,
    Finish,
    KillAction,
    KillEvent,
    KillLimits,
    OpenOrdersRead,
    PositionsRead,
    RaiseFence,
    ReadOpenOrders,
    ReadPositions,
    SendCloses,
    SessionChanged,
    Tick,
)
from risk.kill_sequence import KillSequence

MS = 1_000_000
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


@dataclass(frozen=True)
class Troubles:
    """How badly the world behaves; each a probability, or a count."""

    lost_answers: float = 0.0
    lost_statuses: float = 0.0
    disconnects: int = 0
    restarts: int = 0
    halted_symbols: frozenset[str] = frozenset()
    uncancellable: int = 0
    auction_ms: int | None = None
    """When the orders that can't be cancelled fill, each at once and as a whole; None: never."""
    partial_fills: bool = True
    fence_ms: int = 50
    fence: FenceOutcome = FenceOutcome.ACKNOWLEDGED


@dataclass
class _Working:
    perm_id: int
    reference: str
    symbol: str
    side: Side
    remaining: Decimal
    quantity: Decimal
    stuck: bool = False


@dataclass
class World:
    """The whole simulation; ``run`` plays a kill to its end and returns the outcome."""

    seed: int
    troubles: Troubles
    now: int = 1_000 * MS
    positions: dict[str, Decimal] = field(default_factory=dict)
    finish: Finish | None = None
    closes_journaled: int = 0
    references: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._serial = 0
        self._perm_id = 0
        self.working: dict[int, _Working] = {}
        self._wire_free: dict[str, int] = {}
        self._incarnation = 0
        self._connection = 0
        self._ready = True
        self.main_may_send = True
        self.reported: dict[str, Decimal] = {}
        self._lag_until: dict[str, int] = {}
        self._machine: KillSequence | None = None
        self._fence_raised = False
        for symbol in SYMBOLS:
            self.positions[symbol] = Decimal(self.random.choice((0, 100, 250, -100, 37)))
            for _ in range(self.random.randint(0, 4)):
                self._work(f"main-{symbol}", symbol, self.random.choice(tuple(Side)), Decimal(50))
        self.reported.update(self.positions)
        for order in list(self.working.values())[: self.troubles.uncancellable]:
            order.stuck = True

    # --- time and wires ----------------------------------------------------------------------------------

    def at(self, when: int, what: Callable[[], object]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (when, self._serial, what))

    def wire(self, name: str, what: Callable[[], object], longest_ms: int = 15) -> None:
        """Deliver in order on the named wire, after a random delay."""
        when = max(self._wire_free.get(name, 0), self.now + self.random.randint(1, longest_ms * MS))
        self._wire_free[name] = when
        self.at(when, what)

    # --- broker ------------------------------------------------------------------------------------------

    def _work(self, reference: str, symbol: str, side: Side, quantity: Decimal) -> _Working:
        self._perm_id += 1
        order = _Working(self._perm_id, reference, symbol, side, quantity, quantity)
        self.working[order.perm_id] = order
        return order

    def _fill(self, order: _Working, quantity: Decimal) -> None:
        before = self.positions[order.symbol]
        after = before + order.side.sign * quantity
        if order.reference.startswith(KILL_PREFIX):
            assert before * after >= 0, f"{order.reference} turned {order.symbol} from {before} to {after}"
            assert abs(after) < abs(before), (
                f"{order.reference} let {order.symbol} grow from {before} to {after}"
            )
            locked = sum(
                (one.remaining for one in self._stuck_orders(order.symbol) if one.side is order.side),
                Decimal(0),
            )
            assert abs(after) >= locked, f"{order.reference} closed what {locked} locked shares will close"
        self.positions[order.symbol] = after
        # The broker's position report follows its executions at a distance.
        lag = self.random.randint(0, 30 * MS)
        when = self._lag_until[order.symbol] = max(self._lag_until.get(order.symbol, 0), self.now + lag)
        self.at(when, partial(self.reported.__setitem__, order.symbol, after))
        order.remaining -= quantity
        if not order.remaining:
            self.working.pop(order.perm_id, None)

    def _stuck_orders(self, symbol: str | None = None) -> list[_Working]:
        return [one for one in self.working.values() if one.stuck and symbol in (None, one.symbol)]

    def _auction(self) -> None:
        for order in self._stuck_orders():
            self._fill(order, order.remaining)

    def _market_step(self) -> None:
        """Fill some of main's orders, let main send more, now and then."""
        if self.working and self.random.random() < 0.4:
            order = self.random.choice(list(self.working.values()))
            if not order.reference.startswith(KILL_PREFIX) and not order.stuck:
                self._fill(order, min(order.remaining, Decimal(self.random.choice((10, 25, 50)))))
        if self.main_may_send and self.random.random() < 0.3:
            symbol, side = self.random.choice(SYMBOLS), self.random.choice(tuple(Side))
            arrive = self._main_market_order if self.random.random() < 0.7 else self._main_resting_order
            self.wire("main", partial(arrive, symbol, side), longest_ms=40)
        if self.finish is None:
            self.at(self.now + 4 * MS, self._market_step)

    def _main_market_order(self, symbol: str, side: Side) -> None:
        order = self._work(f"main-{symbol}", symbol, side, Decimal(50))
        self._fill(order, order.remaining)

    def _main_resting_order(self, symbol: str, side: Side) -> None:
        self._work(f"main-{symbol}", symbol, side, Decimal(50))

    def _broker_cancel_all(self) -> None:
        for order in list(self.working.values()):
            if order.stuck:
                continue
            # The cancel takes a moment to be effective; a fill may overtake it.
            self.at(self.now + self.random.randint(0, 20 * MS), partial(self._gone, order))

    def _gone(self, order: _Working) -> None:
        if self.working.pop(order.perm_id, None) and order.reference.startswith(KILL_PREFIX):
            self._status(order, BrokerStatus.CANCELLED)

    def _broker_close(self, close: ClosingOrder) -> None:
        if close.symbol in self.troubles.halted_symbols:
            self._tell(lambda: CloseRefused(order_ref=close.order_ref, detail="201 halted", at_ns=self.now))
            return
        order = self._work(close.order_ref, close.symbol, close.side, close.quantity)
        self._fill_close(order)

    def _fill_close(self, order: _Working) -> None:
        if order.perm_id not in self.working:
            return
        part = order.remaining
        if self.troubles.partial_fills and part > 1 and self.random.random() < 0.5:
            part = (part / 2).to_integral_value()
        self._fill(order, part)
        self._status(order, BrokerStatus.SUBMITTED if order.remaining else BrokerStatus.FILLED)
        if order.remaining:
            self.at(self.now + self.random.randint(1, 30 * MS), lambda: self._fill_close(order))

    def _status(self, order: _Working, status: BrokerStatus) -> None:
        filled = order.quantity - order.remaining
        if self.random.random() >= self.troubles.lost_statuses:
            for _ in range(self.random.choice((1, 1, 2))):
                self._tell(
                    lambda: CloseStatus(
                        order_ref=order.reference, status=status, filled=filled, at_ns=self.now
                    )
                )

    def _open_orders(self) -> tuple[OpenOrderReport, ...]:
        return tuple(
            OpenOrderReport(
                order_ref=order.reference,
                order_id=0,
                perm_id=order.perm_id,
                client_id=1,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                order_type="LMT",
                status=BrokerStatus.SUBMITTED,
            )
            for order in self.working.values()
        )

    # --- watchdog ----------------------------------------------------------------------------------------

    def _tell(self, make: Callable[[], KillEvent]) -> None:
        """Send an event from the broker to the watchdog; lost when the session it belongs to is gone."""
        connection = self._connection
        self.wire("to watchdog", lambda: self._hand(make()) if connection == self._connection else None)

    def _hand(self, event: KillEvent) -> None:
        if self._machine is not None:
            self._carry_out(self._machine.handle(event))

    def _ask(self, what: Callable[[], object]) -> None:
        """Send a question to the broker, over the watchdog's wire."""
        if self._ready:
            self.wire("to broker", what)

    def _answer(self, make: Callable[[bool], KillEvent]) -> None:
        if self.random.random() < self.troubles.lost_answers:
            connection = self._connection
            self.at(
                self.now + 500 * MS,
                lambda: self._hand(make(False)) if connection == self._connection else None,
            )
            return
        event = make(True)  # the truth of this moment, delivered later
        self._tell(lambda: restamp(event, self.now))

    def _carry_out(self, actions: tuple[KillAction, ...]) -> None:
        for action in actions:
            match action:
                case CancelAll():
                    self._ask(self._broker_cancel_all)
                case RaiseFence():
                    self._raise_fence()
                case ReadOpenOrders(read_id=number):
                    self._ask(partial(self._answer, partial(self._read_orders, number)))
                case ReadPositions(read_id=number):
                    self._ask(partial(self._answer, partial(self._read_positions, number)))
                case SendCloses(orders=orders):
                    self._send(orders)
                case Finish():
                    self.finish = action
                case _:
                    pass

    def _read_orders(self, number: int, known: bool) -> KillEvent:
        return OpenOrdersRead(read_id=number, orders=self._open_orders() if known else None, at_ns=self.now)

    def _read_positions(self, number: int, known: bool) -> KillEvent:
        return PositionsRead(read_id=number, positions=dict(self.reported) if known else None, at_ns=self.now)

    def _send(self, orders: tuple[ClosingOrder, ...]) -> None:
        for close in orders:
            assert close.order_ref not in self.references, f"{close.order_ref} was used twice"
            self.references.append(close.order_ref)
            self.closes_journaled += 1
            if self._ready:
                self._ask(partial(self._broker_close, close))
            else:
                self._hand(CloseRefused(order_ref=close.order_ref, detail="gone", at_ns=self.now, sent=False))

    def _raise_fence(self) -> None:
        incarnation = self._incarnation

        def ended() -> None:
            self.main_may_send = False
            if incarnation == self._incarnation:
                self._hand(FenceEnded(outcome=self.troubles.fence, detail="simulated", at_ns=self.now))

        self.at(self.now + self.troubles.fence_ms * MS, ended)

    def _disconnect(self) -> None:
        """Lose the session; the broker takes in what was sent before it admits the client id again."""
        if not self._ready:
            return
        self._ready = False
        self._connection += 1
        self._hand(SessionChanged(ready=False, at_ns=self.now))
        back = max(self.now + 200 * MS, self._wire_free.get("to broker", 0) + MS)
        self.at(back, self._reconnect)

    def _reconnect(self) -> None:
        self._ready = True
        self._hand(SessionChanged(ready=True, at_ns=self.now))

    def _restart(self) -> None:
        """SIGKILL the watchdog and start it again from its journal, before it has a session."""
        if self.finish is not None:
            return
        self._incarnation += 1
        self._machine = None
        if self._ready:
            self._disconnect()
        self.at(self.now + 100 * MS, self._start)

    def _start(self) -> None:
        if self._machine is None:
            self._machine = KillSequence(
                kill_id="k1",
                limits=KillLimits(cancel_patience_ns=2_000 * MS),
                closes_sent=self.closes_journaled,
            )
            self._carry_out(self._machine.start(self.now, ready=self._ready))

    def _tick(self) -> None:
        self._hand(Tick(at_ns=self.now))
        if self.finish is None:
            self.at(self.now + 10 * MS, self._tick)

    def run(self, limit_s: float = 120.0) -> Finish:
        """Play until the sequence has ended."""
        self._start()
        self._tick()
        self._market_step()
        for _ in range(self.troubles.disconnects):
            self.at(self.now + self.random.randint(1, 1_500 * MS), self._disconnect)
        for _ in range(self.troubles.restarts):
            self.at(self.now + self.random.randint(1, 1_500 * MS), self._restart)
        if self.troubles.auction_ms is not None:
            self.at(self.now + self.troubles.auction_ms * MS, self._auction)
        end = self.now + int(limit_s * 1e9)
        while self._heap and self.finish is None and self.now < end:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        assert self.finish is not None, "the kill did not end"
        return self.finish


def restamp(event: KillEvent, at_ns: int) -> KillEvent:
    """The same answer, stamped with when it arrived."""
    match event:
        case OpenOrdersRead():
            return OpenOrdersRead(read_id=event.read_id, orders=event.orders, at_ns=at_ns)
        case PositionsRead():
            return PositionsRead(read_id=event.read_id, positions=event.positions, at_ns=at_ns)
        case _:
            return event
