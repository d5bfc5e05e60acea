"""The live components bar by bar, with a broker in the same process: how many bars a second the decision path takes.

Every bar goes as an event through the engine's queue to the trader, which values the book, steps the strategy, decides,
checks, and journals what an order is made of; orders go through the executor to a broker that fills them at the next bar's
open (protective stops inside it), and its reports come back through the queue and are booked. These are the classes that
``main.py`` runs. Left out: sockets, the feed's five-second bars, heartbeat and flags; and the journal is kept in memory,
because what an fsync costs is the disk's figure and not the path's (`bench_bars` measures it). Events are made before the
clock starts, as the peers' are.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import structlog

from core.clock import ManualClock
from core.config_schema import ExecutionSettings, Settings
from core.event_queue import EventQueue
from core.events import Bar, BrokerSnapshot, Commission, Execution, Order, OrderStatusReport, Quote
from core.journal import Journal
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from core.vocabulary import BrokerStatus, HaltLevel, OrderType
from data.bar_assembler import MarketRow
from data.exchange_calendar import Session, exchange_calendar
from execution.ib_executor import IBExecutor
from execution.methods.selection import MethodSelector
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.order_ref import OrderRefSequence
from execution.parent_work import ParentWork
from execution.plans import TradingConditions
from execution.ticks import PriceGrid
from execution.trailing_stops import TrailingStops
from execution.upkeep import OrderUpkeep
from portfolio.decision_setup import compile_kernels
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import DecisionCycle
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.restriction_desk import RestrictionDesk
from portfolio.live_manager.status import RunStatus
from portfolio.live_manager.trader import Trader
from strategy.registry import create
from tests.bench.research.prices import five_minute

SYMBOL = "AAA"
BAR_S = 300
BAR_NS = BAR_S * 1_000_000_000
CLIENT = 1
OPEN = TradingConditions(
    halt_level=HaltLevel.NONE, connected=True, reconciled=True, lease=True, market_open=True
)
FloatArray = npt.NDArray[np.float64]


class MemoryJournal:
    """Takes records and keeps none: this work leaves durability out."""

    def __init__(self) -> None:
        self.records = 0

    def append(self, kind: RecordKind, payload: object) -> int:
        """Count a record."""
        del kind, payload
        self.records += 1
        return self.records

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Write several at once."""
        yield


class NoLines:
    """The watchdog's line for each order, left out."""

    def record(self, order: Order) -> None:
        """Write nothing."""


@dataclass(slots=True)
class _Resting:
    order: Order
    order_id: int
    parent_id: int | None


