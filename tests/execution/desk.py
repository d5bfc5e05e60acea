"""An executor with everything around it, on a broker that only writes down what it was sent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.clock import ManualClock
from core.config_schema import ExecutionSettings, PretradeSettings
from core.errors import NotConnected
from core.events import BrokerSnapshot, Order, Quote
from core.vocabulary import BrokerStatus, HaltLevel, Side, Unknown
from execution.ib_executor import IBExecutor
from execution.methods.selection import MethodSelector
from execution.methods.situation import SessionTimes
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.order_ref import OrderRefSequence
from execution.order_state import OrderState
from execution.parent_work import ParentWork, WorkReport
from execution.plans import EntryPlan, ExitPlan, TradingConditions
from execution.ticks import PriceGrid
from execution.upkeep import OrderUpkeep
from portfolio.algo_wheel import MethodPolicy
from tests.execution.orders import D, ListJournal, execution_of, make_manager, status_of

HOUR_NS = 3_600_000_000_000
SESSION = SessionTimes(open_ns=100 * HOUR_NS, close_ns=100 * HOUR_NS + 13 * HOUR_NS // 2)
NOON_NS = SESSION.open_ns + 5 * HOUR_NS // 2
OPEN = TradingConditions(halt_level=HaltLevel.NONE, connected=True, reconciled=True, lease=True)


@dataclass
class WrittenOrder:
    order_id: int
    order: Order
    parent_id: int | None
    transmit: bool


@dataclass
class ScribeBroker:
    """Takes orders in order; ``fails_at`` refuses the n-th, ``before_place`` lets a test step in between."""

    placed: list[WrittenOrder] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    queries: list[Future[BrokerSnapshot]] = field(default_factory=list)
    fails_at: int | None = None
    is_down: bool = False
    before_place: Callable[[Order], None] = lambda order: None
    last_id: int = 0

    def next_order_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def place(
        self, order_id: int, order: Order, *, parent_id: int | None = None, transmit: bool = True
    ) -> None:
        self.before_place(order)
        if self.is_down or self.fails_at == len(self.placed):
            raise NotConnected("the broker connection is lost")
        self.placed.append(WrittenOrder(order_id, order, parent_id, transmit))

    def cancel(self, order_id: int) -> None:
        if self.is_down:
            raise NotConnected("the broker connection is lost")
        self.cancelled.append(order_id)

    def request_snapshot(self) -> Future[BrokerSnapshot]:
        if self.is_down:
            raise NotConnected("the broker connection is lost")
        self.queries.append(Future())
        return self.queries[-1]


@dataclass
class Lines:
    lines: list[Order] = field(default_factory=list)

    def record(self, order: Order) -> None:
        self.lines.append(order)


class Desk:
    """The executor, its upkeep and what they write to; one symbol quoted at 190."""

    def __init__(
        self,
        *,
        pretrade: PretradeSettings | None = None,
        method: str = "MKT",
        exit_method: str = "MKT",
        policy: MethodPolicy | None = None,
        **methods: object,
    ) -> None:
        self.clock = ManualClock(monotonic_ns=10**12)
        self.manager: OrderManager
        self.journal: ListJournal
        self.manager, self.journal = make_manager(self.clock)
        self.broker, self.lines, self.lane = ScribeBroker(), Lines(), OrderLane()
        settings = ExecutionSettings.model_validate(
            {
                "pretrade": pretrade or PretradeSettings(),
                "method": method,
                "exit_method": exit_method,
                "methods": methods,
            }
        )
        self.settings = settings
        factory = OrderFactory(OrderRefSequence("run00001"), PriceGrid({}))
        self.executor = IBExecutor(
            session=self.broker,
            manager=self.manager,
            journal=self.journal,
            lane=self.lane,
            submissions=self.lines,
            factory=factory,
            selector=MethodSelector(settings, PriceGrid({}), policy=policy),
            exchange_of=lambda _symbol: "NYSE",
            settings=settings,
            symbols=("IBM", "MSFT"),
            quotes=self.quote,
            clock=self.clock,
        )
        self.upkeep = OrderUpkeep(
            executor=self.executor,
            session=self.broker,
            journal=self.journal,
            factory=factory,
            clock=self.clock,
            query_after_s=5.0,
        )
        self.closed_by_watchdog: dict[tuple[str, str], Decimal] = {}
        self.session: SessionTimes | None = SESSION
        self.market_ns = NOON_NS
        self.work = ParentWork(
            executor=self.executor,
            settings=settings.methods,
            session_at=lambda _market_ns: self.session,
            clock=self.clock,
        )

    def quote(self, symbol: str) -> Quote | None:
        return Quote(
            symbol=symbol,
            bid=189.99,
            ask=190.01,
            last=190.0,
            bid_size=100,
            ask_size=100,
            received_monotonic_ns=self.clock.monotonic_ns(),
        )

    def entry(
        self,
        quantity: int = 100,
        *,
        symbol: str = "IBM",
        strategy: str = "momentum",
        trail_distance: float | None = None,
    ) -> EntryPlan:
        return EntryPlan(
            strategy=strategy,
            symbol=symbol,
            side=Side.BUY,
            quantity=D(quantity),
            stop_price=180.004,
            arrival_price=190.0,
            created_ns=self.market_ns,
            session=self.session,
            trail_distance=trail_distance,
        )

    def exit(self, position: int, quantity: int | None = None, *, strategy: str = "momentum") -> ExitPlan:
        return ExitPlan(
            strategy=strategy,
            symbol="IBM",
            position=D(position),
            quantity=D(abs(position) if quantity is None else quantity),
            arrival_price=190.0,
            created_ns=self.market_ns,
            session=self.session,
        )

    def state(self, ref: str) -> OrderState:
        state = self.manager.book.get(ref)
        assert state is not None
        return state

    def open_position(
        self, quantity: int = 100, *, trail_distance: float | None = None
    ) -> tuple[OrderState, OrderState]:
        """Enter and fill; return the entry and its working stop."""
        self.executor.submit([self.entry(quantity, trail_distance=trail_distance)], OPEN)
        entry, stop = (self.state(written.order.order_ref) for written in self.broker.placed[-2:])
        self.fill(entry, quantity)
        self.tell(entry, BrokerStatus.FILLED, quantity)
        self.tell(stop, BrokerStatus.PRE_SUBMITTED)
        return self.state(entry.order_ref), self.state(stop.order_ref)

    def fill(self, state: OrderState, quantity: int, number: int | None = None) -> None:
        unique = 1 + sum(1 for kind in self.journal.kinds() if kind == "fill") if number is None else number
        execution = execution_of(state.order, state.order_id, quantity, number=unique)
        self.manager.on_execution(replace(execution, perm_id=900 + state.order_id))

    def tell(self, state: OrderState, status: BrokerStatus, filled: int = 0) -> None:
        self.manager.on_status(
            status_of(state.order, state.order_id, status, filled, perm_id=900 + state.order_id)
        )

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """Return what the ledger would say: our own fills, and the watchdog's."""
        keys = {(state.order.strategy, state.order.symbol) for state in self.manager.book}
        return {
            key: self.manager.book.filled_position(*key) + self.closed_by_watchdog.get(key, D(0))
            for key in keys
        }

    def look_after(self, seconds: float = 1.0, conditions: TradingConditions = OPEN) -> None:
        """Two rounds of upkeep, so that a mismatch has lasted for ``seconds``."""
        self.upkeep.run(self.positions(), conditions, 7)
        self.clock.advance(seconds)
        self.upkeep.run(self.positions(), conditions, 7)

    def go_on(self, seconds: float = 0.0, conditions: TradingConditions = OPEN) -> WorkReport:
        """One round of the parents' work, ``seconds`` of market time later."""
        self.market_ns += round(seconds * 1e9)
        self.clock.advance(1.0)
        return self.work.run(self.positions(), conditions, self.market_ns)

    def snapshot(self, **parts: object) -> BrokerSnapshot:
        now = self.clock.monotonic_ns()
        known: dict[str, object] = {
            "account": "DU1234567",
            "requested_monotonic_ns": now,
            "received_monotonic_ns": now,
            "positions": Unknown.TIMED_OUT,
            "open_orders": (),
            "executions": (),
        }
        return BrokerSnapshot(**(known | parts))  # type: ignore[arg-type]
