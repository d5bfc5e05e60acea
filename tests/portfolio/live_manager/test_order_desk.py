"""The order desk: denials are told once, orders go out once, what isn't ours starts a comparison."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.reasons import Reason
from core.vocabulary import BrokerStatus, OrderType, Purpose, Side
from tests.execution.orders import open_report
from tests.portfolio.live_manager.parts import Parts


def denials(parts: Parts) -> list[object]:
    return [record.payload["reason"] for record in parts.records("denial")]


def test_a_denial_is_told_when_it_begins_and_not_with_each_bar(parts: Parts) -> None:
    for _ in range(4):
        parts.act(100, lease=False)
    assert denials(parts) == [Reason.NO_LEASE.code]
    assert parts.status.denials == {Reason.NO_LEASE.code: 1}
    assert parts.broker.placed == []


def test_a_denial_that_ended_is_told_when_it_comes_back(parts: Parts) -> None:
    parts.act(100, lease=False)
    parts.act(100)
    for number, index in ((1, 0), (2, 1)):
        parts.fill(number, 100, index=index)  # in, and out by the stop
    parts.act(100, lease=False)
    assert denials(parts) == [Reason.NO_LEASE.code] * 2


def test_an_entry_at_work_is_not_sent_again_with_the_next_bar(parts: Parts) -> None:
    parts.act(100)
    parts.act(100)
    assert [written.order.purpose.value for written in parts.broker.placed] == ["entry", "stop"]
    assert parts.status.orders_sent == 2


def test_each_order_is_in_the_journal_before_it_is_with_the_broker(parts: Parts) -> None:
    seen: list[set[object]] = []
    parts.broker.before_place = lambda _: seen.append(
        {record.payload["order_ref"] for record in parts.records("order_intent")}
    )
    parts.act(100)
    assert [
        written.order.order_ref in known for written, known in zip(parts.broker.placed, seen, strict=True)
    ] == [
        True,
        True,
    ]


def test_an_execution_that_is_not_ours_books_nothing_and_asks_the_broker(parts: Parts) -> None:
    parts.act(100)
    foreign = replace(parts.execution(1, 100), order_ref="", order_id=0, client_id=0)
    parts.desk.on_message(foreign)
    assert parts.book.positions() == {}
    parts.clock.advance(1.0)
    parts.reconciler.poll()
    assert len(parts.questions) == 1


def test_a_correction_of_what_the_watchdog_closed_is_booked_and_a_repetition_is_not(parts: Parts) -> None:
    parts.act(100)
    parts.fill(1, 100, index=0)
    close = replace(
        parts.execution(7, 100), order_ref="BS-KILL-abcdef-IBM-1", side=Side.SELL, client_id=2, order_id=1
    )
    corrected = replace(close, exec_id=close.exec_id[:-2] + "02", price=close.price + 1)
    for message in (close, corrected, close, corrected):
        parts.desk.on_message(message)
    booked = parts.book.ledger.booked(close.exec_id)
    assert booked is not None
    assert booked.price == corrected.price
    assert parts.book.positions() == {}
    assert len(parts.records("fill")) == 3


def test_a_fill_that_opens_a_position_is_passed_on(parts: Parts) -> None:
    opened: list[tuple[str, str]] = []
    parts.desk.on_entry_fill = lambda strategy, symbol, _side: opened.append((strategy, symbol))
    parts.act(100)
    parts.fill(1, 100, index=0)
    parts.fill(2, 100, index=1)
    assert opened == [("momentum", "IBM")]


def test_a_stop_that_was_hit_ends_the_rest_of_its_entry(parts: Parts) -> None:
    parts.act(100)
    entry, stop = parts.broker.placed
    parts.fill(1, 40, index=0)
    assert parts.broker.cancelled == []
    parts.fill(2, 40, index=1)
    assert parts.book.positions() == {}
    assert parts.broker.cancelled == [entry.order_id]
    assert stop.order_id not in parts.broker.cancelled


@pytest.mark.parametrize(
    ("execution", "target", "withdrawn"),
    [
        ({"method": "LMT", "methods": {"limit_placement": "touch"}}, 0.0, True),
        ({"method": "LMT", "methods": {"limit_placement": "touch"}}, -50.0, True),
        ({"method": "LMT", "methods": {"limit_placement": "touch"}}, 80.0, False),
        ({"method": "LMT"}, 0.0, False),  # as good as filled
        ({"method": "MKT"}, 0.0, False),
    ],
)
def test_an_entry_that_takes_its_time_is_withdrawn_when_it_is_wanted_no_more(
    tmp_path: Path, execution: dict[str, object], target: float, withdrawn: bool
) -> None:
    parts = Parts(tmp_path, **execution)
    parts.act(100)
    assert len(parts.broker.placed) == 2
    parts.desk.withdraw_unwanted(lambda _strategy, _symbol: target)
    assert bool(parts.broker.cancelled) is withdrawn


def test_a_strategy_whose_stops_trail_sends_trailing_stops_and_others_do_not(parts: Parts) -> None:
    parts.act(100, symbol="MSFT")
    parts.trailing.add("momentum")
    parts.act(100)
    stops = [written.order for written in parts.broker.placed if written.order.purpose is Purpose.STOP]
    assert [(one.order_type, one.stop_price, one.trailing_amount) for one in stops] == [
        (OrderType.STOP, Decimal("185.00"), None),
        (OrderType.TRAIL, Decimal("185.00"), Decimal("5.00")),
    ]


def test_a_trailing_stop_that_has_moved_is_no_break_and_is_noted(parts: Parts) -> None:
    parts.trailing.add("momentum")
    parts.act(100)
    entry, stop = parts.broker.placed
    parts.fill(1, 100, index=0)
    moved = replace(
        open_report(stop.order, stop.order_id, BrokerStatus.PRE_SUBMITTED),
        stop_price=Decimal("187.40"),
        trailing_amount=stop.order.trailing_amount,
    )
    answer = replace(
        parts.snapshot({"IBM": 100}, executions=(parts.execution(1, 100, index=0),)), open_orders=(moved,)
    )
    parts.reconciler.on_snapshot(answer)
    assert parts.records("break") == []
    assert parts.reconciler.locked_symbols == frozenset()
    for book in (parts.book, parts.folded()):
        state = book.orders.get(stop.order.order_ref)
        assert state is not None
        assert state.stop_price == Decimal("187.40")
    assert entry.order.order_ref not in {one.order_ref for one in parts.desk.live_orders()}


@pytest.mark.parametrize(
    ("target", "withdrawn"), [(0.0, False), (40.0, False), (100.0, True), (-100.0, False)]
)
def test_an_exit_that_takes_its_time_is_withdrawn_when_the_position_is_wanted_again(
    tmp_path: Path, target: float, withdrawn: bool
) -> None:
    parts = Parts(tmp_path, exit_method="MOC")
    parts.act(100)
    parts.fill(1, 100, index=0)
    parts.act(0, position=100)
    assert parts.broker.placed[-1].order.order_type == "MOC"
    parts.desk.withdraw_unwanted(lambda _strategy, _symbol: target)
    assert bool(parts.broker.cancelled) is withdrawn
