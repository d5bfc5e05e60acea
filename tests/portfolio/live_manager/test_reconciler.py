"""The reconciler: when it asks again, and what an answer does to trading."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from core.events import BrokerSnapshot, Execution, PositionReport
from core.vocabulary import BrokerStatus, Unknown
from tests.execution.orders import open_report, status_of
from tests.portfolio.live_manager.parts import ACCOUNT, Parts


def ask(parts: Parts) -> None:
    asked = len(parts.questions)
    parts.reconciler.poll()
    assert len(parts.questions) == asked + 1


def is_proven(parts: Parts) -> bool:
    return parts.reconciler.is_reconciled


def test_no_second_question_is_asked_while_an_answer_is_awaited(parts: Parts) -> None:
    parts.reconciler.request("start")
    ask(parts)
    parts.clock.advance(60.0)
    parts.reconciler.request("again")
    parts.reconciler.poll()
    assert len(parts.questions) == 1


def test_an_answer_that_agrees_is_followed_by_the_next_after_the_interval(parts: Parts) -> None:
    parts.reconciler.request("start")
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert parts.reconciler.is_reconciled
    assert parts.reconciler.is_settled
    parts.clock.advance(9.9)
    parts.reconciler.poll()
    assert len(parts.questions) == 1
    parts.clock.advance(0.2)
    ask(parts)


def test_no_answer_proves_nothing_and_is_asked_for_again_soon(parts: Parts) -> None:
    parts.reconciler.request("start")
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot(Unknown.TIMED_OUT, Unknown.TIMED_OUT))
    assert not parts.reconciler.is_reconciled
    assert parts.reconciler.breaks_found == 0
    parts.clock.advance(0.6)
    ask(parts)


def test_a_break_locks_its_symbol_is_told_once_and_ends_with_an_agreement(parts: Parts) -> None:
    for _ in range(3):
        parts.reconciler.on_snapshot(parts.snapshot({"IBM": 7}))
        assert parts.reconciler.locked_symbols == {"IBM"}
    assert parts.reconciler.breaks_found == 1
    assert len(parts.records("break")) == 1
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert parts.reconciler.locked_symbols == frozenset()


def test_no_answer_about_positions_unlocks_nothing_and_counts_no_break_twice(parts: Parts) -> None:
    parts.reconciler.on_snapshot(parts.snapshot({"IBM": 7}))
    parts.reconciler.on_snapshot(parts.snapshot(Unknown.TIMED_OUT))
    assert parts.reconciler.locked_symbols == {"IBM"}
    parts.reconciler.on_snapshot(parts.snapshot({"IBM": 7}))
    assert parts.reconciler.breaks_found == 1


def test_what_filled_while_we_were_away_is_booked_once(parts: Parts) -> None:
    parts.act(100)
    missed = parts.execution(1, 100, index=0)
    for _ in range(2):
        parts.reconciler.on_snapshot(parts.snapshot({"IBM": 100}, (missed,)))
    assert len(parts.records("fill")) == 1
    assert parts.book.ledger.net_positions() == {"IBM": 100}
    assert parts.records("break") == []


def test_after_a_lost_connection_nothing_is_proven_until_the_next_answer(parts: Parts) -> None:
    parts.reconciler.on_snapshot(parts.snapshot({}))
    parts.reconciler.request("periodic")
    ask(parts)
    parts.reconciler.lost_connection()
    assert not parts.reconciler.is_reconciled
    parts.clock.advance(60.0)
    parts.reconciler.poll()
    assert len(parts.questions) == 1, "there is nobody to ask"
    parts.reconciler.request("reconnect")
    ask(parts)


def test_an_answer_about_another_account_stops_everything(parts: Parts) -> None:
    parts.reconciler.on_snapshot(parts.snapshot({}))
    parts.reconciler.on_snapshot(parts.snapshot({}, account="DU7654321"))
    assert not parts.reconciler.is_reconciled
    assert parts.records("break")[-1].payload["kind"] == "account"


# --- a question that an outage overtook ---


def test_an_answer_from_before_an_outage_proves_nothing_and_the_reconnect_question_is_put(
    parts: Parts,
) -> None:
    parts.reconciler.request("periodic")
    ask(parts)
    old = parts.snapshot({})
    parts.clock.advance(0.1)
    parts.reconciler.lost_connection()
    parts.reconciler.on_snapshot(old)
    assert not is_proven(parts)
    parts.clock.advance(0.1)
    parts.reconciler.request("reconnect")
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert is_proven(parts)
    assert parts.records("reconciled")[-1].payload["trigger"] == "reconnect"


def test_an_answer_of_an_outage_that_comes_after_it_proves_nothing(parts: Parts) -> None:
    parts.reconciler.lost_connection()
    parts.reconciler.request("start")
    ask(parts)
    of_the_outage = parts.snapshot({})
    parts.clock.advance(0.1)
    parts.reconciler.request("reconnect")
    parts.reconciler.poll()
    assert len(parts.questions) == 1, "one at a time"
    parts.reconciler.on_snapshot(of_the_outage)
    assert not is_proven(parts)
    ask(parts)


def test_a_reconnect_unproves_what_an_answer_of_the_outage_had_proven(parts: Parts) -> None:
    parts.reconciler.lost_connection()
    parts.clock.advance(0.1)
    parts.reconciler.on_snapshot(parts.snapshot({}))
    parts.reconciler.request("reconnect")
    assert not is_proven(parts)


def test_an_old_answer_that_comes_late_neither_ends_the_waiting_nor_undoes_a_proof(parts: Parts) -> None:
    parts.reconciler.request("periodic")
    ask(parts)
    old = parts.snapshot({}, Unknown.TIMED_OUT)
    parts.clock.advance(0.1)
    parts.reconciler.lost_connection()
    parts.reconciler.request("reconnect")
    ask(parts)
    newer = parts.snapshot({})
    parts.reconciler.on_snapshot(old)
    parts.clock.advance(1.0)
    parts.reconciler.poll()
    assert len(parts.questions) == 2, "the newer question is still on its way"
    parts.reconciler.on_snapshot(newer)
    assert is_proven(parts)
    parts.reconciler.on_snapshot(old)
    assert is_proven(parts)


def test_what_is_asked_for_while_an_answer_is_awaited_is_asked_after_it(parts: Parts) -> None:
    parts.reconciler.request("periodic")
    ask(parts)
    parts.reconciler.request_soon("foreign_execution")
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert parts.reconciler.is_settled
    parts.clock.advance(0.6)
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert [one.payload["trigger"] for one in parts.records("reconciled")] == [
        "periodic",
        "foreign_execution",
    ]


# --- breaks that stand ---


def test_a_break_that_stands_is_asked_about_once_in_an_interval(parts: Parts) -> None:
    parts.reconciler.request("start")
    for seconds in (0.0, 0.6):  # a new break is looked at twice quickly
        parts.clock.advance(seconds)
        ask(parts)
        parts.reconciler.on_position(report("IBM", 7))  # as each answer tells it
        parts.reconciler.on_snapshot(parts.snapshot({"IBM": 7}))
    for _ in range(3):
        parts.clock.advance(9.9)
        parts.reconciler.poll()
        parts.clock.advance(0.2)
        ask(parts)
        parts.reconciler.on_position(report("IBM", 7))
        parts.reconciler.on_snapshot(parts.snapshot({"IBM": 7}))
    assert parts.reconciler.locked_symbols == {"IBM"}
    assert len(parts.records("reconciled")) == 5


def test_a_break_that_changes_is_looked_at_again_at_once(parts: Parts) -> None:
    for held in (7, 7, 8):
        parts.reconciler.on_snapshot(parts.snapshot({"IBM": held}))
    parts.clock.advance(0.6)
    ask(parts)


def test_an_order_that_must_end_is_looked_at_again_and_again(parts: Parts) -> None:
    parts.act(100)
    written = parts.broker.placed[0]
    filled = parts.fill(1, 100, index=0)
    undead = open_report(written.order, written.order_id)
    parts.reconciler.request("start")
    for _ in range(5):
        parts.clock.advance(0.6)
        ask(parts)
        answer = replace(parts.snapshot({"IBM": 100}, (filled,)), open_orders=(undead,))
        assert parts.reconciler.on_snapshot(answer).strays


def test_an_answer_that_has_ended_a_lost_order_does_not_leave_its_break_for_an_interval(parts: Parts) -> None:
    parts.act(100)
    parts.clock.advance(1.0)
    for written in parts.broker.placed:
        parts.desk.on_message(status_of(written.order, written.order_id, BrokerStatus.SUBMITTED))
    parts.reconciler.request("start")
    for _ in range(2):
        parts.clock.advance(0.6)
        ask(parts)
        parts.reconciler.on_snapshot(parts.snapshot({}))
    assert not parts.manager.book.pending(), "two answers have ended both"
    parts.clock.advance(0.6)
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot({}))
    assert parts.reconciler.is_settled


# --- locks whose cause has passed ---


def lock_behind_a_fill(parts: Parts) -> None:
    """Book a fill of 100 that the broker's positions don't show yet, until the lock stands."""
    parts.act(100)
    filled = parts.fill(1, 100, index=0)
    parts.reconciler.request("periodic")
    for _ in range(3):
        parts.clock.advance(0.6)
        ask(parts)
        parts.reconciler.on_snapshot(behind(parts, filled, 0))
    assert parts.reconciler.locked_symbols == {"IBM"}


def behind(parts: Parts, filled: Execution, held: int) -> BrokerSnapshot:
    """Answer with the fill and its stop, and a position that may lag."""
    stop = parts.broker.placed[1]
    working = open_report(stop.order, stop.order_id, BrokerStatus.PRE_SUBMITTED)
    return replace(parts.snapshot({"IBM": held}, (filled,)), open_orders=(working,))


def test_a_position_that_agrees_ends_the_lock_of_one_that_lagged_without_an_interval(parts: Parts) -> None:
    lock_behind_a_fill(parts)
    parts.reconciler.on_position(report("IBM", 100))
    parts.clock.advance(0.6)
    ask(parts)
    parts.reconciler.on_snapshot(behind(parts, parts.execution(1, 100, index=0), 100))
    assert parts.reconciler.locked_symbols == frozenset()


def test_a_position_that_agrees_and_is_newer_than_the_answer_is_asked_about_after_it(parts: Parts) -> None:
    lock_behind_a_fill(parts)
    parts.clock.advance(10.1)
    ask(parts)
    answer = behind(parts, parts.execution(1, 100, index=0), 0)
    parts.reconciler.on_position(report("IBM", 0))
    parts.reconciler.on_position(report("IBM", 100))
    parts.reconciler.on_snapshot(answer)
    parts.clock.advance(0.6)
    ask(parts)


def test_a_fill_in_a_locked_symbol_is_asked_about_soon_and_one_in_another_is_not(parts: Parts) -> None:
    parts.act(100, symbol="MSFT")
    parts.act(100)
    msft, ibm = parts.broker.placed[0], parts.broker.placed[2]
    working = tuple(open_report(one.order, one.order_id) for one in parts.broker.placed)
    parts.reconciler.request("periodic")
    for _ in range(3):  # the position is ahead of the execution
        parts.clock.advance(0.6)
        ask(parts)
        parts.reconciler.on_snapshot(replace(parts.snapshot({"IBM": 60}), open_orders=working))
    assert parts.reconciler.locked_symbols == {"IBM"}
    parts.fill(1, 60, index=parts.broker.placed.index(msft))
    parts.clock.advance(0.6)
    parts.reconciler.poll()
    assert len(parts.questions) == 3
    parts.fill(2, 60, index=parts.broker.placed.index(ibm))
    parts.clock.advance(0.6)
    ask(parts)
    parts.reconciler.on_snapshot(parts.snapshot({"IBM": 60}))
    assert parts.records("reconciled")[-1].payload["trigger"] == "fill"


def test_a_foreign_order_in_a_symbol_whose_position_agrees_is_asked_about_once_in_an_interval(
    parts: Parts,
) -> None:
    parts.act(100, symbol="MSFT")
    foreign = replace(
        open_report(parts.broker.placed[0].order, 0), order_ref="", perm_id=1, client_id=0, symbol="IBM"
    )
    ours = tuple(open_report(one.order, one.order_id) for one in parts.broker.placed)
    parts.reconciler.request("start")
    for seconds in (0.0, 0.6, 10.1, 10.1):
        parts.clock.advance(seconds)
        ask(parts)
        parts.reconciler.on_position(report("IBM", 0))  # as each answer tells it
        parts.reconciler.on_snapshot(replace(parts.snapshot({}), open_orders=(*ours, foreign)))
        assert parts.reconciler.locked_symbols == {"IBM"}
    parts.clock.advance(9.9)
    parts.reconciler.poll()
    assert len(parts.questions) == 4


# --- position reports ---


def test_a_position_that_our_book_does_not_explain_is_asked_about_soon(parts: Parts) -> None:
    parts.reconciler.on_position(report("IBM", 0))
    parts.reconciler.on_position(report("IBM", 7, account="DU7654321"))
    parts.clock.advance(0.6)
    parts.reconciler.poll()
    assert parts.questions == []
    parts.reconciler.on_position(report("IBM", 7))
    parts.clock.advance(0.6)
    ask(parts)


def test_a_position_that_is_newer_than_the_answer_is_asked_about_after_it(parts: Parts) -> None:
    parts.reconciler.request("periodic")
    ask(parts)
    answer = parts.snapshot({})
    parts.reconciler.on_position(report("IBM", 7))
    parts.reconciler.on_snapshot(answer)
    parts.clock.advance(0.6)
    ask(parts)


def report(symbol: str, quantity: int, account: str = ACCOUNT) -> PositionReport:
    return PositionReport(account=account, symbol=symbol, quantity=Decimal(quantity), average_cost=Decimal(1))
