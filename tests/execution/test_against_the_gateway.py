"""Orders over a real socket: our session, our journal, and the paper gateway in a process of its own."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config_schema import BarSettings, BrokerSettings, ExecutionSettings, PretradeSettings
from core.events import (
    BrokerError,
    BrokerSnapshot,
    Commission,
    Event,
    Execution,
    OpenOrderReport,
    OrderStatusReport,
    Quote,
    RealtimeBar,
)
from core.ib_wrapper.session import IBSession
from core.journal import Journal
from core.vocabulary import HaltLevel, Purpose, Side, Unknown
from data.bar_assembler import MarketRow
from data.exchange_calendar import exchange_calendar
from data.ib_feed import IBFeed
from data.warmup import load_contracts, load_history
from execution.ib_executor import IBExecutor
from execution.methods.selection import MethodSelector
from execution.order_book import OrderBook
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager, Resolution
from execution.order_ref import OrderRefSequence
from execution.order_state import OrderPhase, OrderState
from execution.plans import EntryPlan, ExitPlan, TradingConditions
from execution.ticks import PriceGrid
from execution.upkeep import OrderUpkeep
from tests.execution.desk import Lines
from tests.execution.orders import make_order
from tests.gateway import running_gateway
from tests.waiting import DEADLINE_S

OPEN = TradingConditions(halt_level=HaltLevel.NONE, connected=True, reconciled=True, lease=True)
SETTINGS = ExecutionSettings(
    pretrade=PretradeSettings(
        max_order_quantity=10_000_000, max_order_notional=Decimal(1_000_000_000), max_orders_per_minute=3000
    ),
    pending_submit_query_s=0.5,
)


@pytest.fixture
def port() -> Iterator[int]:
    # On that day IBM opened at its high and fell: a stop just below the entry fires soon.
    options = ("--speed", "60", "--start", "2012-05-18", "--symbols", "IBM", "MSFT", "--wait-for-client")
    with running_gateway(*options, "--cash", "100000000") as gateway:
        yield gateway.port


class LiveDesk:
    """A process of ours in miniature: session, journal, book, executor; events are taken by the test's thread."""

    def __init__(self, port: int, folder: Path) -> None:
        self.clock = SystemClock()
        self.path = folder / "main.db"
        self.book = OrderBook()
        for record in Journal.read(self.path) if self.path.exists() else ():
            self.book.apply(record.kind, record.payload)
        self.journal = Journal(self.path, process="main", run_id="run00001", boot_id="b", clock=self.clock)
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.session = IBSession(
            BrokerSettings(port=port, connect_timeout_s=10),
            client_id=1,
            sink=self.events.put,
            clock=self.clock,
            order_id_floor=self.book.highest_order_id,
        )
        self.manager = OrderManager(self.book, self.journal, client_id=1, clock=self.clock)
        refs = OrderRefSequence("run00001", self.book.last_sequence("run00001"))
        factory = OrderFactory(refs, PriceGrid({}))
        calendar = exchange_calendar("XNYS", date(2011, 1, 3), date(2013, 12, 31))
        self.feed = IBFeed(
            self.session, symbols=("IBM", "MSFT"), settings=BarSettings(), hours=calendar, clock=self.clock
        )
        self.lane, self.lines = OrderLane(), Lines()
        self.executor = IBExecutor(
            session=self.session,
            manager=self.manager,
            journal=self.journal,
            lane=self.lane,
            submissions=self.lines,
            factory=factory,
            selector=MethodSelector(SETTINGS, PriceGrid({})),
            exchange_of=lambda _symbol: "NYSE",
            settings=SETTINGS,
            symbols=("IBM", "MSFT"),
            quotes=self.feed.quote,
            clock=self.clock,
        )
        self.upkeep = OrderUpkeep(
            executor=self.executor,
            session=self.session,
            journal=self.journal,
            factory=factory,
            clock=self.clock,
            query_after_s=SETTINGS.pending_submit_query_s,
        )
        self.rows: list[MarketRow] = []
        self.gone: list[OrderState] = []
        self.trouble: list[str] = []
        self.session.start()
        assert self.session.wait_ready(DEADLINE_S)

    def take(self, event: Event) -> None:
        if isinstance(event, RealtimeBar):
            self.rows += self.feed.on_realtime_bar(event)
        elif isinstance(event, Quote):
            self.feed.on_quote(event)
        elif isinstance(event, OrderStatusReport):
            self.manager.on_status(event)
        elif isinstance(event, OpenOrderReport):
            self.manager.on_open_order(event)
        elif isinstance(event, Execution):
            self.manager.on_execution(event)
        elif isinstance(event, Commission):
            self.manager.on_commission(event)
        elif isinstance(event, BrokerError):
            self.manager.on_error(event)

    def run_until(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}\n{list(self.book)}"
            with contextlib.suppress(queue.Empty):
                self.take(self.events.get(timeout=0.02))
            report = self.upkeep.run(self.positions(), OPEN, self.feed.market_ns)
            self._resolved(report.resolution)

    def _resolved(self, resolution: Resolution | None) -> None:
        if resolution is not None:
            for execution in resolution.missing:
                self.manager.on_execution(execution)
            self.gone += resolution.gone

    def positions(self) -> dict[tuple[str, str], Decimal]:
        keys = {(state.order.strategy, state.order.symbol) for state in self.book}
        return {key: self.book.filled_position(*key) for key in keys}

    def position(self) -> Decimal:
        return self.book.filled_position("momentum", "IBM")

    def has_market(self) -> None:
        self.feed.start()
        self.run_until(
            lambda: self.feed.quote("IBM") is not None and "IBM" not in self.feed.stale_symbols(), "market"
        )

    def price(self) -> float:
        quote = self.feed.quote("IBM")
        assert quote is not None
        return quote.mid

    def enter(
        self, quantity: int, stop_fraction: float = 0.8, *, trails: bool = False
    ) -> tuple[OrderState, OrderState]:
        price = self.price()
        plan = EntryPlan(
            strategy="momentum",
            symbol="IBM",
            side=Side.BUY,
            quantity=Decimal(quantity),
            stop_price=price * stop_fraction,
            arrival_price=price,
            created_ns=self.feed.market_ns,
            trail_distance=price * (1 - stop_fraction) if trails else None,
        )
        result = self.executor.submit([plan], OPEN)
        assert result.denials == ()
        entry, stop = list(self.book)[-2:]
        return entry, stop

    def exit(self, quantity: Decimal | None = None) -> bool:
        plan = ExitPlan(
            strategy="momentum",
            symbol="IBM",
            position=self.position(),
            quantity=self.position() if quantity is None else quantity,
            arrival_price=self.price(),
            created_ns=self.feed.market_ns,
        )
        return bool(self.executor.submit([plan], OPEN).sent)

    def phase(self, state: OrderState) -> OrderPhase:
        known = self.book.get(state.order_ref)
        assert known is not None
        return known.phase

    def broker(self) -> BrokerSnapshot:
        return self.session.request_snapshot().result(DEADLINE_S)

    def stop_at_the_broker(self) -> Decimal:
        """Ask where the only stop stands, and note it."""
        snapshot = self.broker()
        self._resolved(self.manager.resolve(snapshot))
        assert not isinstance(snapshot.open_orders, Unknown)
        (price,) = (one.stop_price for one in snapshot.open_orders if one.order_type == "TRAIL")
        assert price is not None
        return price

    def known_stop(self, stop: OrderState) -> Decimal:
        known = self.book.get(stop.order_ref)
        assert known is not None
        assert known.stop_price is not None
        return known.stop_price

    def agrees_with_broker(self) -> None:
        """Positions and open orders at the broker are those of the book; the journal folds to the book."""

        def same() -> bool:
            snapshot = self.broker()
            assert not isinstance(snapshot.positions, Unknown)
            assert not isinstance(snapshot.open_orders, Unknown)
            held = sum((p.quantity for p in snapshot.positions if p.symbol == "IBM"), Decimal(0))
            theirs = {report.order_ref for report in snapshot.open_orders}
            ours = {state.order_ref for state in self.book.pending()}
            return held == self.position() and theirs == ours

        self.run_until(same, "agreement with the broker")
        folded = OrderBook()
        for record in Journal.read(self.path):
            folded.apply(record.kind, record.payload)
        assert list(folded) == list(self.book)
        assert Journal.verify(self.path).ok

    def close(self) -> None:
        self.session.stop()
        self.journal.close()