class InProcessBroker:
    """Fills market orders at the next open and stops inside the bar; reports come through the queue, as a session's."""

    def __init__(self, queue: EventQueue) -> None:
        self._queue = queue
        self._orders: dict[int, _Resting] = {}
        self._last_id = 0
        self._executions = 0

    def next_order_id(self) -> int:
        """Return an id that was never used."""
        self._last_id += 1
        return self._last_id

    def place(
        self, order_id: int, order: Order, *, parent_id: int | None = None, transmit: bool = True
    ) -> None:
        """Take an order."""
        del transmit
        self._orders[order_id] = _Resting(order, order_id, parent_id)
        self._tell(self._orders[order_id], BrokerStatus.SUBMITTED, Decimal(0))

    def cancel(self, order_id: int) -> None:
        """End an order."""
        resting = self._orders.pop(order_id, None)
        if resting is not None:
            self._tell(resting, BrokerStatus.CANCELLED, Decimal(0))

    def request_snapshot(self) -> Future[BrokerSnapshot]:
        """Nobody asks in this work."""
        raise NotImplementedError

    def on_bar(self, bar: Bar) -> None:
        """Fill what the bar fills."""
        for resting in list(self._orders.values()):
            if resting.order.order_type is OrderType.MARKET:
                self._fill(resting, bar.open, bar.end_ns)
        for resting in list(self._orders.values()):
            stop = resting.order.stop_price
            if stop is None or resting.parent_id in self._orders or resting.order_id not in self._orders:
                continue
            level, side = float(stop), resting.order.side.sign
            if (bar.low <= level) if side < 0 else (bar.high >= level):
                self._fill(resting, min(level, bar.open) if side < 0 else max(level, bar.open), bar.end_ns)

    def _fill(self, resting: _Resting, price: float, time_ns: int) -> None:
        order = resting.order
        del self._orders[resting.order_id]
        self._executions += 1
        exec_id = f"{self._executions:08x}.01"
        self._queue.put(
            Execution(
                exec_id=exec_id,
                order_ref=order.order_ref,
                order_id=resting.order_id,
                perm_id=resting.order_id,
                client_id=CLIENT,
                account="DU1",
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                price=Decimal(repr(price)),
                time_ns=time_ns,
            )
        )
        self._tell(resting, BrokerStatus.FILLED, order.quantity)
        self._queue.put(
            Commission(exec_id=exec_id, amount=order.quantity * Decimal("0.0035"), currency="USD")
        )
        if order.oca_group is not None:
            for other in [one for one in self._orders.values() if one.order.oca_group == order.oca_group]:
                if other.parent_id not in self._orders:
                    self.cancel(other.order_id)

    def _tell(self, resting: _Resting, status: BrokerStatus, filled: Decimal) -> None:
        self._queue.put(
            OrderStatusReport(
                order_ref=resting.order.order_ref,
                order_id=resting.order_id,
                perm_id=resting.order_id,
                client_id=CLIENT,
                status=status,
                filled=filled,
                remaining=resting.order.quantity - filled,
                average_fill_price=0.0,
            )
        )


class Line:
    """The engine's components on one symbol."""

    def __init__(self, settings: Settings, session_at: Any) -> None:
        self.queue, self.clock = EventQueue(), ManualClock()
        self.journal, self.broker = MemoryJournal(), InProcessBroker(self.queue)
        self.book, self.status = LiveBook(lambda day: day + timedelta(days=1)), RunStatus()
        self._quote: Quote | None = None
        journal = cast("Journal", self.journal)
        strategies = (create("momentum", {"fast_window": 20, "slow_window": 100}),)
        manager = OrderManager(self.book.orders, self.journal, client_id=CLIENT, clock=self.clock)
        executor, upkeep = self._execution(settings.execution, manager)
        self.desk = OrderDesk(
            book=self.book,
            manager=manager,
            executor=executor,
            upkeep=upkeep,
            work=ParentWork(
                executor=executor,
                settings=settings.execution.methods,
                session_at=lambda _market_ns: None,
                clock=self.clock,
            ),
            journal=journal,
            status=self.status,
            trailing=TrailingStops(manager, journal, PriceGrid({})),
            ask_broker=lambda _why: None,
            trails=settings.trails,
        )
        cycle = DecisionCycle(
            strategies=strategies,
            weights=[1.0],
            symbols=[SYMBOL],
            sizing=settings.sizing,
            caps=settings.caps,
        )
        compile_kernels(strategies, settings.sizing, settings.caps)
        self.desk.on_entry_fill = cycle.note_entry
        self.trader = Trader(
            cycle=cycle,
            book=self.book,
            desk=self.desk,
            journal=journal,
            status=self.status,
            session_at=session_at,
            row_done=lambda: None,
            bar_s=BAR_S,
            caps=settings.caps,
            restrictions=RestrictionDesk(RestrictionFolder(Path("nowhere"), self.clock), cycle, journal),
        )
        cash = {"amount": str(settings.backtest.cash), "reason": "opening balance"}
        self.book.apply(RecordKind.CASH_ADJUSTED, cash)

    def _execution(
        self, settings: ExecutionSettings, manager: OrderManager
    ) -> tuple[IBExecutor, OrderUpkeep]:
        factory = OrderFactory(OrderRefSequence("bench001"), PriceGrid({}))
        executor = IBExecutor(
            session=self.broker,
            manager=manager,
            journal=self.journal,
            lane=OrderLane(),
            submissions=NoLines(),
            factory=factory,
            selector=MethodSelector(settings, PriceGrid({})),
            exchange_of=lambda _symbol: "NASDAQ",
            settings=settings,
            symbols=(SYMBOL,),
            quotes=lambda _symbol: self._quote,
            clock=self.clock,
        )
        upkeep = OrderUpkeep(
            executor=executor,
            session=self.broker,
            journal=self.journal,
            factory=factory,
            clock=self.clock,
            query_after_s=5.0,
        )
        return executor, upkeep

    def run(self, bars: Sequence[Bar]) -> None:
        """Send bars through, one by one: first what the broker does with the orders, then the decision."""
        queue, on_bar, on_message = self.queue, self.broker.on_bar, self.desk.on_message
        for bar in bars:
            on_bar(bar)
            queue.put(bar)
            while True:
                event = queue.get()
                if event is None:
                    break
                if type(event) is Bar:
                    self._on_bar(event)
                else:
                    on_message(event)  # type: ignore[arg-type]  # only order messages and bars are sent

    def _on_bar(self, bar: Bar) -> None:
        self.clock.advance(BAR_S)
        half = 0.01
        self._quote = Quote(
            symbol=SYMBOL,
            bid=bar.close - half,
            ask=bar.close + half,
            last=bar.close,
            bid_size=100,
            ask_size=100,
            received_monotonic_ns=self.clock.monotonic_ns(),
        )
        self.trader.on_row(MarketRow(end_ns=bar.end_ns, bars={SYMBOL: bar}), OPEN)


