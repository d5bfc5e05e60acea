"""Stops follow their positions, open questions are asked, nothing is ever sent twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.events import BrokerError
from core.vocabulary import BrokerStatus, HaltLevel, Unknown
from execution.order_manager import StrayOrder
from execution.order_state import FillOutcome, OrderPhase
from execution.protective_stops import Unprotected, plan_protection
from tests.execution.desk import OPEN, Desk
from tests.execution.orders import D, execution_of, open_report


def test_a_filled_bracket_needs_nothing() -> None:
    desk = Desk()
    desk.open_position()
    desk.look_after()
    assert len(desk.broker.placed) == 2
    assert desk.broker.cancelled == []


def test_the_stop_shrinks_to_what_a_cancelled_entry_has_filled() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry, stop = (desk.state(w.order.order_ref) for w in desk.broker.placed)
    desk.fill(entry, 30)
    desk.tell(stop, BrokerStatus.PRE_SUBMITTED)
    desk.look_after()
    assert len(desk.broker.placed) == 2, "while the entry works its stop is the broker's to size"
    desk.tell(entry, BrokerStatus.CANCELLED, 30)
    desk.look_after()
    amendment = desk.broker.placed[-1]
    assert (amendment.order_id, amendment.order.quantity) == (stop.order_id, D(30))
    assert amendment.parent_id is None, "TWS doesn't find a parent that has ended (135)"
    desk.look_after()
    assert len(desk.broker.placed) == 3
    assert desk.state(stop.order_ref).open_quantity == 30


def test_a_position_whose_stop_was_cancelled_gets_a_new_one_at_the_same_price() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.tell(stop, BrokerStatus.CANCELLED)
    desk.look_after()
    new = desk.broker.placed[-1]
    assert (new.order.quantity, new.order.stop_price, new.parent_id) == (D(100), stop.order.stop_price, None)
    assert new.order.oca_group not in {None, stop.order.oca_group}
    desk.look_after()
    assert len(desk.broker.placed) == 3, "it is not placed again while its acknowledgement is awaited"


def test_a_mismatch_that_ends_by_itself_is_left_alone() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100)], OPEN)
    exit_state = desk.state(desk.broker.placed[-1].order.order_ref)
    desk.fill(exit_state, 100)
    desk.upkeep.run(desk.positions(), OPEN, 7)
    desk.tell(stop, BrokerStatus.CANCELLED)  # the broker ends the group
    desk.look_after()
    assert desk.broker.cancelled == []


def test_a_stop_that_outlives_its_position_is_cancelled() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100)], OPEN)
    desk.fill(desk.state(desk.broker.placed[-1].order.order_ref), 100)
    desk.look_after()
    assert desk.broker.cancelled == [stop.order_id]


def test_an_exit_that_outlives_its_position_is_cancelled() -> None:
    """The stop filled while the exit was on its way, and the broker did not honour the group."""
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100)], OPEN)
    exit_order = desk.broker.placed[-1]
    desk.fill(stop, 100)
    desk.look_after()
    assert desk.broker.cancelled == [exit_order.order_id]


def test_a_stop_and_an_exit_that_both_filled_in_part_leave_the_book_flat_once() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100)], OPEN)
    exit_state = desk.state(desk.broker.placed[-1].order.order_ref)
    desk.fill(stop, 60)
    desk.fill(exit_state, 40)
    assert desk.positions() == {("momentum", "IBM"): D(0)}
    desk.tell(stop, BrokerStatus.CANCELLED, 60)
    desk.tell(exit_state, BrokerStatus.CANCELLED, 40)
    desk.look_after()
    assert desk.manager.book.pending() == ()
    assert desk.broker.cancelled == []


def test_after_a_failed_reduction_the_stop_covers_the_whole_position_again() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    desk.tell(desk.state(desk.broker.placed[-1].order.order_ref), BrokerStatus.CANCELLED)
    desk.look_after()
    assert desk.broker.placed[-1].order_id == stop.order_id
    assert desk.broker.placed[-1].order.quantity == 100


def test_a_position_without_any_known_stop_is_reported() -> None:
    desk = Desk()
    plan = plan_protection({("momentum", "IBM"): D(50)}, desk.manager.book)
    assert plan == (Unprotected("momentum", "IBM", D(50)),)


@pytest.mark.parametrize(
    "conditions",
    [
        replace(OPEN, reconciled=False),
        replace(OPEN, halt_level=HaltLevel.HALTED),
        replace(OPEN, connected=False),
        replace(OPEN, locked_symbols=frozenset({"IBM"})),
    ],
)
def test_stops_are_left_alone_while_the_position_is_in_doubt(conditions: object) -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.tell(stop, BrokerStatus.CANCELLED)
    desk.look_after(conditions=conditions)  # type: ignore[arg-type]
    assert len(desk.broker.placed) == 2


def test_an_unacknowledged_order_is_asked_about_and_never_sent_again() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    desk.look_after(5.0)
    assert len(desk.broker.queries) == 1
    for _ in range(3):
        desk.clock.advance(5.0)
        if not desk.broker.queries[-1].done():
            desk.broker.queries[-1].set_result(desk.snapshot())
        desk.upkeep.run(desk.positions(), OPEN, 7)
    assert {state.phase for state in desk.manager.book} == {OrderPhase.GONE}
    assert len(desk.broker.placed) == 2
    assert desk.manager.book.pending() == ()


def test_one_snapshot_without_an_order_proves_nothing() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    desk.clock.advance(1)
    assert desk.manager.resolve(desk.snapshot()).gone == ()
    assert len(desk.manager.book.pending()) == 2
    assert desk.manager.query_due


def test_two_snapshots_that_may_share_one_list_count_once() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    desk.clock.advance(1)
    first = desk.snapshot(received_monotonic_ns=desk.clock.monotonic_ns() + 2 * 10**9)
    desk.clock.advance(1)  # upkeep asks while the reconciler's question is on its way
    second = desk.snapshot(received_monotonic_ns=first.received_monotonic_ns)
    desk.clock.advance(2)
    for shared in (first, second, first):
        assert desk.manager.resolve(shared).gone == ()
    assert desk.manager.query_due
    third = desk.snapshot()
    assert len(desk.manager.resolve(third).gone) == 2


def test_a_snapshot_asked_for_before_the_last_news_of_an_order_proves_nothing() -> None:
    desk = Desk()
    old = desk.snapshot()
    desk.clock.advance(1)
    desk.executor.submit([desk.entry()], OPEN)
    for _ in range(5):
        assert desk.manager.resolve(old).gone == ()


@pytest.mark.parametrize("part", ["open_orders", "executions"])
def test_a_part_without_an_answer_ends_nothing(part: str) -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    for _ in range(5):
        desk.clock.advance(1)
        assert desk.manager.resolve(desk.snapshot(**{part: Unknown.TIMED_OUT})).gone == ()


def test_a_missing_execution_is_handed_over_before_its_order_is_judged() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry = desk.state(desk.broker.placed[0].order.order_ref)
    missed = execution_of(entry.order, entry.order_id, 100)
    desk.clock.advance(1)
    for _ in range(3):
        resolution = desk.manager.resolve(desk.snapshot(executions=(missed,)))
        assert resolution.missing == (missed,)
        assert entry.order_ref not in {state.order_ref for state in resolution.gone}
    assert desk.manager.on_execution(missed).outcome is FillOutcome.NEW
    assert desk.state(entry.order_ref).phase is OrderPhase.FILLED


def test_a_cancel_without_an_answer_is_repeated_and_stays_pending() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.cancel(stop.order_ref, "test")
    for _ in range(3):
        desk.clock.advance(5.0)
        report = desk.upkeep.run(desk.positions(), OPEN, 7)
        assert [state.order_ref for state in report.overdue] == [stop.order_ref]
    assert desk.broker.cancelled == [stop.order_id] * 4
    assert desk.state(stop.order_ref).phase is OrderPhase.CANCELLING


@pytest.mark.parametrize("code", [161, 10147, 10148])
def test_a_refused_cancel_makes_us_ask_what_the_broker_has(code: int) -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.cancel(stop.order_ref, "test")
    desk.manager.on_error(BrokerError(request_id=stop.order_id, code=code, message="no"))
    desk.upkeep.run(desk.positions(), OPEN, 7)
    assert len(desk.broker.queries) == 1


def test_an_order_that_the_broker_holds_inactive_is_ended() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.tell(stop, BrokerStatus.INACTIVE)
    desk.clock.advance(5.0)
    desk.upkeep.run(desk.positions(), OPEN, 7)
    assert desk.broker.cancelled == [stop.order_id]


def test_both_incarnations_of_one_order_are_cancelled_once() -> None:
    desk = Desk()
    entry, stop = desk.open_position()
    second = open_report(stop.order, stop.order_id + 50, perm_id=9999)
    for _ in range(3):
        stray = desk.manager.on_open_order(second)
        assert isinstance(stray, StrayOrder)
        desk.executor.cancel_stray(stray)
    assert sorted(desk.broker.cancelled) == sorted([stop.order_id, stop.order_id, stop.order_id + 50])
    assert entry.order_ref not in {state.order_ref for state in desk.manager.book.pending()}


def test_a_refused_amendment_does_not_declare_the_stop_dead() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    desk.manager.on_error(BrokerError(request_id=stop.order_id, code=201, message="modification refused"))
    assert desk.state(stop.order_ref).phase is OrderPhase.WORKING
    assert desk.manager.query_due


@pytest.mark.parametrize(("code", "phase"), [(321, OrderPhase.CANCELLING), (201, OrderPhase.REJECTED)])
def test_a_refused_cancel_does_not_declare_the_stop_dead(code: int, phase: OrderPhase) -> None:
    """321 is what TWS says to a cancel in read-only mode; 201 is the exchange's late refusal of the order itself."""
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.cancel(stop.order_ref, "test")
    desk.manager.on_error(BrokerError(request_id=stop.order_id, code=code, message="no"))
    assert desk.state(stop.order_ref).phase is phase


