"""A small real journal, written record by record."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.clock import ManualClock
from core.events import Commission, Execution, Order
from core.journal import Journal
from core.payloads import commission_payload, fill_payload, intent_payload
from core.records import RecordKind
from core.vocabulary import OrderType, Purpose, Side
from tca.fold import JournalFold
from tca.rows import Row, parent_row

BAR_NS = 300 * 10**9
OPEN_NS = 1_349_098_200 * 10**9
CLOSE_NS = OPEN_NS + 78 * BAR_NS
DAY_NS = 86_400 * 10**9


class Scribe:
    """Writes what main would, in exchange time; sessions of 78 five-minute bars on following days."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "main.db"
        self.journal = Journal(
            self.path, process="main", run_id="run-1", boot_id="b", clock=ManualClock(wall_ns=OPEN_NS)
        )
        self.day = 0
        self._fills = 0

    def write(self, kind: RecordKind, payload: dict[str, object]) -> None:
        self.journal.append(kind, payload)

    def at(self, bar: int) -> int:
        """End of the ``bar``-th bar of the session; 0 is the open."""
        return OPEN_NS + self.day * DAY_NS + bar * BAR_NS

    def cash(self, amount: str = "100000") -> None:
        self.write(RecordKind.CASH_ADJUSTED, {"amount": amount, "reason": "opening balance"})

    def session(self, day: int = 0) -> None:
        self.day = day
        self.write(
            RecordKind.SESSION,
            {"date": f"2012-10-0{day + 1}", "open_ns": self.at(0), "close_ns": self.at(78)},
        )

    def bar(
        self,
        bar: int,
        close: float,
        *,
        low: float | None = None,
        high: float | None = None,
        volume: float = 100,
    ) -> None:
        """One bar of IBM: it opens at its low."""
        low, high = close if low is None else low, close if high is None else high
        self.write(RecordKind.EQUITY, {"bar_end_ns": self.at(bar), "nlv": "1", "cash": "1", "gross": "0"})
        self.write(
            RecordKind.MARKS, {"bar_end_ns": self.at(bar), "bars": {"IBM": [low, high, low, close, volume]}}
        )

    def order(
        self,
        ref: str,
        bar: int,
        side: Side = Side.BUY,
        quantity: int = 100,
        purpose: Purpose = Purpose.ENTRY,
        **changes: object,
    ) -> Order:
        order = Order(
            order_ref=ref,
            strategy="momentum",
            symbol="IBM",
            side=side,
            quantity=Decimal(quantity),
            order_type=OrderType.STOP if purpose is Purpose.STOP else OrderType.MARKET,
            purpose=purpose,
            reason="test",
            created_ns=self.at(bar),
            arrival_price=None if purpose is Purpose.STOP else 100.0,
        )
        order = replace(order, **changes)  # type: ignore[arg-type]
        self.write(RecordKind.ORDER_INTENT, intent_payload(order, 1))
        return order

    def arrival(self, ref: str, *, bid: float = 100.0, ask: float = 100.1, **changes: object) -> None:
        payload: dict[str, object] = {
            "order_ref": ref,
            "parent_order_ref": None,
            "method": "VWAP",
            "propensity": 0.25,
            "why": "exploring",
            "admissible": ["MKT", "VWAP"],
            "decision_price": 100.0,
            "bid": bid,
            "ask": ask,
            "quote_age_ms": 1.0,
            "spread_bps": 10.0,
            "volatility_bps": 150.0,
            "adv_share": 0.01,
            "day_fraction": 0.5,
            "urgency": 0.5,
        }
        self.write(RecordKind.ARRIVAL, payload | changes)

    def fill(
        self,
        order: Order,
        quantity: int,
        price: str,
        time_ns: int,
        *,
        exec_id: str | None = None,
        fee: str | None = "1",
    ) -> str:
        self._fills += 1
        exec_id = exec_id or f"e.{self._fills:04d}.01"
        execution = Execution(
            exec_id=exec_id,
            order_ref=order.order_ref,
            order_id=1,
            perm_id=1,
            client_id=1,
            account="DU1",
            symbol=order.symbol,
            side=order.side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            time_ns=time_ns,
        )
        self.write(RecordKind.FILL, fill_payload(execution, strategy=order.strategy))
        if fee is not None:
            self.commission(exec_id, fee)
        return exec_id

    def commission(self, exec_id: str, fee: str) -> None:
        commission = Commission(exec_id=exec_id, amount=Decimal(fee), currency="USD")
        self.write(RecordKind.COMMISSION, commission_payload(commission))

    def status(self, ref: str, status: str) -> None:
        self.write(
            RecordKind.ORDER_STATUS,
            {
                "order_ref": ref,
                "order_id": 1,
                "perm_id": 1,
                "status": status,
                "filled": None,
                "remaining": None,
                "quantity": None,
            },
        )

    def fold(self) -> JournalFold:
        fold = JournalFold()
        for record in Journal.read(self.path):
            fold.apply(record)
        return fold

    def rows(self) -> dict[str, Row]:
        """Rows of all parent orders."""
        fold = self.fold()
        return {ref: parent_row("j", story, fold) for ref, story in fold.stories.items() if story.counts}


def a_whole_order(scribe: Scribe, ref: str = "A", day: int = 0) -> None:
    """A buy of 100 at two prices, then the rest of its session, and the next one's beginning."""
    scribe.session(day)
    scribe.bar(1, 100.0)
    order = scribe.order(ref, 1)
    scribe.arrival(ref)
    scribe.fill(order, 60, "100.10", scribe.at(1) + 5 * 10**9)
    scribe.bar(2, 101.0, low=99.0, high=103.0, volume=300)
    scribe.fill(order, 40, "100.20", scribe.at(2) + 5 * 10**9)
    scribe.bar(3, 102.0, volume=100)
    with scribe.journal.batch():
        for bar in range(4, 79):
            scribe.bar(bar, 102.0 + bar / 100)
    scribe.session(day + 1)
    scribe.bar(1, 99.5, low=98.0)
