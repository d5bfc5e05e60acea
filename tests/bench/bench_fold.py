"""How long a start takes to fold a long journal: reading it, and applying it to the live book as ``main.py`` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from core.clock import SystemClock
from core.events import Commission, Execution, Order
from core.journal import Journal
from core.payloads import commission_payload, fill_payload, intent_payload
from core.records import RecordKind
from core.vocabulary import OrderType, Purpose, Side
from portfolio.live_manager.book import LiveBook
from tests.bench.report import Row, row

_RECORDS_A_RUN = 10_000
_TARGET_S = 60.0
"""A restart may take so long: stops rest at the broker meanwhile, and the watchdog is patient with a start."""
_BATCH = 1_000
Entry = tuple[RecordKind, dict[str, object]]
_OF_AN_ORDER = 10


def run(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Write a journal of ten thousand records a run, and fold it."""
    count = runs * _RECORDS_A_RUN
    with TemporaryDirectory(prefix="backstop-bench-fold-") as folder:
        path = Path(folder) / "main.db"
        _write(path, count)
        say(f"a journal of {count:,} records, {path.stat().st_size / 2**20:,.0f} MB")
        began, worked = time.monotonic(), time.process_time()
        book = LiveBook(lambda day: day)
        for record in Journal.read(path):
            book.apply(record.kind, record.payload)
        took, worked = time.monotonic() - began, time.process_time() - worked
        note = f"processor time; {took:.1f} s elapsed, {len(book.orders):,} orders"
        return [
            row(
                "fold of a journal at a start",
                f"{count:,} records",
                "s",
                [worked],
                target=_TARGET_S,
                note=note,
            )
        ]


def _write(path: Path, count: int) -> None:
    journal = Journal(path, process="main", run_id="bench", boot_id="bench", clock=SystemClock())
    journal.append(RecordKind.CASH_ADJUSTED, {"amount": "1000000", "reason": "opening balance"})
    written = 1
    while written < count:
        with journal.batch():
            for _ in range(_BATCH // _OF_AN_ORDER):
                for kind, payload in _life_of_an_order(written):
                    journal.append(kind, payload)
                written += _OF_AN_ORDER
    journal.close()


def _life_of_an_order(number: int) -> list[Entry]:
    """Records of one order as a run writes them: a decision, the order, its statuses, two fills, equity."""
    side = Side.BUY if number // _OF_AN_ORDER % 2 else Side.SELL
    ref, symbol = f"BS-bench000-{number:06d}-E", f"S{number % 50:03d}"
    order = Order(
        order_ref=ref,
        strategy="momentum",
        symbol=symbol,
        side=side,
        quantity=Decimal(100),
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        reason="entry",
        created_ns=number,
    )
    entries: list[Entry] = [
        (
            RecordKind.DECISION,
            {"bar_end_ns": number, "strategy": "momentum", "symbol": symbol, "target": "100"},
        ),
        (RecordKind.ORDER_INTENT, intent_payload(order, number)),
        (RecordKind.ORDER_SENT, {"order_ref": ref, "order_id": number}),
        (RecordKind.ORDER_STATUS, _status(ref, number, "Submitted", 0)),
    ]
    for part in (1, 2):
        execution = Execution(
            exec_id=f"{number:08x}.{part:08x}.01.01",
            order_ref=ref,
            order_id=number,
            perm_id=number,
            client_id=1,
            account="DU1",
            symbol=symbol,
            side=side,
            quantity=Decimal(50),
            price=Decimal("190.10"),
            time_ns=1_700_000_000_000_000_000 + number,
        )
        commission = Commission(exec_id=execution.exec_id, amount=Decimal("0.35"), currency="USD")
        entries.append((RecordKind.FILL, fill_payload(execution, strategy="momentum", arrival_price=190.0)))
        entries.append((RecordKind.COMMISSION, commission_payload(commission)))
    entries.append((RecordKind.ORDER_STATUS, _status(ref, number, "Filled", 100)))
    entries.append((RecordKind.EQUITY, {"bar_end_ns": number, "nlv": "1000000", "cash": "0", "gross": "0"}))
    return entries


def _status(ref: str, number: int, status: str, filled: int) -> dict[str, object]:
    return {
        "order_ref": ref,
        "order_id": number,
        "perm_id": number,
        "status": status,
        "filled": str(filled),
        "remaining": str(100 - filled),
        "quantity": None,
    }