def test_a_code_that_nobody_knows_does_not_end_an_order_that_nobody_has_acknowledged() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry = desk.broker.placed[0]
    desk.manager.on_error(BrokerError(request_id=entry.order_id, code=10_990, message="preset applied"))
    assert desk.state(entry.order.order_ref).phase is OrderPhase.SENT
    assert desk.manager.query_due


def test_a_graceful_stop_keeps_what_protects() -> None:
    desk = Desk()
    desk.open_position()
    desk.executor.submit([desk.entry(symbol="MSFT")], OPEN)
    entry = desk.broker.placed[2]
    assert desk.upkeep.shut_down("keep_stops") == (entry.order.order_ref,)
    assert desk.broker.cancelled == [entry.order_id]


def test_a_graceful_stop_can_cancel_everything_and_then_places_no_new_stop() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    assert desk.upkeep.shut_down("cancel_all") == (stop.order_ref,)
    desk.tell(stop, BrokerStatus.CANCELLED)
    desk.look_after()
    assert len(desk.broker.placed) == 2


def test_a_graceful_stop_can_leave_everything() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    assert desk.upkeep.shut_down("keep_all") == ()
    assert desk.broker.cancelled == []


def test_a_refused_amendment_is_undone_by_the_brokers_report_and_tried_again_later() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    desk.fill(desk.state(desk.broker.placed[-1].order.order_ref), 40)
    as_it_is = open_report(stop.order, stop.order_id, BrokerStatus.PRE_SUBMITTED, perm_id=900 + stop.order_id)
    desk.manager.on_open_order(as_it_is)
    assert desk.state(stop.order_ref).open_quantity == 100
    desk.look_after()
    assert desk.broker.placed[-1].order.quantity == 60
    assert desk.journal.fold().get(stop.order_ref) == desk.state(stop.order_ref)