@pytest.fixture
def desk(port: int, tmp_path: Path) -> Iterator[LiveDesk]:
    live = LiveDesk(port, tmp_path)
    yield live
    live.close()


def test_a_bracket_fills_and_a_full_exit_ends_its_stop(desk: LiveDesk) -> None:
    desk.has_market()
    entry, stop = desk.enter(100)
    desk.run_until(lambda: desk.position() == 100, "the entry's fill")
    desk.run_until(lambda: desk.phase(stop) is OrderPhase.WORKING, "the stop's activation")
    desk.agrees_with_broker()
    assert desk.exit()
    desk.run_until(lambda: desk.position() == 0 and not desk.book.pending(), "flat, and nothing left at work")
    assert desk.phase(entry) is OrderPhase.FILLED
    assert desk.phase(stop) is OrderPhase.CANCELLED
    desk.agrees_with_broker()
    assert len(desk.lines.lines) == 3
    fills = [fill for state in desk.book for fill in state.fills]
    desk.run_until(lambda: all(desk.book.commission(f"{fill}.01") for fill in fills), "every commission")


def test_a_stop_that_fires_closes_the_position(desk: LiveDesk) -> None:
    desk.has_market()
    _, stop = desk.enter(100, stop_fraction=0.9999)
    desk.run_until(lambda: desk.phase(stop) is OrderPhase.FILLED, "the stop's fill")
    assert desk.position() == 0
    desk.agrees_with_broker()


