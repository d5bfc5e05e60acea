"""The engine's order side on a real journal, with a broker that only writes down what it was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from core.clock import ManualClock
from core.config_schema import ExecutionSettings
from core.events import BrokerSnapshot, Execution, PositionReport, Quote
from core.journal import Journal, Record, read
from core.reasons import Reason
from core.records import RecordKind
from core.vocabulary import Unknown
from execution.ib_executor import IBExecutor
from execution.methods.selection import MethodSelector
from execution.methods.situation import SessionTimes
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.order_ref import OrderRefSequence
from execution.parent_work import ParentWork
from execution.ticks import PriceGrid
from execution.trailing_stops import TrailingStops
from execution.upkeep import OrderUpkeep
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import Decision
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.order_facts import SessionMoment
from portfolio.live_manager.reconciler import Reconciler
from portfolio.live_manager.status import RunStatus
from tests.execution.desk import OPEN, Lines, ScribeBroker
from tests.execution.orders import CLIENT, execution_of

ACCOUNT = "DU1234567"
START_NS = 1_352_730_600_000_000_000  # 2012-11-12 14:30 UTC


def new_book() -> LiveBook:
    """An empty book whose trades settle a day later."""
    return LiveBook(lambda day: day + timedelta(days=1))


HOUR_NS = 3_600_000_000_000


class Parts:
    """Book, orders, desk and reconciler of one main."""

    def __init__(self, folder: Path, **execution: object) -> None:
        self.clock = ManualClock(wall_ns=START_NS, monotonic_ns=10**12)
        self.journal = Journal(
            folder / "main.db", process="main", run_id="run00001", boot_id="b", clock=self.clock
        )
        self.book, self.status, self.broker = new_book(), RunStatus(), ScribeBroker()
        self.manager = OrderManager(self.book.orders, self.journal, client_id=CLIENT, clock=self.clock)
        settings = ExecutionSettings.model_validate(execution)
        factory = OrderFactory(OrderRefSequence("run00001"), PriceGrid({}))
        executor = IBExecutor(
            session=self.broker,
            manager=self.manager,
            journal=self.journal,
            lane=OrderLane(),
            submissions=Lines(),
            factory=factory,
            selector=MethodSelector(settings, PriceGrid({})),
            exchange_of=lambda _symbol: "NYSE",
            settings=settings,
            symbols=("IBM", "MSFT"),
            quotes=self._quote,
            clock=self.clock,
        )
        self.session: SessionTimes | None = None
        self.questions: list[int] = []
        self.trailing: set[str] = set()
        self.reconciler = Reconciler(
            book=self.book,
            orders=self.manager,
            journal=self.journal,
            clock=self.clock,
            interval_s=10.0,
            ask=lambda: self.questions.append(self.clock.monotonic_ns()),
            account=lambda: ACCOUNT,
        )
        self.desk = OrderDesk(
            book=self.book,
            manager=self.manager,
            executor=executor,
            upkeep=OrderUpkeep(
                executor=executor,
                session=self.broker,
                journal=self.journal,
                factory=factory,
                clock=self.clock,
                query_after_s=5.0,
            ),
            work=ParentWork(
                executor=executor,
                settings=settings.methods,
                session_at=lambda _market_ns: self.session,
                clock=self.clock,
            ),
            journal=self.journal,
            status=self.status,
            trailing=TrailingStops(self.manager, self.journal, PriceGrid({})),
            ask_broker=self.reconciler.request_soon,
            trails=lambda strategy: strategy in self.trailing,
        )
        self.reconciler.book_execution = self.desk.on_execution
        self.desk.is_locked = lambda symbol: symbol in self.reconciler.locked_symbols
        self.write(RecordKind.CASH_ADJUSTED, {"amount": "100000", "reason": "opening balance"})

    def write(self, kind: RecordKind, payload: dict[str, object]) -> None:
        """Journal and apply a record, as the engine does."""
        self.journal.append(kind, payload)
        self.book.apply(kind, payload)

    def act(self, target: int, *, position: int = 0, symbol: str = "IBM", lease: bool = True) -> None:
        """Have a decision of the strategy momentum carried out."""
        decision = Decision(
            strategy="momentum",
            symbol=symbol,
            position=Decimal(position),
            target=Decimal(target),
            reason=Reason.NONE,
            stop_distance=5.0,
        )
        self.desk.act(
            [decision],
            replace(OPEN, lease=lease),
            bar_end_ns=START_NS,
            price_of=lambda _: 190.0,
            moment=SessionMoment(
                day_fraction=0.25,
                bars=78.0,
                session=SessionTimes(open_ns=START_NS - HOUR_NS, close_ns=START_NS + 3 * HOUR_NS),
            ),
        )

    def fill(self, number: int, quantity: int, index: int = -1) -> Execution:
        """Have the broker fill a part of a placed order, and tell."""
        execution = self.execution(number, quantity, index)
        self.desk.on_message(execution)
        return execution

    def execution(self, number: int, quantity: int, index: int = -1) -> Execution:
        """Report of a fill."""
        written = self.broker.placed[index]
        execution = execution_of(written.order, written.order_id, quantity, number=number)
        return replace(execution, time_ns=START_NS + number)

    def snapshot(
        self,
        held: dict[str, int] | Unknown,
        executions: tuple[Execution, ...] | Unknown = (),
        account: str = ACCOUNT,
    ) -> BrokerSnapshot:
        """Answer of the broker, with no order open and the cash not told."""
        now = self.clock.monotonic_ns()
        positions = (
            held
            if isinstance(held, Unknown)
            else tuple(
                PositionReport(
                    account=account, symbol=symbol, quantity=Decimal(count), average_cost=Decimal(1)
                )
                for symbol, count in held.items()
            )
        )
        return BrokerSnapshot(
            account=account,
            requested_monotonic_ns=now,
            received_monotonic_ns=now,
            positions=positions,
            open_orders=(),
            executions=executions,
            values={"TotalCashValue": self.book.ledger.cash},
        )

    def records(self, *kinds: str) -> list[Record]:
        """What stands in the journal."""
        return list(read(self.journal.path, 0, kinds or None))

    def folded(self) -> LiveBook:
        """The book that a restart would begin with."""
        book = new_book()
        for record in self.records():
            book.apply(record.kind, record.payload)
        return book

    def _quote(self, symbol: str) -> Quote:
        return Quote(
            symbol=symbol,
            bid=189.99,
            ask=190.01,
            last=190.0,
            bid_size=100,
            ask_size=100,
            received_monotonic_ns=self.clock.monotonic_ns(),
        )