def test_a_broker_that_refuses_every_new_stop_is_asked_less_and_less_often() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.tell(stop, BrokerStatus.CANCELLED)
    before = len(desk.broker.placed)
    for _ in range(240):  # a minute
        desk.upkeep.run(desk.positions(), OPEN, 7)
        newest = desk.state(desk.broker.placed[-1].order.order_ref)
        if newest.is_live:
            desk.manager.on_error(BrokerError(request_id=newest.order_id, code=201, message="no"))
        desk.clock.advance(0.25)
    assert 3 <= len(desk.broker.placed) - before <= 8


def test_a_position_without_a_stop_is_reported_in_every_round() -> None:
    desk = Desk()
    positions = {("momentum", "IBM"): D(50)}
    desk.upkeep.run(positions, OPEN, 7)
    for _ in range(5):
        desk.clock.advance(0.5)
        assert desk.upkeep.run(positions, OPEN, 7).unprotected == (Unprotected("momentum", "IBM", D(50)),)


def test_the_end_of_a_second_incarnation_is_no_news_of_the_first() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    over = open_report(stop.order, stop.order_id + 50, BrokerStatus.CANCELLED, perm_id=9999)
    assert desk.manager.on_open_order(over) is None
    assert desk.state(stop.order_ref).phase is OrderPhase.WORKING


def test_an_order_that_ended_for_us_and_still_works_at_the_broker_is_cancelled_again_and_again() -> None:
    desk = Desk()
    entry, _ = desk.open_position()
    undead = open_report(entry.order, entry.order_id, perm_id=900 + entry.order_id)
    crossed = desk.manager.resolve(desk.snapshot(requested_monotonic_ns=0, open_orders=(undead,)))
    assert crossed.strays == (), "its end may have crossed the answer"
    for seconds in (1.0, 1.5, 1.5):
        desk.clock.advance(seconds)
        (stray,) = desk.manager.resolve(desk.snapshot(open_orders=(undead,))).strays
        desk.executor.cancel_stray(stray)
    assert desk.broker.cancelled == [entry.order_id] * 3