def test_a_reduction_leaves_a_stop_of_the_size_that_remains(desk: LiveDesk) -> None:
    desk.has_market()
    _, stop = desk.enter(100)
    desk.run_until(lambda: desk.position() == 100 and desk.phase(stop) is OrderPhase.WORKING, "the position")
    assert desk.exit(Decimal(40))
    desk.run_until(lambda: desk.position() == 60, "the reduction")
    desk.agrees_with_broker()
    snapshot = desk.broker()
    assert not isinstance(snapshot.open_orders, Unknown)
    assert [(r.order_ref, r.quantity) for r in snapshot.open_orders] == [(stop.order_ref, Decimal(60))]


def test_an_exit_during_a_partly_filled_entry_ends_flat(desk: LiveDesk) -> None:
    desk.has_market()
    entry, _ = desk.enter(300_000)
    desk.run_until(lambda: 0 < desk.position() < 300_000, "a part of the entry")
    assert not desk.exit()
    desk.run_until(lambda: desk.phase(entry) is OrderPhase.CANCELLED, "the end of the entry's rest")
    desk.run_until(lambda: desk.exit() or desk.position() == 0, "the exit")
    desk.run_until(lambda: desk.position() == 0 and not desk.book.pending(), "flat")
    desk.agrees_with_broker()


def test_the_stop_of_a_partly_filled_entry_covers_exactly_the_position(desk: LiveDesk) -> None:
    desk.has_market()
    entry, _ = desk.enter(300_000)
    desk.run_until(lambda: 0 < desk.position() < 300_000, "a part of the entry")
    assert desk.upkeep.shut_down("keep_stops") == (entry.order_ref,)
    desk.run_until(lambda: desk.phase(entry) is OrderPhase.CANCELLED, "the end of the entry's rest")

    def covered() -> bool:
        stops = desk.book.pending(purpose=Purpose.STOP)
        working = [s for s in stops if s.phase is OrderPhase.WORKING]
        return sum((s.open_quantity for s in working), Decimal(0)) == desk.position() > 0

    desk.run_until(covered, "a stop of the position's size")
    desk.agrees_with_broker()


