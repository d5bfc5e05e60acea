"""One incarnation of main: the real queue, engine, order desk, executor, upkeep, reconciler and book, on simulated ports."""

from __future__ import annotations

from concurrent.futures import Future
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from core.config_schema import ExecutionSettings
from core.errors import NotConnected
from core.event_queue import EventQueue
from core.events import BrokerSnapshot, ConnectionChanged, Event, Halt, Order, Quote
from core.ib_wrapper.order_ids import OrderIds
from core.reasons import Reason
from core.records import RecordKind
from core.vocabulary import ConnectionState, Unknown
from execution.ib_executor import IBExecutor
from execution.methods.selection import MethodSelector
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.order_ref import OrderRefSequence, short_run
from execution.parent_work import ParentWork
from execution.ticks import PriceGrid
from execution.trailing_stops import TrailingStops
from execution.upkeep import OrderUpkeep
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import Decision
from portfolio.live_manager.engine import Engine, EngineParts
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.reconciler import Reconciler
from portfolio.live_manager.status import Phase, RunStatus
from tests.simulation.broker import ACCOUNT, OPENING_CASH, Broker
from tests.simulation.clock import MS, Stepper, Time, Wire
from tests.simulation.journal import Disk, MemoryJournal

MAIN = 1
STRATEGY = "momentum"
RUN = "simulate0"
SETTINGS = ExecutionSettings.model_validate(
    {
        "pending_submit_query_s": 1.0,
        "reconcile_interval_s": 2.0,
        "pretrade": {"max_orders_per_minute": 3000, "max_repeats": 1000},
    }
)
SYMBOLS = ("AAPL", "IBM")
_LONGEST = 15 * MS
_ANSWER_LOST = 500 * MS


class _Queue(EventQueue):
    """The engine's queue; its consumer never waits, because simulated time stands still meanwhile."""

    def get(self, timeout_s: float | None = None) -> Event | None:
        return super().get(0.0)


