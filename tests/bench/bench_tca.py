"""What transaction-cost analysis costs the trading process, and how long its report takes on very many orders.

The database is written by another process from the journal (``python -m tca follow``), so all that the engine's loop pays
is two kinds of journal record, each within a transaction that is written anyway: the arrival of an order, and the bars
of the symbols that are worked in. Here both are made and appended as the executor and the trader do.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from core.clock import SystemClock
from core.events import Bar, Order, Quote
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import OrderType, Purpose, Side
from data.bar_assembler import MarketRow
from execution.arrival import arrival_payload
from execution.plans import EntryPlan
from portfolio.algo_wheel import OrderContext
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.order_facts import MarkedSymbols
from tests.bench.report import Row, row
from tests.bench.stage import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
_PATH = "TCA on the live path"
_MILLISECOND = 1.0
_REPORT_S = 10.0
_ORDERS_A_RUN = 10_000
_SYMBOLS = 50
_PLAN = EntryPlan(
    strategy="momentum",
    symbol="IBM",
    side=Side.BUY,
    quantity=Decimal(100),
    stop_price=180.0,
    arrival_price=190.0,
    created_ns=1,
    context=OrderContext(
        side=Side.BUY,
        spread_bps=float("nan"),
        volatility_bps=150.0,
        adv_share=0.01,
        day_fraction=0.5,
        urgency=0.5,
    ),
)
_ORDER = Order(
    order_ref="BS-bench-000001-E",
    strategy="momentum",
    symbol="IBM",
    side=Side.BUY,
    quantity=Decimal(100),
    order_type=OrderType.MARKET,
    purpose=Purpose.ENTRY,
    reason="entry",
    created_ns=1,
)
_QUOTE = Quote(
    symbol="IBM", bid=189.99, ask=190.01, last=190.0, bid_size=1, ask_size=1, received_monotonic_ns=1
)


def run(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure the two records, then the report on ten thousand orders a run."""
    with TemporaryDirectory(prefix="backstop-bench-tca-") as folder:
        rows = _records(Path(folder), max(100, 20 * runs))
        say("records on the live path")
        rows.append(_report(Path(folder), runs * _ORDERS_A_RUN))
        say(f"report of {runs * _ORDERS_A_RUN:,} orders")
    return rows


def _records(folder: Path, count: int) -> list[Row]:
    clock = SystemClock()
    journal = Journal(folder / "main.db", process="main", run_id="bench", boot_id="bench", clock=clock)
    marked = MarkedSymbols(LiveBook(lambda day: day))
    symbols = [f"S{number:03d}" for number in range(_SYMBOLS)]
    marked.note(symbols)
    bars = {
        s: Bar(symbol=s, end_ns=1, open=100.01, high=101.02, low=99.03, close=100.5, volume=12_345.0)
        for s in symbols
    }
    market = MarketRow(end_ns=1, bars=bars)

    def arrival() -> None:
        payload = arrival_payload(_PLAN, _ORDER, _QUOTE, now_monotonic_ns=clock.monotonic_ns())
        journal.append(RecordKind.ARRIVAL, payload)

    def marks() -> None:
        journal.append(RecordKind.MARKS, {"bar_end_ns": market.end_ns, "bars": marked.bars(market)})

    cases = (("arrival of an order", arrival), (f"bars of {_SYMBOLS} symbols in a row", marks))
    rows = [row(_PATH, case, "ms", _times(journal, work, count), target=_MILLISECOND) for case, work in cases]
    journal.close()
    return rows


def _times(journal: Journal, work: Callable[[], None], count: int) -> list[float]:
    """Milliseconds of each, inside a transaction that is there anyway: a record before it opens the page."""
    took = []
    for number in range(10 + count):
        with journal.batch():
            journal.append(RecordKind.ORDER_SENT, {"order_ref": "BS-bench", "order_id": number})
            began = time.monotonic_ns()
            work()
            took.append((time.monotonic_ns() - began) / 1e6)
    return took[10:]


def _report(folder: Path, parents: int) -> Row:
    database, page = str(folder / "tca.duckdb"), str(folder / "tca.html")
    _call("generate", "--parents", str(parents), "--database", database)
    before, began = _processor_s(), time.monotonic()
    _call("report", "--database", database, "--output", page)
    took, worked = time.monotonic() - began, _processor_s() - before
    note = f"elapsed time from the shell, all imports included; {worked:.1f} s of processor time"
    return row(
        f"TCA report of {parents:,} parent orders",
        "HTML and tables",
        "s",
        [took],
        target=_REPORT_S,
        note=note,
    )


def _call(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tca", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchFailed(f"tca {words[0]} ended with {done.returncode}: {done.stderr[-500:]}")


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
