"""Reconciliation, rule by rule (R1 to R8 of the module), and its properties."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import BrokerSnapshot, Execution, OpenOrderReport, PositionReport
from core.vocabulary import KILL_PREFIX, BrokerStatus, Side, Unknown
from portfolio.breaks import BookView, BreakKind, KnownOrder, OrderProgress, ReconcileResult
from portfolio.ledger import Ledger
from portfolio.reconciliation import CASH, reconcile
from tests.portfolio.executions import ACCOUNT, execution

REF = "BS-0000-000001-E"
D = Decimal


def order(ref: str = REF, phase: OrderProgress = OrderProgress.WORKING, **changes: Any) -> KnownOrder:
    values: dict[str, Any] = {
        "order_ref": ref,
        "strategy": "momentum",
        "symbol": "AAPL",
        "quantity": D(100),
        "filled": D(0),
        "phase": phase,
    }
    return KnownOrder(**(values | changes))


def book(ledger: Ledger | None = None, *orders: KnownOrder, compare_cash: bool = False) -> BookView:
    ledger = ledger or Ledger()
    return BookView(
        account=ACCOUNT,
        positions=ledger.net_positions(),
        cash=ledger.cash if compare_cash else None,
        orders={one.order_ref: one for one in orders},
        booked=ledger.booked,
    )


def holds(symbol: str, quantity: int, account: str = ACCOUNT) -> PositionReport:
    return PositionReport(account=account, symbol=symbol, quantity=D(quantity), average_cost=D(10))


def shows(ref: str = REF, symbol: str = "AAPL") -> OpenOrderReport:
    return OpenOrderReport(
        order_ref=ref,
        order_id=1,
        perm_id=1,
        client_id=1,
        symbol=symbol,
        side=Side.BUY,
        quantity=D(100),
        order_type="MKT",
        status=BrokerStatus.SUBMITTED,
    )


def snapshot(**changes: Any) -> BrokerSnapshot:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "requested_monotonic_ns": 1_000,
        "received_monotonic_ns": 2_000,
        "positions": (),
        "open_orders": (),
        "executions": (),
        "values": {},
    }
    return BrokerSnapshot(**(values | changes))


def kinds(result: ReconcileResult) -> list[BreakKind]:
    return [one.kind for one in result.breaks]


def filled_ledger(quantity: int = 100) -> Ledger:
    ledger = Ledger()
    ledger.apply(execution(1, Side.BUY, quantity, 10), "momentum")
    return ledger


DONE = order(phase=OrderProgress.FINISHED, filled=D(100))


def test_two_books_that_agree_have_no_break():
    result = reconcile(
        book(filled_ledger(), DONE), snapshot(positions=(holds("AAPL", 100),), executions=(execution(1),))
    )
    assert result.agrees
    assert result == ReconcileResult(breaks=(), missing_executions=(), unknown=(), deferred={})


@pytest.mark.parametrize("reason", list(Unknown))
def test_r1_a_part_without_an_answer_gives_no_break_and_no_action(reason):
    result = reconcile(
        book(filled_ledger(), order(), compare_cash=True),
        snapshot(positions=reason, open_orders=reason, executions=reason, values=reason),
    )
    assert (result.breaks, result.missing_executions, result.deferred) == ((), (), {})
    assert result.unknown == ("positions", "open_orders", "executions", "values")
    assert not result.agrees


@pytest.mark.parametrize("part", ["positions", "executions"])
def test_r1_positions_are_not_compared_while_either_side_of_them_is_unknown(part):
    result = reconcile(book(filled_ledger(), DONE), snapshot(**{part: Unknown.TIMED_OUT}))
    assert result.breaks == ()
    assert result.unknown == (part,)


def test_r1_an_order_that_is_gone_is_not_lost_while_executions_are_unknown():
    result = reconcile(book(None, order()), snapshot(executions=Unknown.TIMED_OUT))
    assert result.breaks == ()


def test_r2_an_execution_we_missed_is_ours_to_apply_to_the_orders_strategy():
    one = execution(1)
    result = reconcile(book(None, order()), snapshot(positions=(holds("AAPL", 100),), executions=(one, one)))
    assert [(m.execution, m.strategy, m.replaces) for m in result.missing_executions] == [
        (one, "momentum", None)
    ]
    assert result.breaks == ()


def test_r2_missing_executions_come_in_the_order_in_which_they_happened():
    early, late = execution(1, quantity=40, time_ns=10), execution(2, quantity=60, time_ns=5)
    result = reconcile(
        book(None, order()), snapshot(positions=(holds("AAPL", 100),), executions=(early, late))
    )
    assert [m.execution for m in result.missing_executions] == [late, early]


def test_r2_a_missed_correction_counts_with_its_difference_only():
    corrected = execution(1, quantity=90, correction=2)
    result = reconcile(
        book(filled_ledger(), DONE),
        snapshot(positions=(holds("AAPL", 90),), executions=(execution(1), corrected)),
    )
    assert result.breaks == ()
    assert [m.execution for m in result.missing_executions] == [corrected]
    moved = {"AAPL": D(100)}
    result.missing_executions[0].move(moved)
    assert moved == {"AAPL": D(90)}
    assert result.missing_executions[0].cash == D(100)


def test_r3_an_execution_of_an_unknown_order_is_foreign_and_booked_to_nobody():
    manual = execution(1, order_ref="")
    result = reconcile(book(), snapshot(positions=(holds("AAPL", 100),), executions=(manual,)))
    assert kinds(result) == [BreakKind.FOREIGN_EXECUTION, BreakKind.POSITION]
    assert result.missing_executions == ()
    assert result.locked_symbols == {"AAPL"}


def test_r3_our_order_ref_on_another_symbol_is_foreign():
    result = reconcile(book(None, order()), snapshot(executions=(execution(1, symbol="IBM"),)))
    assert BreakKind.FOREIGN_EXECUTION in kinds(result)


def test_r3_the_watchdogs_closing_executions_are_shared_out_and_leave_no_break():
    ledger = filled_ledger()
    close = execution(2, Side.SELL, 100, 9, order_ref=f"{KILL_PREFIX}7-AAPL-1")
    result = reconcile(book(ledger, DONE), snapshot(executions=(execution(1), close)))
    assert result.breaks == ()
    for one in result.missing_executions:
        ledger.apply(one.execution, one.strategy)
    assert ledger.position("momentum", "AAPL") == 0


def test_r4_a_position_that_differs_is_a_break_that_locks_its_symbol():
    result = reconcile(book(filled_ledger(), DONE), snapshot(positions=(holds("AAPL", 70),)))
    assert [(b.kind, b.symbol, b.book, b.broker) for b in result.breaks] == [
        (BreakKind.POSITION, "AAPL", "100", "70")
    ]
    assert result.locked_symbols == {"AAPL"}


def test_r4_a_position_only_the_broker_has_is_a_break():
    assert kinds(reconcile(book(), snapshot(positions=(holds("IBM", 5),)))) == [BreakKind.POSITION]


def test_r4_a_flat_position_the_broker_still_lists_is_none():
    assert reconcile(book(), snapshot(positions=(holds("IBM", 0),))).agrees


def test_r4_positions_of_other_accounts_are_not_ours():
    assert reconcile(book(), snapshot(positions=(holds("IBM", 5, "DU7654321"),))).agrees


def test_r4_a_difference_while_an_order_is_in_flight_is_deferred_once():
    view = book(filled_ledger(), DONE, order("BS-0000-000002-S", filled=D(0)))
    seen = snapshot(positions=(holds("AAPL", 70),), open_orders=(shows("BS-0000-000002-S"),))
    first = reconcile(view, seen)
    assert (first.breaks, first.deferred) == ((), {"AAPL": D(-30)})
    assert not first.agrees
    second = reconcile(view, seen, deferred_before=first.deferred)
    assert kinds(second) == [BreakKind.POSITION]
    third = reconcile(view, seen, deferred_before=second.deferred)
    assert kinds(third) == [BreakKind.POSITION], (
        "a break that lasts is not taken back with every other answer"
    )
    moved = snapshot(positions=(holds("AAPL", 60),), open_orders=(shows("BS-0000-000002-S"),))
    assert reconcile(view, moved, deferred_before=first.deferred).deferred == {"AAPL": D(-40)}


def test_r5_a_working_order_that_the_broker_does_not_show_is_lost_and_reported_only():
    result = reconcile(book(None, order()), snapshot())
    assert kinds(result) == [BreakKind.LOST_ORDER]
    assert result.locked_symbols == frozenset()


def test_r5_an_order_that_missed_executions_fill_is_not_lost():
    result = reconcile(
        book(None, order()), snapshot(positions=(holds("AAPL", 100),), executions=(execution(1),))
    )
    assert result.breaks == ()


@pytest.mark.parametrize(("sent", "lost"), [(999, True), (1_000, False), (None, True)])
def test_r5_an_order_sent_after_the_question_cannot_be_in_the_answer(sent, lost):
    result = reconcile(book(None, order(touched_monotonic_ns=sent)), snapshot())
    assert (kinds(result) == [BreakKind.LOST_ORDER]) is lost


def test_r6_an_intent_the_broker_knows_nothing_of_is_reported_as_unsent():
    result = reconcile(book(None, order(phase=OrderProgress.INTENDED)), snapshot())
    assert kinds(result) == [BreakKind.UNSENT_INTENT]


def test_r6_an_intent_the_broker_has_is_simply_working():
    view = book(None, order(phase=OrderProgress.INTENDED))
    assert reconcile(view, snapshot(open_orders=(shows(),))).agrees


def test_r7_an_open_order_we_do_not_know_is_foreign():
    result = reconcile(book(), snapshot(open_orders=(shows("manual"),)))
    assert kinds(result) == [BreakKind.FOREIGN_ORDER]
    assert result.locked_symbols == {"AAPL"}


def test_r7_an_order_we_believed_finished_is_revived():
    result = reconcile(
        book(filled_ledger(), DONE), snapshot(positions=(holds("AAPL", 100),), open_orders=(shows(),))
    )
    assert kinds(result) == [BreakKind.REVIVED_ORDER]


@pytest.mark.parametrize(("broker", "differs"), [("-1000.90", False), ("-1001.10", True), (None, False)])
def test_r8_cash_is_compared_within_its_tolerance(broker, differs):
    values = {} if broker is None else {"TotalCashValue": D(broker)}
    sides = (
        book(filled_ledger(), DONE, compare_cash=True),
        snapshot(positions=(holds("AAPL", 100),), executions=(execution(1),), values=values),
    )
    first = reconcile(*sides)
    assert kinds(first) == []
    assert (CASH in first.deferred) is differs
    assert (kinds(reconcile(*sides, deferred_before=first.deferred)) == [BreakKind.CASH]) is differs


def test_r7_an_end_that_crossed_the_answer_revives_nothing():
    ended = replace(DONE, touched_monotonic_ns=snapshot().requested_monotonic_ns)
    result = reconcile(
        book(filled_ledger(), ended), snapshot(positions=(holds("AAPL", 100),), open_orders=(shows(),))
    )
    assert kinds(result) == []


def test_another_accounts_snapshot_is_not_compared_at_all():
    result = reconcile(book(filled_ledger()), snapshot(account="U1"))
    assert kinds(result) == [BreakKind.ACCOUNT]


# --- properties ---

refs = st.sampled_from([REF, "BS-0000-000002-E", "manual", f"{KILL_PREFIX}1-AAPL-1"])
symbols = st.sampled_from(["AAPL", "IBM"])
executions = st.builds(
    execution,
    st.integers(1, 6),
    st.sampled_from(Side),
    st.integers(1, 200),
    st.integers(1, 50),
    symbol=symbols,
    correction=st.integers(1, 3),
    order_ref=refs,
)


def or_unknown(part: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(part, st.sampled_from(Unknown))


snapshots = st.builds(
    snapshot,
    positions=or_unknown(st.lists(st.builds(holds, symbols, st.integers(-200, 200)), max_size=2).map(tuple)),
    open_orders=or_unknown(st.lists(st.builds(shows, refs, symbols), max_size=2).map(tuple)),
    executions=or_unknown(st.lists(executions, max_size=8).map(tuple)),
    values=or_unknown(st.just({"TotalCashValue": D(0)})),
)
orders = st.lists(
    st.builds(order, refs, st.sampled_from(OrderProgress), symbol=symbols, filled=st.integers(0, 100).map(D)),
    max_size=2,
)
booked = st.lists(executions, max_size=4)


def apply_missing(ledger: Ledger, result: ReconcileResult) -> None:
    for one in result.missing_executions:
        ledger.apply(one.execution, one.strategy)


@given(booked, orders, snapshots)
def test_reconciling_again_after_applying_finds_nothing_more_to_apply(history, ours, seen):
    ledger = Ledger()
    for one in history:
        ledger.apply(one, "momentum")
    first = reconcile(book(ledger, *ours), seen)
    apply_missing(ledger, first)
    second = reconcile(book(ledger, *ours), seen)
    assert second.missing_executions == ()
    positions = [b for b in first.breaks if b.kind is BreakKind.POSITION]
    assert [b for b in second.breaks if b.kind is BreakKind.POSITION] == positions
    assert second.deferred == first.deferred


@given(booked, orders, snapshots)
def test_no_fill_is_ever_invented(history, ours, seen):
    ledger = Ledger()
    for one in history:
        ledger.apply(one, "momentum")
    reported: set[Execution] = set() if isinstance(seen.executions, Unknown) else set(seen.executions)
    result = reconcile(book(ledger, *ours), seen)
    for one in result.missing_executions:
        assert one.execution in reported
        assert ledger.booked(one.execution.exec_id) != one.execution
    bases = [one.execution.base_exec_id for one in result.missing_executions]
    assert len(bases) == len(set(bases))


@given(booked, orders, snapshots)
def test_applying_what_was_missing_moves_positions_by_exactly_what_was_announced(history, ours, seen):
    ledger = Ledger()
    for one in history:
        ledger.apply(one, "momentum")
    result = reconcile(book(ledger, *ours), seen)
    expected = dict(ledger.net_positions())
    for one in result.missing_executions:
        one.move(expected)
    apply_missing(ledger, result)
    assert ledger.net_positions() == {s: q for s, q in expected.items() if q}


@given(booked, orders, snapshots)
def test_forgetting_a_part_never_adds_a_break_or_an_action(history, ours, seen):
    ledger = Ledger()
    for one in history:
        ledger.apply(one, "momentum")
    full = reconcile(book(ledger, *ours), seen)
    for part in ("positions", "open_orders", "executions", "values"):
        less = reconcile(book(ledger, *ours), replace(seen, **{part: Unknown.TIMED_OUT}))
        assert set(less.breaks) <= set(full.breaks)
        assert set(less.missing_executions) <= set(full.missing_executions)