class MainSession:
    """Main's broker session: a wire each way, cut when either side goes."""

    def __init__(self, time: Time, broker: Broker, queue: EventQueue, stepper: Stepper, floor: int) -> None:
        self._time, self._broker, self._queue, self._stepper = time, broker, queue, stepper
        self._ids = OrderIds(floor)
        self._out, self._in = Wire(time, _LONGEST), Wire(time, _LONGEST)
        self.is_ready = False
        self.placed: dict[str, int] = {}

    # --- as the engine sees it ---------------------------------------------------------------------------

    def next_order_id(self) -> int:
        """Id that was never used."""
        return self._ids.take()

    def place(
        self, order_id: int, order: Order, *, parent_id: int | None = None, transmit: bool = True
    ) -> None:
        """Send an order."""
        if not self.is_ready:
            raise NotConnected("simulated: no connection")
        self._stepper.step(f"before sending {order.order_ref}")
        self._time.say("main", f"places {order.order_ref} as {order_id}: {order.side} {order.quantity}")
        # What the kernel has reaches the broker even when main dies now.
        self._out.send(
            lambda: (
                self._broker.place(MAIN, order_id, order, parent_id, transmit) if self._broker.is_up else None
            ),
            is_sure=True,
        )
        self._stepper.step(f"after sending {order.order_ref}")

    def cancel(self, order_id: int) -> None:
        """Ask for an order's end."""
        if not self.is_ready:
            raise NotConnected("simulated: no connection")
        self._time.say("main", f"cancels {order_id}")
        self._out.send(
            lambda: self._broker.cancel(MAIN, order_id) if self._broker.is_up else None, is_sure=True
        )
        self._stepper.step(f"after cancelling {order_id}")

    def request_snapshot(self) -> Future[BrokerSnapshot]:
        """Ask for positions, orders, executions and cash: the parts are taken at different moments."""
        if not self.is_ready:
            raise NotConnected("simulated: no connection")
        answer: Future[BrokerSnapshot] = Future()
        asked = self._time.now
        parts: dict[str, Any] = {}
        chance, troubles = self._time.chance, self._broker.troubles

        def lost() -> bool:
            return chance.random() < troubles.no_answer

        def read(name: str) -> None:
            if not self._broker.is_up or lost():
                parts[name] = Unknown.TIMED_OUT
            elif name == "positions":
                parts[name] = self._broker.position_reports()
            elif name == "open_orders":
                parts[name] = self._broker.open_orders()
            elif name == "executions":
                parts[name] = tuple(self._broker.executions)
                for commission in list(self._broker.commissions.values()):  # they come with the executions
                    self._in.send(lambda one=commission: self._queue.put(one))  # type: ignore[misc]
            else:
                parts[name] = {"TotalCashValue": self._broker.cash}

        names = ["positions", "open_orders", "executions", "values"]
        chance.shuffle(names)
        for name in names:
            self._out.send(lambda name=name: read(name))  # type: ignore[misc]

        def reply() -> None:
            late = _ANSWER_LOST if any(isinstance(part, Unknown) for part in parts.values()) else 0
            snapshot = BrokerSnapshot(
                account=ACCOUNT,
                requested_monotonic_ns=asked,
                received_monotonic_ns=self._time.now,
                **parts,
            )
            self._time.after(late, lambda: self._in.send(lambda: answer.set_result(snapshot)))

        self._out.send(reply)
        return answer

    # --- the line ----------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Carry the broker's news to main."""
        self._in.send(lambda: self._queue.put(event))

    def connect(self) -> None:
        """Be connected; the broker knows the client from now on."""
        self._out, self._in = Wire(self._time, _LONGEST), Wire(self._time, _LONGEST)
        self.is_ready = True
        self._ids.offered(self._broker.next_valid_id(MAIN))
        self._broker.clients[MAIN] = self
        self._queue.put(ConnectionChanged(state=ConnectionState.READY, reason="simulated", data_lost=True))

    def lose(self) -> int:
        """Lose the connection; return when all that the kernel had been given has arrived."""
        self.is_ready = False
        self._in.is_open = self._out.is_open = False
        if self._broker.clients.get(MAIN) is self:
            del self._broker.clients[MAIN]
        return self._out.drained_at

    def drop(self) -> int:
        """Lose the connection while main lives on."""
        drained = self.lose()
        self._queue.put(ConnectionChanged(state=ConnectionState.LOST, reason="simulated"))
        return drained


