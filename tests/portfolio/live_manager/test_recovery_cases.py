"""Each case of the recovery table, played through the real book, order manager and reconciler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.events import Execution, OpenOrderReport
from core.vocabulary import BrokerStatus, Side, Unknown
from execution.order_state import OrderPhase, OrderState
from portfolio.breaks import BreakKind
from portfolio.recovery_cases import CASES, Case, Outcome
from scripts.recovery_page import PAGE, with_table
from tests.execution.orders import open_report, status_of
from tests.portfolio.live_manager.parts import Parts

BY_NAME = {case.name: case for case in CASES}
DURABLE = ("fill", "order_ended", "order_intent")


class Scene:
    """A main with one entry and its stop sent, and a broker whose answers the test makes up."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        parts.act(100)
        self.entry, self.stop = (self.state(written.order.order_ref) for written in parts.broker.placed)
        self.sent = len(parts.broker.placed)
        self.told = 0
        self.open: tuple[OpenOrderReport, ...] = (self.shown(self.entry), self.shown(self.stop))
        self.executions: tuple[Execution, ...] | Unknown = ()
        self.held: dict[str, int] | Unknown = {}
        self.cash: Decimal | None = None
        self.account = "DU1234567"

    def state(self, ref: str) -> OrderState:
        found = self.parts.manager.book.get(ref)
        assert found is not None
        return found

    def shown(self, state: OrderState, **changes: object) -> OpenOrderReport:
        report = open_report(state.order, state.order_id, perm_id=900 + state.order_id)
        return replace(report, **changes)  # type: ignore[arg-type]

    def works(self) -> None:
        """Have the broker acknowledge both orders."""
        for state in (self.entry, self.stop):
            self.parts.desk.on_message(
                status_of(state.order, state.order_id, BrokerStatus.SUBMITTED, perm_id=900 + state.order_id)
            )

    def end(self, state: OrderState) -> None:
        """Have the broker tell an order's end."""
        self.parts.desk.on_message(
            status_of(state.order, state.order_id, BrokerStatus.CANCELLED, perm_id=900 + state.order_id)
        )

    def believe(self, phase: OrderPhase) -> None:
        """Have both orders in a phase, as a restart would that read it in the journal."""
        for state in (self.entry, self.stop):
            book = self.parts.manager.book
            book._orders[state.order_ref] = replace(self.state(state.order_ref), phase=phase)

    def fill(self, quantity: int = 100, number: int = 1) -> Execution:
        return self.parts.execution(number, quantity, index=0)

    def answer(self, *, news_meanwhile: bool = False) -> None:
        """Take one answer of the broker."""
        self.parts.clock.advance(1.0)
        snapshot = replace(
            self.parts.snapshot(self.held, self.executions, self.account), open_orders=self.open
        )
        if self.cash is not None:
            snapshot = replace(snapshot, values={"TotalCashValue": self.cash})
        if news_meanwhile:
            snapshot = replace(snapshot, requested_monotonic_ns=0)
        resolution = self.parts.reconciler.on_snapshot(snapshot)
        self.parts.desk.on_strays(resolution.strays)

    def breaks(self) -> list[object]:
        return [record.payload["kind"] for record in self.parts.records("break")]

    def fills(self) -> int:
        return len(self.parts.records("fill"))


def play_execution_missed(scene: Scene) -> None:
    scene.works()
    scene.executions, scene.held, scene.open = (scene.fill(40),), {"IBM": 40}, scene.open
    scene.answer()
    assert scene.state(scene.entry.order_ref).filled == 40


def play_execution_known(scene: Scene) -> None:
    scene.works()
    known = scene.parts.fill(1, 40, index=0)
    scene.executions, scene.held = (known,), {"IBM": 40}
    scene.answer()
    assert scene.fills() == 1


def play_execution_corrected(scene: Scene) -> None:
    scene.works()
    known = scene.parts.fill(1, 40, index=0)
    corrected = replace(known, exec_id=known.exec_id[:-2] + "02", price=known.price + 1)
    scene.executions, scene.held = (known, corrected), {"IBM": 40}
    scene.answer()
    booked = scene.parts.book.ledger.booked(known.exec_id)
    assert booked == corrected


def play_execution_of_the_watchdog(scene: Scene) -> None:
    scene.works()
    ours = scene.parts.fill(1, 100, index=0)
    close = replace(scene.fill(100, 2), order_ref="BS-KILL-abcdef-IBM-1", side=Side.SELL, client_id=2)
    scene.end(scene.stop)
    scene.executions, scene.held, scene.open = (ours, close), {}, ()
    scene.answer()
    assert scene.parts.book.positions() == {}


def play_execution_foreign(scene: Scene) -> None:
    scene.works()
    scene.executions = (replace(scene.fill(7), order_ref="", client_id=0, symbol="MSFT"),)
    scene.held = {"MSFT": 7}
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == {"MSFT"}


def play_order_intended_and_open(scene: Scene) -> None:
    scene.believe(OrderPhase.INTENDED)
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.WORKING


def play_order_intended_and_unknown(scene: Scene) -> None:
    scene.believe(OrderPhase.INTENDED)
    scene.open = ()
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.INTENDED, "one answer is not enough"
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.GONE


def play_order_working_and_open(scene: Scene) -> None:
    scene.works()
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.WORKING


