"""A kill over a slow line in simulated time: the real questions and the real sequence, a broker that is far away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.ib_wrapper.requests import Plain, PlainRequests, Question
from core.vocabulary import BrokerStatus, Unknown
from risk.kill_messages import (
    CloseStatus,
    ClosingOrder,
    FenceEnded,
    FenceOutcome,
    Finish,
    KillAction,
    OpenOrdersRead,
    PositionsRead,
    RaiseFence,
    ReadOpenOrders,
    ReadPositions,
    SendCloses,
    Tick,
    Warn,
)
from risk.kill_sequence import KillSequence
from tests.simulation.clock import MS, SECOND, Time


class Line:
    """One direction: in order, each message as late as drawn."""

    def __init__(self, time: Time, delay_s: float, spread: float) -> None:
        self._time, self._delay_s, self._spread, self._free = time, delay_s, spread, 0

    def send(self, what: Callable[[], object]) -> None:
        """Deliver later."""
        share = self._time.chance.uniform(1 - self._spread, 1 + self._spread)
        self._free = max(self._free, self._time.now + round(self._delay_s * share * SECOND))
        self._time.at(self._free, what)


@dataclass
class FarKill:
    """A kill of an account that holds 100 shares; ``run`` plays it."""

    round_trip_s: float
    spread: float = 0.0
    seed: int = 1
    timeout_s: float = 10.0
    silent_s: float = 0.0
    """For so long from the kill on the broker answers no question, and never will answer those."""
    held: Decimal = Decimal(100)
    asked: int = 0
    finish: Finish | None = None
    warnings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.time = Time(self.seed)
        self.began = self.time.now
        self._out = Line(self.time, self.round_trip_s / 2, self.spread)
        self._in = Line(self.time, self.round_trip_s / 2, self.spread)
        self._sequence = KillSequence(kill_id="abc123")
        self._plain = {
            sort: PlainRequests(sort, lambda sort=sort: self._send(sort), self.time)  # type: ignore[misc]
            for sort in Plain
        }

    def run(self, limit_s: float = 120.0) -> float:
        """Play until the end or the limit; return how many seconds the kill took."""
        self._carry_out(self._sequence.start(self.time.now, ready=True))
        self._pulse()
        while self.finish is None and self.passed_s < limit_s:
            self.time.run_until(self.time.now + 10 * MS)
        return self.passed_s

    @property
    def passed_s(self) -> float:
        """Seconds since the kill began."""
        return (self.time.now - self.began) / SECOND

    def _pulse(self) -> None:
        self._hand(Tick(at_ns=self.time.now))
        if (self.time.now - self.began) % (100 * MS) == 0:
            for requests in self._plain.values():
                requests.expire(self.time.now)
        self.time.after(5 * MS, self._pulse)

    def _send(self, sort: Plain) -> None:
        self.asked += 1
        self._out.send(lambda: self._answer(sort))

    def _answer(self, sort: Plain) -> None:
        if self.passed_s < self.silent_s:
            return
        parts = [self.held] if sort is Plain.POSITIONS and self.held else []

        def arrive() -> None:
            for part in parts:
                self._plain[sort].collect(part)
            self._plain[sort].complete()

        self._in.send(arrive)

    def _ask(self, sort: Plain, take: Callable[[Any], None]) -> None:
        deadline = self.time.now + round(self.timeout_s * SECOND)
        question: Question[Any] = Question(name=str(sort), deadline_ns=deadline, finish=list)

        def answered(future: Future[Any]) -> None:
            found = future.result()
            # Through the loop, as in the watchdog.
            self.time.after(0, lambda: take(None if isinstance(found, Unknown) else found))

        self._plain[sort].ask(question).add_done_callback(answered)

    def _hand(self, event: Any) -> None:
        self._carry_out(self._sequence.handle(event))

    def _carry_out(self, actions: tuple[KillAction, ...]) -> None:
        for action in actions:
            match action:
                case RaiseFence():
                    self.time.after(20 * MS, self._fenced)
                case ReadOpenOrders(read_id=number):
                    self._ask(Plain.OPEN_ORDERS, lambda found, number=number: self._orders(number, found))  # type: ignore[misc]
                case ReadPositions(read_id=number):
                    self._ask(Plain.POSITIONS, lambda found, number=number: self._positions(number, found))  # type: ignore[misc]
                case SendCloses(orders=orders):
                    for close in orders:
                        self._out.send(lambda close=close: self._fill(close))  # type: ignore[misc]
                case Warn(text=text):
                    self.warnings.setdefault(text, self.passed_s)
                case Finish():
                    self.finish = action
                case _:
                    pass

    def _fenced(self) -> None:
        self._hand(FenceEnded(outcome=FenceOutcome.ACKNOWLEDGED, detail="", at_ns=self.time.now))

    def _orders(self, number: int, found: list[Any] | None) -> None:
        orders = None if found is None else tuple(found)
        self._hand(OpenOrdersRead(read_id=number, orders=orders, at_ns=self.time.now))

    def _positions(self, number: int, found: list[Decimal] | None) -> None:
        held = None if found is None else dict(zip(["IBM"], found, strict=False))
        self._hand(PositionsRead(read_id=number, positions=held, at_ns=self.time.now))

    def _fill(self, close: ClosingOrder) -> None:
        before, self.held = self.held, self.held + close.side.sign * close.quantity
        assert before * self.held >= 0, f"the close turned the position from {before} to {self.held}"
        done = CloseStatus(
            order_ref=close.order_ref, status=BrokerStatus.FILLED, filled=close.quantity, at_ns=self.time.now
        )
        self._in.send(lambda: self._hand(done))