def test_a_new_process_goes_on_with_the_orders_of_the_old_one(port: int, tmp_path: Path) -> None:
    first = LiveDesk(port, tmp_path)
    first.has_market()
    _, stop = first.enter(100)
    first.session.stop()  # before any answer is read: fills and statuses are missed
    first.journal.close()

    second = LiveDesk(port, tmp_path)
    assert second.book.pending() != ()
    second.has_market()
    second.run_until(lambda: second.position() == 100, "the missed fill")
    second.run_until(lambda: second.phase(stop) is OrderPhase.WORKING, "the stop's state")
    second.agrees_with_broker()
    assert second.lines.lines == [], "nothing was sent again"
    assert second.exit()
    second.run_until(lambda: second.position() == 0 and not second.book.pending(), "flat")
    second.agrees_with_broker()
    second.close()


def test_an_intent_that_never_reached_the_broker_is_told_and_not_sent(port: int, tmp_path: Path) -> None:
    first = LiveDesk(port, tmp_path)
    first.has_market()
    plan_id = first.session.next_order_id()
    lost = make_order(order_ref="BS-run00001-000001-E")
    first.manager.intend(lost, plan_id)  # and then the power goes
    first.close()

    second = LiveDesk(port, tmp_path)
    assert second.session.next_order_id() > plan_id
    second.run_until(lambda: second.gone, "the verdict of two snapshots")
    assert [state.order_ref for state in second.gone] == [lost.order_ref]
    assert second.lines.lines == []
    assert {state.phase for state in second.book} == {OrderPhase.GONE}
    second.close()


def test_bars_history_and_contracts_come_through_the_session(desk: LiveDesk) -> None:
    contracts = load_contracts(desk.session, ("IBM", "NONE"), timeout_s=DEADLINE_S)
    assert contracts.min_ticks == {"IBM": Decimal("0.01")}
    assert len(contracts.problems) == 1
    warmup = load_history(desk.session, ("IBM", "MSFT"), BarSettings(warmup_bars=200), timeout_s=DEADLINE_S)
    assert warmup.problems == ()
    assert len(warmup.rows) == 200
    assert all(not row.missing for row in warmup.rows)
    desk.feed.start(warmup.last_end_ns)
    desk.run_until(lambda: len(desk.rows) >= 2, "two rows")
    first, second = desk.rows[:2]
    assert first.end_ns > warmup.last_end_ns
    assert second.end_ns - first.end_ns == 300 * 10**9
    assert second.is_complete
    assert desk.feed.counters() == {"feed_bars_refused": 0, "feed_bars_out_of_order": 0, "bars_late": 0}


def test_a_trailing_stop_keeps_what_it_has_gained_through_a_restart_and_a_reduction(tmp_path: Path) -> None:
    # On that day IBM opened at its low and rose.
    options = ("--speed", "60", "--start", "2012-06-12", "--symbols", "IBM", "MSFT", "--wait-for-client")
    with running_gateway(*options, "--cash", "100000000") as gateway:
        first = LiveDesk(gateway.port, tmp_path)
        first.has_market()
        _, stop = first.enter(100, trails=True)
        first.run_until(lambda: first.position() == 100, "the entry's fill")
        initial = first.known_stop(stop)
        first.run_until(lambda: first.stop_at_the_broker() > initial, "a rise of the stop at the broker")
        known = first.known_stop(stop)
        assert known > initial
        first.close()

        second = LiveDesk(gateway.port, tmp_path)
        assert second.known_stop(stop) == known, "the journal tells it before the broker is asked"
        second.has_market()
        second.run_until(lambda: second.stop_at_the_broker() > known, "a rise while nobody of ours was there")
        before = second.known_stop(stop)
        assert second.exit(Decimal(40))
        second.run_until(lambda: second.position() == 60, "the reduction")
        assert second.stop_at_the_broker() >= before
        second.agrees_with_broker()
        second.close()
