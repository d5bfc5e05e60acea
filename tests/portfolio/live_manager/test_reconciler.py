"""The reconciler: when it asks again, and what an answer does to trading."""

from __future__ import annotations

from core.vocabulary import Unknown
from tests.portfolio.live_manager.parts import Parts


def ask(parts: Parts) -> None:
    asked = len(parts.questions)
    parts.reconciler.poll()
    assert len(parts.questions) == asked + 1


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