class MainProcess:
    """Main from its journal on. ``restart`` is nothing but making another one on the same disk."""

    def __init__(self, time: Time, broker: Broker, disk: Disk, *, through_json: bool) -> None:
        self.time, self.broker = time, broker
        self.stepper = Stepper(time, "main")
        self.journal = MemoryJournal(disk, self.stepper)
        self.book = LiveBook(lambda day: day)
        for kind, payload in disk.read_back() if through_json else list(disk.entries):
            self.book.apply(kind, payload)
        self.queue = _Queue()
        self.status = RunStatus(phase=Phase.TRADING, account=ACCOUNT)
        self.session = MainSession(time, broker, self.queue, self.stepper, self.book.orders.highest_order_id)
        self.manager = OrderManager(self.book.orders, self.journal, client_id=MAIN, clock=time)
        self.lane = OrderLane()
        self.has_lease = True
        self.flag_halt: Halt | None = None
        self._assemble()
        if not self.book.is_opened:
            payload = {"amount": str(OPENING_CASH), "reason": "opening balance"}
            self.journal.append(RecordKind.CASH_ADJUSTED, payload)
            self.book.apply(RecordKind.CASH_ADJUSTED, payload)

    def _assemble(self) -> None:
        time, last = self.time, self.book.orders.last_sequence(short_run(RUN))
        factory = OrderFactory(OrderRefSequence(RUN, last), PriceGrid({}))
        shared: dict[str, Any] = {"session": self.session, "journal": self.journal, "clock": time}
        self.executor = IBExecutor(
            manager=self.manager,
            lane=self.lane,
            submissions=SimpleNamespace(record=lambda _order: None),
            factory=factory,
            selector=MethodSelector(SETTINGS, PriceGrid({})),
            exchange_of=lambda _symbol: "NYSE",
            settings=SETTINGS,
            symbols=SYMBOLS,
            quotes=self._quote,
            **shared,
        )
        upkeep = OrderUpkeep(executor=self.executor, factory=factory, query_after_s=1.0, **shared)
        journal: Any = self.journal
        self.reconciler = Reconciler(
            book=self.book,
            orders=self.manager,
            journal=journal,
            clock=time,
            interval_s=SETTINGS.reconcile_interval_s,
            ask=self._ask,
            account=lambda: ACCOUNT,
        )
        self.desk = OrderDesk(
            book=self.book,
            manager=self.manager,
            executor=self.executor,
            upkeep=upkeep,
            work=ParentWork(
                executor=self.executor,
                settings=SETTINGS.methods,
                session_at=lambda _market_ns: None,
                clock=time,
            ),
            journal=journal,
            status=self.status,
            trailing=TrailingStops(self.manager, journal, PriceGrid({})),
            ask_broker=self.reconciler.request_soon,
            trails=lambda _strategy: False,
        )
        self.reconciler.book_execution = self.desk.on_execution
        outside: Any = _Outside(self)
        self.engine = Engine(
            EngineParts(
                queue=self.queue,
                journal=journal,
                clock=time,
                status=self.status,
                book=self.book,
                guard=outside,
                lane=self.lane,
                feed=outside,
                desk=self.desk,
                reconciler=self.reconciler,
                trader=outside,
                backfill=SimpleNamespace(poll=lambda: None),  # type: ignore[arg-type]
                heartbeat=outside,
            )
        )

    def _ask(self) -> None:
        try:
            future = self.session.request_snapshot()
        except NotConnected:  # the real session answers "unknown" with the end of the connection
            self.reconciler.lost_connection()
            return
        future.add_done_callback(lambda answer: self.queue.put(answer.result()))

    def _quote(self, symbol: str) -> Quote:
        now = self.time.now
        return Quote(
            symbol=symbol, bid=99.9, ask=100.1, last=100.0, bid_size=1, ask_size=1, received_monotonic_ns=now
        )

    def work(self) -> None:
        """Take what waits, and one round of what is due."""
        for _ in range(self.queue.depth() + 1):
            self.engine.step()

    def target(self, symbol: str, quantity: int) -> None:
        """Have a decision for a position carried out."""
        decision = Decision(
            strategy=STRATEGY,
            symbol=symbol,
            position=self.book.position(STRATEGY, symbol),
            target=Decimal(quantity),
            reason=Reason.NONE,
            stop_distance=5.0,
        )
        self.time.say("main", f"wants {quantity} {symbol}, holds {decision.position}")
        self.desk.act(
            [decision], self.engine.conditions(), bar_end_ns=self.time.now, price_of=lambda _symbol: 100.0
        )


class _Outside:
    """What stands around the engine and decides nothing here: prices, bars, heartbeat, flags and lease."""

    market_ns = 0
    events_processed = 0

    def __init__(self, process: MainProcess) -> None:
        self._process = process

    def poll(self) -> tuple[()]:
        return ()

    take_changes = poll

    def is_due(self, now_ns: int) -> bool:
        return True

    def send(self, now_ns: int) -> None:
        """Nobody listens to heartbeats here."""

    def flag_halt(self) -> Halt | None:
        return self._process.flag_halt

    def has_lease(self) -> bool:
        return self._process.has_lease

    def market_is_open(self) -> bool:
        return True

    def stale_symbols(self) -> frozenset[str]:
        return frozenset()

    def on_reconnected(self, *, data_lost: bool) -> None:
        """No feed is subscribed."""

    on_quote = on_feed_changed = on_realtime_bar = on_row = send