def play_order_working_and_executed(scene: Scene) -> None:
    scene.works()
    scene.executions, scene.held, scene.open = (scene.fill(100),), {"IBM": 100}, scene.open[1:]
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.FILLED


def play_order_working_and_lost(scene: Scene) -> None:
    scene.works()
    scene.open = ()
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.WORKING, "one answer is not enough"
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.GONE


def play_order_ended_and_open(scene: Scene) -> None:
    scene.works()
    scene.parts.fill(1, 100, index=0)
    scene.executions, scene.held = (scene.fill(100),), {"IBM": 100}
    scene.answer()


def play_order_given_up_and_open(scene: Scene) -> None:
    scene.works()
    scene.believe(OrderPhase.GONE)
    scene.answer()
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.WORKING
    assert scene.parts.broker.cancelled == []


def play_order_open_twice(scene: Scene) -> None:
    scene.works()
    second = scene.shown(scene.entry, order_id=scene.entry.order_id + 50, perm_id=7777)
    scene.open = (*scene.open, second)
    scene.answer()
    assert scene.entry.order_id + 50 in scene.parts.broker.cancelled


def play_order_foreign(scene: Scene) -> None:
    scene.works()
    scene.open = (*scene.open, scene.shown(scene.entry, order_ref="", order_id=0, perm_id=1, symbol="MSFT"))
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == {"MSFT"}


def play_order_of_the_watchdog(scene: Scene) -> None:
    scene.works()
    close = scene.shown(scene.entry, order_ref="BS-KILL-abcdef-IBM-1", order_id=3, perm_id=1, client_id=2)
    scene.open = (*scene.open, close)
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == frozenset()


def play_order_with_news_meanwhile(scene: Scene) -> None:
    scene.works()
    scene.open = ()
    for _ in range(3):
        scene.answer(news_meanwhile=True)
    assert scene.state(scene.entry.order_ref).phase is OrderPhase.WORKING


def _rest(scene: Scene) -> None:
    """Have both orders end, so that none is in flight."""
    scene.works()
    scene.end(scene.entry)
    scene.end(scene.stop)
    scene.open = ()


def play_position_differs(scene: Scene) -> None:
    _rest(scene)
    scene.held = {"IBM": 5}
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == {"IBM"}


def play_position_differs_in_flight(scene: Scene) -> None:
    scene.works()
    scene.held = {"IBM": 5}
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == frozenset()
    assert not scene.parts.reconciler.is_settled


def play_position_differs_in_flight_twice(scene: Scene) -> None:
    scene.works()
    scene.held = {"IBM": 5}
    scene.answer()
    scene.answer()
    assert scene.parts.reconciler.locked_symbols == {"IBM"}


def play_cash_differs(scene: Scene) -> None:
    _rest(scene)
    scene.cash = scene.parts.book.ledger.cash + 50
    scene.answer()
    assert not scene.parts.reconciler.is_settled


def play_cash_differs_twice(scene: Scene) -> None:
    _rest(scene)
    scene.cash = scene.parts.book.ledger.cash + 50
    scene.answer()
    scene.answer()


def play_no_answer(scene: Scene) -> None:
    scene.works()
    scene.executions, scene.open = Unknown.TIMED_OUT, ()
    scene.answer()
    assert not scene.parts.reconciler.is_reconciled


def play_another_account(scene: Scene) -> None:
    scene.works()
    scene.account = "DU999"
    scene.answer()
    assert not scene.parts.reconciler.is_reconciled


PLAYS: dict[str, Callable[[Scene], None]] = {
    name.removeprefix("play_"): play for name, play in list(globals().items()) if name.startswith("play_")
}


def test_the_table_and_its_tests_have_the_same_cases() -> None:
    assert set(PLAYS) == set(BY_NAME)
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_difference_is_resolved_as_the_table_says_and_nothing_is_sent_or_made_up(
    case: Case, tmp_path: Path
) -> None:
    parts = Parts(tmp_path)
    scene = Scene(parts)
    PLAYS[case.name](scene)
    breaks = set(scene.breaks())
    if case.name == "execution_foreign":
        breaks.discard(BreakKind.POSITION)  # what a stranger traded is in the position as well
    assert breaks == ({case.kind} if case.kind else set())
    if case.outcome is Outcome.LOCKED:
        assert parts.reconciler.locked_symbols
    if case.outcome is Outcome.CANCELLED:
        assert scene.entry.order_id in parts.broker.cancelled
    elif case.outcome is not Outcome.ENDED:
        assert parts.broker.cancelled == []
    assert len(parts.broker.placed) == scene.sent, "an order was sent again"
    reported = {one.exec_id for one in scene.executions} if isinstance(scene.executions, tuple) else set()
    journaled = {record.payload["exec_id"] for record in parts.records("fill")}
    assert journaled <= reported | {scene.fill().exec_id}, "a fill was made up"
    before = [(record.kind, record.payload) for record in parts.records(*DURABLE)]
    scene.answer()  # the same once more changes nothing more; what needs two answers has had them
    if case.outcome is not Outcome.DEFERRED:
        assert [(record.kind, record.payload) for record in parts.records(*DURABLE)] == before
    assert parts.folded().ledger.to_dict() == parts.book.ledger.to_dict()
    parts.journal.close()


def test_the_page_is_what_the_table_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_table(text), "write it anew with `python -m scripts.recovery_page`"


def test_every_kind_of_break_stands_in_the_table() -> None:
    assert {case.kind for case in CASES} - {None} == set(BreakKind)
