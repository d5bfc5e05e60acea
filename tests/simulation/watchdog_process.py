"""One incarnation of the watchdog in a kill: the real shell, sequence, history, recorder and alerts, on simulated ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from core.clock import Clock
from core.config_schema import RiskSettings
from core.errors import NotConnected
from core.events import ConnectionChanged, Event, OpenOrderReport, Order, PositionReport
from core.ib_wrapper.order_ids import OrderIds
from core.vocabulary import ConnectionState, HaltReason, Unknown
from risk.alerts import Alerts
from risk.fence import FenceResult
from risk.kill_history import KillHistory
from risk.kill_messages import KillEvent
from risk.liquidation import Kill, Liquidation
from risk.recorder import Recorder
from tests.simulation.broker import Broker
from tests.simulation.clock import MS, Stepper, Time, Wire
from tests.simulation.journal import Disk, MemoryJournal

WATCHDOG = 2
RUN_ID = "simulated"
_LONGEST = 10 * MS
_ANSWER_LOST = 300 * MS
_SETTINGS = RiskSettings()
Answer = Future[Any]


class SimFlags:
    """The flag folder, which survives every process."""

    def __init__(self) -> None:
        self.body: dict[str, object] | None = None

    def write_kill(self, body: Mapping[str, object]) -> None:
        """Raise the flag."""
        self.body = dict(body)

    def standing(self) -> tuple[str, ...]:
        """Names of the flags that stand."""
        return () if self.body is None else ("KILL.flag",)


class WatchdogSession:
    """The watchdog's own broker session."""

    def __init__(
        self, time: Time, broker: Broker, stepper: Stepper, floor: int, hand: Callable[[Event], None]
    ) -> None:
        self._time, self._broker, self._stepper, self._hand = time, broker, stepper, hand
        self._ids = OrderIds(floor)
        self._out, self._in = Wire(time, _LONGEST), Wire(time, _LONGEST)
        self.is_ready = False

    @property
    def state(self) -> ConnectionState:
        """State of the connection."""
        return ConnectionState.READY if self.is_ready else ConnectionState.LOST

    def next_order_id(self) -> int:
        """Id that was never used."""
        return self._ids.take()

    def cancel_all(self) -> None:
        """Send a global cancel."""
        self._check()
        self._stepper.step("before the global cancel")
        self._time.say("watchdog", "cancels all")
        self._out.send(lambda: self._broker.cancel_all() if self._broker.is_up else None, is_sure=True)

    def place(self, order_id: int, order: Order) -> None:
        """Send a closing order."""
        self._check()
        self._stepper.step(f"before sending {order.order_ref}")
        self._time.say("watchdog", f"closes {order.order_ref}: {order.side} {order.quantity} {order.symbol}")
        self._out.send(
            lambda: self._broker.place(WATCHDOG, order_id, order, None, True) if self._broker.is_up else None,
            is_sure=True,
        )
        self._stepper.step(f"after sending {order.order_ref}")

    def open_orders(self) -> Future[tuple[OpenOrderReport, ...] | Unknown]:
        """Ask for all open orders."""
        return self._ask(self._broker.open_orders)

    def positions(self) -> Future[tuple[PositionReport, ...] | Unknown]:
        """Ask for positions."""
        return self._ask(self._broker.position_reports)

    def _check(self) -> None:
        if not self.is_ready:
            raise NotConnected("simulated: no connection")

    def _ask(self, read: Callable[[], object]) -> Answer:
        answer: Answer = Future()
        if not self.is_ready:
            answer.set_result(Unknown.DISCONNECTED)
            return answer

        def reply() -> None:
            lost = self._time.chance.random() < self._broker.troubles.no_answer or not self._broker.is_up
            found = Unknown.TIMED_OUT if lost else read()
            self._time.after(
                _ANSWER_LOST if lost else 0, lambda: self._in.send(lambda: answer.set_result(found))
            )

        self._out.send(reply)
        return answer

    def hear(self, event: Event) -> None:
        """Carry the broker's news to the watchdog."""
        self._in.send(lambda: self._hand(event))

    def connect(self) -> None:
        """Be connected."""
        self._out, self._in = Wire(self._time, _LONGEST), Wire(self._time, _LONGEST)
        self.is_ready = True
        self._ids.offered(self._broker.next_valid_id(WATCHDOG))
        self._broker.clients[WATCHDOG] = self
        self._hand(ConnectionChanged(state=ConnectionState.READY, reason="simulated"))

    def lose(self) -> int:
        """Lose the connection; return when all that the kernel had been given has arrived."""
        self.is_ready = False
        self._in.is_open = self._out.is_open = False
        if self._broker.clients.get(WATCHDOG) is self:
            del self._broker.clients[WATCHDOG]
        return self._out.drained_at

    def drop(self) -> int:
        """Lose the connection while the watchdog lives on."""
        drained = self.lose()
        self._hand(ConnectionChanged(state=ConnectionState.LOST, reason="simulated"))
        return drained