def make_bars(prices: FloatArray) -> tuple[list[Bar], Any]:
    """Bars of one symbol on the exchange's own sessions from 2000 on, and the calendar's question about them."""
    calendar = exchange_calendar("XNYS", date(2000, 1, 1), date(2018, 12, 31))
    ends: list[int] = []
    for session in calendar.sessions(date(2000, 1, 3), date(2018, 12, 31)):
        ends += range(session.open_ns + BAR_NS, session.close_ns + 1, BAR_NS)
        if len(ends) >= len(prices):
            break
    rows = zip(ends, prices[:, 0].tolist(), strict=False)
    bars = [
        Bar(symbol=SYMBOL, end_ns=end, open=o, high=h, low=low, close=c, volume=v)
        for end, (o, h, low, c, v) in rows
    ]

    def session_at(end_ns: int) -> Session | None:
        return calendar.session_at(end_ns - 1)

    return bars, session_at


def bench_settings() -> Settings:
    """Everything is switched on, but nothing ends the trading: not the throttle, the fill budget or an order's size."""
    return Settings.model_validate(
        {
            "sizing": {"allow_short": True, "drawdown_scales": [0.5, 0.25, 0.1]},
            "caps": {"monthly_fill_budget": 100_000, "max_symbol_exposure": 1.0},
            "execution": {"pretrade": {"max_order_notional": 1e9, "max_order_quantity": 10_000_000}},
        }
    )


def event_path(prices: FloatArray) -> dict[str, Any]:
    """Run the work once; return its figures, the seconds of the loop among them."""
    # As the peers do: only what is wrong is logged.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    bars, session_at = make_bars(prices)
    line = Line(bench_settings(), session_at)
    began = time.perf_counter()
    cpu = time.process_time()
    line.run(bars)
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "bars": len(bars),
        "orders": line.status.orders_sent,
        "fills": line.status.fills,
        "records": line.journal.records,
        "nlv": str(line.status.nlv),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(arguments: Sequence[str]) -> int:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_event_path", description=__doc__)
    parser.add_argument("--bars", type=int, default=0, help="how many (all 324,324)")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args(arguments)
    prices = five_minute()[: options.bars or None]
    event_path(prices[:500])
    for _ in range(options.runs):
        figures: Mapping[str, Any] = event_path(prices)
        print(json.dumps({**figures, "bars_per_second": round(figures["bars"] / figures["cpu_seconds"])}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
