"""The order desk: denials are told once, orders go out once, what isn't ours starts a comparison."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.reasons import Reason
from core.vocabulary import BrokerStatus, OrderType, Purpose, Side
from execution.methods.situation import SessionTimes
from tests.execution.desk import OPEN
from tests.execution.orders import execution_of, open_report, status_of
from tests.portfolio.live_manager.parts import HOUR_NS, START_NS, Parts


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


class EndingEntry:
    """An entry of 100 at the touch, 40 filled, whose window is over: our cancel is on its way."""

    def __init__(self, folder: Path) -> None:
        self.parts = parts = Parts(folder, method="LMT", methods={"limit_placement": "touch"})
        parts.session = SessionTimes(open_ns=START_NS - HOUR_NS, close_ns=START_NS + 3 * HOUR_NS)
        parts.act(100)
        self.entry, self.stop = parts.broker.placed
        self.tell(BrokerStatus.SUBMITTED)
        parts.desk.on_message(
            status_of(self.stop.order, self.stop.order_id, BrokerStatus.PRE_SUBMITTED, perm_id=901)
        )
        parts.fill(1, 40, index=0)
        self.market_ns = START_NS + HOUR_NS
        self.look_after()
        assert parts.broker.cancelled == [self.entry.order_id]

    def tell(self, status: BrokerStatus, filled: int = 0) -> None:
        self.parts.desk.on_message(status_of(self.entry.order, self.entry.order_id, status, filled))

    def look_after(self) -> None:
        self.parts.desk.look_after(OPEN, self.market_ns)

    def end(self) -> None:
        """Have the broker end it, and look after what it left until nothing more is to be done."""
        self.tell(BrokerStatus.CANCELLED, 40)
        for _ in range(3):
            self.look_after()
            self.parts.clock.advance(1.0)
            for written in (self.stop, self.parts.broker.placed[-1]):  # the amended stop works on
                if written.order.purpose is Purpose.STOP:
                    report = status_of(
                        written.order, written.order_id, BrokerStatus.PRE_SUBMITTED, perm_id=901
                    )
                    self.parts.desk.on_message(report)

    @property
    def entries(self) -> list[Decimal]:
        orders = (written.order for written in self.parts.broker.placed)
        return [order.quantity for order in orders if order.purpose is Purpose.ENTRY]


def test_the_rest_of_an_entry_that_is_still_wanted_goes_on(tmp_path: Path) -> None:
    scene = EndingEntry(tmp_path)
    scene.parts.desk.withdraw_unwanted(lambda _strategy, _symbol: 100.0)
    scene.end()
    assert scene.entries == [100, 60]


@pytest.mark.parametrize("moment", ["ending", "waiting"])
def test_the_rest_of_an_entry_that_is_wanted_no_more_is_not_sent(tmp_path: Path, moment: str) -> None:
    scene = EndingEntry(tmp_path)
    if moment == "waiting":
        scene.tell(BrokerStatus.CANCELLED, 40)
        scene.look_after()
    scene.parts.desk.withdraw_unwanted(lambda _strategy, _symbol: 0.0)
    scene.end()
    assert scene.entries == [100]
    assert len(scene.parts.broker.cancelled) == 1


@pytest.mark.parametrize("moment", ["ending", "waiting"])
def test_the_rest_of_an_entry_whose_stop_was_hit_is_not_sent(tmp_path: Path, moment: str) -> None:
    scene = EndingEntry(tmp_path)
    if moment == "waiting":
        scene.tell(BrokerStatus.CANCELLED, 40)
        scene.look_after()
    scene.parts.fill(2, 40, index=1)
    assert scene.parts.book.positions() == {}
    scene.parts.desk.on_message(
        status_of(scene.stop.order, scene.stop.order_id, BrokerStatus.CANCELLED, 40, perm_id=901)
    )
    scene.end()
    assert scene.entries == [100]
    entry = scene.parts.folded().orders.get(scene.entry.order.order_ref)
    assert entry is not None
    assert entry.detail == ("its stop was hit" if moment == "ending" else "its time is over")


class EndingExit:
    """An exit of 100 at the touch that has filled 60 when its window is over."""

    def __init__(self, folder: Path) -> None:
        self.parts = parts = Parts(folder, exit_method="LMT", methods={"limit_placement": "touch"})
        parts.session = SessionTimes(open_ns=START_NS - HOUR_NS, close_ns=START_NS + 3 * HOUR_NS)
        parts.act(100)
        self.stop = parts.broker.placed[1]
        parts.fill(1, 100, index=0)
        self.tell_stop()
        parts.act(0, position=100)
        self.exit = parts.broker.placed[-1]
        assert (self.exit.order.purpose, self.exit.order.until_ns is None) == (Purpose.EXIT, False)
        self.tell(BrokerStatus.SUBMITTED)
        parts.fill(2, 60)
        self.market_ns = START_NS + HOUR_NS
        self.look_after()
        assert parts.broker.cancelled == [self.exit.order_id]

    def tell(self, status: BrokerStatus, filled: int = 0) -> None:
        self.parts.desk.on_message(status_of(self.exit.order, self.exit.order_id, status, filled))

    def tell_stop(self) -> None:
        report = status_of(self.stop.order, self.stop.order_id, BrokerStatus.PRE_SUBMITTED, perm_id=901)
        self.parts.desk.on_message(report)

    def look_after(self) -> None:
        self.parts.desk.look_after(OPEN, self.market_ns)

    def book_the_last_fill(self) -> None:
        """Have the execution of 10 come that the end had told of, and look after what is left."""
        self.parts.desk.on_message(
            replace(execution_of(self.exit.order, self.exit.order_id, 10, number=3), time_ns=START_NS + 3)
        )
        for _ in range(3):
            self.parts.clock.advance(1.0)
            self.look_after()
            self.tell_stop()

    @property
    def exits(self) -> list[Decimal]:
        orders = (written.order for written in self.parts.broker.placed)
        return [order.quantity for order in orders if order.purpose is Purpose.EXIT]


@pytest.mark.parametrize("moment", ["ending", "ended", "waiting"])
@pytest.mark.parametrize(("target", "exits"), [(40.0, [100]), (100.0, [100]), (0.0, [100, 30])])
def test_the_rest_of_an_exit_goes_on_unless_the_position_is_wanted_again(
    tmp_path: Path, moment: str, target: float, exits: list[int]
) -> None:
    scene = EndingExit(tmp_path)
    if moment != "ending":
        scene.tell(BrokerStatus.CANCELLED, 60 if moment == "waiting" else 70)
    if moment == "waiting":  # for its stop, whose end is asked for; then the 10 that came behind the end
        scene.parts.desk._executor.cancel(scene.stop.order.order_ref, "by hand")
        scene.look_after()
        assert scene.parts.desk._work.is_busy("momentum", "IBM")
    scene.parts.desk.withdraw_unwanted(lambda _strategy, _symbol: target)
    if moment == "ending":
        scene.tell(BrokerStatus.CANCELLED, 70)
    if moment == "waiting":
        report = status_of(scene.stop.order, scene.stop.order_id, BrokerStatus.CANCELLED, perm_id=901)
        scene.parts.desk.on_message(report)
    scene.book_the_last_fill()
    assert scene.exits == exits


def test_an_exit_ends_the_entry_for_good_whose_time_is_over(tmp_path: Path) -> None:
    scene = EndingEntry(tmp_path)
    scene.parts.act(0, position=40)
    assert denials(scene.parts) == [Reason.EXIT_PENDING.code]
    scene.end()
    assert scene.entries == [100]


def test_a_restart_knows_that_an_entry_was_withdrawn_while_its_time_ended(tmp_path: Path) -> None:
    scene = EndingEntry(tmp_path)
    scene.parts.desk.withdraw_unwanted(lambda _strategy, _symbol: 0.0)
    for book in (scene.parts.book, scene.parts.folded()):
        state = book.orders.get(scene.entry.order.order_ref)
        assert state is not None
        assert state.detail == "it is wanted no more"
