"""The live book: what a restart folds from the journal is what was lived."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from core.events import Commission
from core.records import RecordKind
from portfolio.live_manager.book import LiveBook
from tests.portfolio.live_manager.parts import START_NS, Parts


def everything(book: LiveBook) -> dict[str, object]:
    """All that later decisions rest on."""
    return {
        "positions": book.positions(),
        "cash": book.ledger.cash,
        "commissions": book.ledger.commissions(),
        "settled": book.settled,
        "month": book.month.count_at(START_NS),
        "peak": book.peak_nlv,
        "closes": book.session_closes,
        "session": book.session_date,
        "orders": {state.order_ref: state for state in book.orders},
        "floor": book.orders.highest_order_id,
        "opened": book.is_opened,
    }


def live_through_a_day(parts: Parts) -> None:
    parts.write(RecordKind.SESSION, {"date": "2012-11-12", "open_ns": 1, "close_ns": 2})
    parts.act(100)
    first = parts.fill(1, 40, index=0)
    parts.fill(1, 40, index=0)  # told twice
    parts.desk.on_message(Commission(exec_id=first.exec_id, amount=Decimal("0.35"), currency="USD"))
    parts.desk.on_message(Commission(exec_id=first.exec_id, amount=Decimal("1.00"), currency="USD"))
    parts.fill(2, 60, index=0)
    parts.fill(3, 30, index=1)  # a part of its stop
    equity = {"bar_end_ns": 1, "nlv": "100100.50", "cash": "1", "gross": "2"}
    parts.write(RecordKind.EQUITY, equity)
    parts.write(RecordKind.SESSION, {"date": "2012-11-13", "open_ns": 3, "close_ns": 4})


def test_a_folded_book_equals_the_one_that_was_lived(parts: Parts) -> None:
    live_through_a_day(parts)
    assert parts.book.positions() == {("momentum", "IBM"): Decimal(70)}
    assert parts.book.month.count_at(START_NS) == 3
    assert everything(parts.folded()) == everything(parts.book)


def test_a_revised_commission_is_paid_by_the_ledger_and_by_the_settled_cash(parts: Parts) -> None:
    parts.act(100)
    first = parts.fill(1, 100, index=0)
    settled, cash = parts.book.settled.total, parts.book.ledger.cash
    corrected = f"{first.base_exec_id}.02"
    for exec_id, amount in ((first.exec_id, "0.35"), (first.exec_id, "1.00"), (corrected, "0.80")):
        for _ in range(2):
            parts.desk.on_message(Commission(exec_id=exec_id, amount=Decimal(amount), currency="USD"))
        assert parts.book.ledger.cash == cash - Decimal(amount)
        assert parts.book.settled.total == settled - Decimal(amount)
        assert parts.status.commission == Decimal(amount)
        assert everything(parts.folded()) == everything(parts.book)
    assert len(parts.records("commission")) == 3


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.decimals("-0.50", "9", places=2)), max_size=15
    )
)
def test_a_book_folded_from_revised_commissions_equals_the_one_that_was_lived(
    charges: list[tuple[int, int, Decimal]],
) -> None:
    with TemporaryDirectory() as folder:
        parts = Parts(Path(folder))
        parts.act(100)
        known: dict[int, tuple[int, Decimal]] = {}
        for number in (1, 2):
            parts.fill(number, 50, index=0)
        settled = parts.book.settled.total
        for number, revision, amount in charges:
            base = parts.execution(number, 1, index=0).base_exec_id
            message = Commission(exec_id=f"{base}.{revision:02d}", amount=amount, currency="USD")
            parts.desk.on_message(message)
            if revision >= known.get(number, (0, amount))[0]:
                known[number] = (revision, amount)
        paid = sum((amount for number, (_, amount) in known.items() if number < 3), Decimal(0))
        assert parts.book.ledger.commissions() == paid
        assert parts.book.settled.total == settled - sum(amount for _, amount in known.values())
        assert everything(parts.folded()) == everything(parts.book)
        for number, booked in known.items():
            assert parts.book.orders.commission(parts.execution(number, 1, index=0).exec_id) == booked
        parts.journal.close()


def test_folding_any_prefix_and_going_on_gives_the_same_book(parts: Parts) -> None:
    live_through_a_day(parts)
    records = parts.records()
    for cut in range(len(records)):
        book = LiveBook(parts.book._settles_on)
        for record in records[:cut]:
            book.apply(record.kind, record.payload)
        for record in records[cut:]:
            book.apply(record.kind, record.payload)
        assert everything(book) == everything(parts.book)


def test_the_watchdogs_closing_fill_leaves_no_strategy_with_a_phantom_position(parts: Parts) -> None:
    parts.act(100)
    parts.fill(1, 100, index=0)
    closing = parts.execution(9, 100, index=1)
    parts.desk.on_message(replace(closing, order_ref="BS-KILL-abc123-IBM-1", client_id=2, order_id=1))
    assert parts.book.positions() == {}
    assert everything(parts.folded()) == everything(parts.book)


def test_a_value_needs_every_price(parts: Parts) -> None:
    parts.act(100)
    parts.fill(1, 100, index=0)
    assert parts.book.value(lambda _: float("nan")) is None
    net, gross = parts.book.value(lambda _: 200.0) or (None, None)
    assert gross == Decimal(20000)
    assert net == parts.book.ledger.cash + Decimal(20000)
