from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from core.records import RecordKind
from performance.run_report import JournalCheck, RunFacts, to_json, to_text
from performance.run_summary import explain_no_orders, summarise


@dataclass(frozen=True)
class Entry:
    kind: str
    payload: Mapping[str, Any]


def fill(exec_id: str, quantity: str = "10", price: str = "100", strategy: str = "momentum") -> Entry:
    return Entry(
        RecordKind.FILL, {"exec_id": exec_id, "quantity": quantity, "price": price, "strategy": strategy}
    )


def intent(order_ref: str, purpose: str = "entry", strategy: str = "momentum") -> Entry:
    return Entry(RecordKind.ORDER_INTENT, {"order_ref": order_ref, "purpose": purpose, "strategy": strategy})


def sent(order_ref: str) -> Entry:
    return Entry(RecordKind.ORDER_SENT, {"order_ref": order_ref, "order_id": 7})


def equity(nlv: float) -> Entry:
    return Entry(RecordKind.EQUITY, {"bar_end_ns": 1, "nlv": nlv, "cash": 0.0, "gross": 0.0})


def signal(strategy: str = "momentum") -> Entry:
    return Entry(RecordKind.SIGNAL, {"strategy": strategy, "symbol": "IBM", "weight": 1.0, "bar_end_ns": 1})


def denial(reason: str) -> Entry:
    return Entry(RecordKind.DENIAL, {"strategy": "momentum", "symbol": "IBM", "reason": reason})


FACTS = RunFacts(
    run_id="6740d2a8-abcdef",
    title="Paper run",
    journals=[JournalCheck(name="main", path="state/main.db", records=3, problem=None)],
    files={"figures": "results/paper_run.json"},
)


def test_an_intent_that_was_never_sent_is_no_order() -> None:
    summary = summarise([intent("a"), sent("a"), intent("b", "stop")], [])
    assert (summary.orders, dict(summary.orders_by_purpose)) == (1, {"entry": 1})


def test_a_corrected_execution_is_one_fill_at_the_corrected_figures() -> None:
    summary = summarise([fill("0001.02.01", "10"), fill("0001.02.02", "7")], [])
    assert summary.fills == 1
    assert summary.strategies[0].turnover == Decimal(700)


def test_a_commission_reported_twice_is_paid_once() -> None:
    paid = Entry(RecordKind.COMMISSION, {"exec_id": "0001.02.01", "amount": "1.05", "currency": "USD"})
    summary = summarise([fill("0001.02.01"), paid, paid], [])
    assert summary.commission == summary.strategies[0].commission == Decimal("1.05")


def test_profit_and_drawdown_come_from_the_equity_records() -> None:
    summary = summarise([equity(1000.0), equity(1100.0), equity(990.0), equity(1050.0)], [])
    assert summary.pnl == pytest.approx(50.0)
    assert summary.max_drawdown == pytest.approx(0.1)


def test_a_kill_that_never_ended_is_not_called_flat() -> None:
    started = Entry(RecordKind.KILL_STARTED, {"reason": "drawdown"})
    kill = summarise([], [started]).kill
    assert kill is not None
    assert not kill.flat
    assert kill.flag_to_flat_ms is None


def test_the_figures_of_a_kill_are_those_of_its_end() -> None:
    ended = {
        "reason": "kill_now_flag",
        "flat": True,
        "residue": [],
        "flag_to_cancel_sent_ms": 1.5,
        "flag_to_cancel_ack_ms": 2.5,
        "flag_to_flat_ms": 30.0,
    }
    entries = [
        Entry(RecordKind.KILL_STARTED, {"reason": "kill_now_flag"}),
        Entry(RecordKind.KILL_ENDED, ended),
    ]
    summary = summarise([], entries)
    assert to_json(summary, FACTS)["kill"] == ended
    text = to_text(summary, FACTS)
    assert "every position is flat" in text
    assert "30.0 ms" in text


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], "no bar was decided on"),
        ([equity(1000.0)], "no strategy changed its mind"),
        ([equity(1000.0), signal(), denial("stale_price"), denial("stale_price")], "stale_price (2 times)"),
        ([equity(1000.0), signal()], "none of which asked for another position"),
    ],
)
def test_a_run_without_orders_says_why(entries: list[Entry], expected: str) -> None:
    summary = summarise(entries, [])
    reason = explain_no_orders(summary)
    assert reason is not None
    assert expected in reason
    assert reason in to_text(summary, FACTS)


def test_a_run_with_orders_explains_nothing() -> None:
    assert explain_no_orders(summarise([intent("a"), sent("a")], [])) is None


def test_the_json_has_every_figure_that_was_promised_and_no_nan() -> None:
    document = to_json(summarise([equity(1000.0), denial("halted")], []), FACTS)
    promised = {
        "sessions",
        "signals",
        "orders",
        "fills",
        "commission",
        "pnl",
        "max_drawdown",
        "denials",
        "breaks",
    }
    assert promised | {"journal_verified", "kill"} <= document.keys()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_one_broken_journal_makes_the_run_unverified() -> None:
    broken = JournalCheck(name="watchdog", path="x", records=9, problem="record 4 was altered")
    facts = RunFacts(run_id="r", title="Run", journals=[*FACTS.journals, broken], files={})
    summary = summarise([], [])
    assert to_json(summary, facts)["journal_verified"] is False
    assert "NOT VERIFIED: record 4 was altered" in to_text(summary, facts)


def test_the_columns_of_the_strategies_line_up() -> None:
    entries = [signal("momentum"), signal("mean_reversion"), fill("1.1", "12345", "678.9", "mean_reversion")]
    lines = to_text(summarise(entries, []), FACTS).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  strategy"))
    assert len({len(line) for line in lines[start : start + 3]}) == 1
    assert lines[start + 1].startswith("  mean_reversion")


def test_without_an_enabled_strategy_that_is_the_reason_for_no_orders() -> None:
    summary = summarise([equity(1000.0)], [])
    assert "no strategy is enabled" in (explain_no_orders(summary, ()) or "")
    assert "changed its mind" in (explain_no_orders(summary, ("momentum",)) or "")


def test_an_enabled_strategy_that_did_nothing_is_listed_with_zeros() -> None:
    facts = replace(FACTS, enabled=("mean_reversion", "momentum"))
    text = to_text(summarise([equity(1000.0), signal()], []), facts)
    assert re.search(r"mean_reversion( +0)+$", text, re.MULTILINE)


def test_a_caveat_stands_below_the_profit() -> None:
    facts = replace(FACTS, caveat="This says nothing.")
    summary = summarise([equity(1000.0)], [])
    assert "This says nothing." in to_text(summary, facts)
    assert to_json(summary, facts)["caveat"] == "This says nothing."


def test_prices_that_ended_before_the_sessions_asked_for_are_mentioned() -> None:
    replay = {
        "state": "finished",
        "steps": 9,
        "sessions_done": 12,
        "sessions": 50,
        "speed": 9000.0,
        "late": 0,
    }
    text = to_text(summarise([], []), replace(FACTS, replay=replay))
    assert "the prices ended after 12 of the 50 sessions asked for" in text


def test_a_replay_that_never_began_has_no_pace() -> None:
    text = to_text(summarise([], []), replace(FACTS, replay={"state": "waiting", "steps": 0, "speed": 0.0}))
    assert "not begun" in text
    assert "every bar was waited for" not in text