class SimFence:
    """Stops main after a while, in the way that the run has chosen."""

    def __init__(self, clock: Clock, delay: int, stop_main: Callable[[], FenceResult]) -> None:
        self._clock, self._delay, self._stop_main = clock, delay, stop_main
        self._due: int | None = None

    def begin(self, reason: str) -> None:
        """Ask main to halt."""
        if self._due is None:
            self._due = self._clock.monotonic_ns() + self._delay

    def poll(self) -> FenceResult | None:
        """Result, once."""
        if self._due is None or self._clock.monotonic_ns() < self._due:
            return None
        self._due = None
        return self._stop_main()


class WatchdogProcess:
    """The watchdog from its journal on: takes up a kill that has not ended, as ``risk.watchdog`` does."""

    def __init__(
        self, time: Time, broker: Broker, disk: Disk, flags: SimFlags, *, fence_delay: int, stop_main: Any
    ) -> None:
        self.time, self.flags = time, flags
        self.stepper = Stepper(time, "watchdog")
        self.recorder = Recorder(MemoryJournal(disk, self.stepper))  # type: ignore[arg-type]
        self.alerts = Alerts(self.recorder, time)
        self.history = KillHistory.of(disk.records())
        self.session = WatchdogSession(time, broker, self.stepper, self.history.order_id_floor, self._hear)
        self._fence = SimFence(time, fence_delay, stop_main)
        self._inbox: list[Event | KillEvent] = []
        self.liquidation: Liquidation | None = None

    def take_up(self) -> None:
        """Finish what an earlier incarnation began."""
        unfinished = self.history.unfinished(self.flags.body, RUN_ID, self.time)
        if unfinished is not None:
            self._begin(unfinished)

    def kill(self, kill_id: str) -> None:
        """Begin a kill."""
        self._begin(
            Kill(
                kill_id=kill_id,
                reason=HaltReason.DRAWDOWN,
                detail="simulated",
                detected_ns=self.time.now,
            )
        )

    def _begin(self, kill: Kill) -> None:
        session: Any = self.session
        fence: Any = self._fence
        flags: Any = self.flags
        self.liquidation = Liquidation(
            kill,
            session=session,
            fence=fence,
            flags=flags,
            recorder=self.recorder,
            alerts=self.alerts,
            clock=self.time,
            run_id=RUN_ID,
            settings=_SETTINGS,
            post=self._inbox.append,
        )
        self.liquidation.start()

    def _hear(self, event: Event) -> None:
        self._inbox.append(event)

    def work(self) -> None:
        """Take what waits, and move the kill on."""
        inbox, self._inbox[:] = list(self._inbox), []
        for event in inbox:
            if self.liquidation is None:
                continue
            if isinstance(event, KillEvent):
                self.liquidation.handle(event)
            else:
                self.liquidation.on_broker_event(event)
        if self.liquidation is not None and self.liquidation.report is None:
            self.liquidation.poll()

    @property
    def is_done(self) -> bool:
        """Whether its kill has ended."""
        return self.liquidation is not None and self.liquidation.report is not None
