"""What the journal tells of an order, as a row: every figure worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.records import RecordKind
from core.vocabulary import Purpose, Side
from tests.tca.journals import Scribe, a_whole_order

D = Decimal


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    scribe = Scribe(tmp_path)
    scribe.cash()
    yield scribe
    scribe.journal.close()


def test_a_filled_order_by_hand(scribe: Scribe) -> None:
    a_whole_order(scribe)
    row = scribe.rows()["A"]
    assert (row["filled"], row["missed"], row["fills"]) == (100, 0, 2)
    assert row["arrival_price"] == D("100.05")
    assert row["delay"] == D("5.00")  # 100 x 0.05
    assert row["execution"] == D("9.00")  # 60 x 0.05 + 40 x 0.15
    assert (row["opportunity"], row["fees"]) == (0, 2)
    assert row["shortfall"] == D("16.00")
    assert row["paid"] == D("10016.00")
    assert row["decision_value"] == D("10000")
    assert row["shortfall_bps"] == pytest.approx(16.0)
    # Bars after the decision up to that of the last fill: typical prices (103+99+101)/3 x 300 and 102 x 100.
    assert row["interval_vwap"] == pytest.approx((101.0 * 300 + 102.0 * 100) / 400)
    assert row["close_price"] == pytest.approx(102.78)
    assert row["next_open"] == 98.0
    assert row["reversion_1_bps"] == pytest.approx((100.14 - 102.0) / 100.14 * 1e4)
    assert row["reversion_6_bps"] == pytest.approx((100.14 - 102.08) / 100.14 * 1e4)
    assert row["next_open_bps"] == pytest.approx((100.14 - 98.0) / 98.0 * 1e4)
    assert (row["method"], row["propensity"], row["admissible"]) == ("VWAP", 0.25, ["MKT", "VWAP"])
    assert (row["is_final"], row["outcome"]) == (True, "Filled")


def test_a_sale_has_the_opposite_signs(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    order = scribe.order("A", 1, Side.SELL)
    scribe.arrival("A")
    scribe.fill(order, 100, "100.10", scribe.at(1))
    row = scribe.rows()["A"]
    assert (row["delay"], row["execution"]) == (D("-5.00"), D("-5.00"))
    assert (row["paid"], row["decision_value"]) == (D("-10009.00"), D(-10000))


def test_what_a_cancelled_order_missed_is_valued_at_the_close(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    order = scribe.order("A", 1)
    scribe.arrival("A")
    scribe.fill(order, 30, "100.10", scribe.at(1))
    assert scribe.rows()["A"]["missed"] == 0, "it may still fill"
    scribe.bar(2, 100.5)
    scribe.status("A", "Cancelled")
    assert scribe.rows()["A"]["opportunity"] == D("35.0"), "until the close: the newest bar"
    scribe.bar(78, 101.0)
    scribe.session(1)
    scribe.bar(1, 105.0)
    row = scribe.rows()["A"]
    assert (row["missed"], row["end_price"], row["opportunity"]) == (70, 101, 70)
    assert row["notional"] == 10_000


def test_an_exit_has_not_missed_what_its_stop_has_done(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    stop = scribe.order("S", 1, Side.SELL, purpose=Purpose.STOP, stop_price=D(99), oca_group="g")
    scribe.order("X", 1, Side.SELL, purpose=Purpose.EXIT, oca_group="g")
    scribe.arrival("X")
    assert set(scribe.rows()) == {"X"}, "a stop that rests is no parent order"
    scribe.fill(stop, 100, "98.90", scribe.at(1))
    scribe.status("X", "Cancelled")
    rows = scribe.rows()
    assert (rows["X"]["missed"], rows["X"]["opportunity"]) == (0, 0)
    assert (rows["S"]["decision_price"], rows["S"]["decision_source"]) == (99, "stop_price")
    assert (rows["S"]["delay"], rows["S"]["execution"]) == (0, D("10.00"))


def test_a_closing_order_of_the_watchdog_is_held_against_the_last_bar(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    scribe.order("A", 1)
    order = scribe.order("A", 1)
    scribe.fill(order, 100, "100.10", scribe.at(1))
    scribe.bar(2, 97.0)
    kill = scribe.order("unused", 2, Side.SELL)
    killed = kill.__class__(
        **{name: getattr(kill, name) for name in kill.__slots__} | {"order_ref": "BS-KILL-1"}
    )
    scribe.fill(killed, 100, "96.50", scribe.at(2) + 1)
    row = scribe.rows()["BS-KILL-1"]
    assert (row["purpose"], row["decision_source"], row["execution"]) == ("flatten", "last_bar", D("50.0"))


def test_a_foreign_execution_is_no_order_of_ours(scribe: Scribe) -> None:
    scribe.session()
    order = scribe.order("A", 1)
    foreign = order.__class__(
        **{name: getattr(order, name) for name in order.__slots__} | {"order_ref": "manual"}
    )
    scribe.fill(foreign, 10, "100", scribe.at(1))
    assert set(scribe.rows()) == {"A"}


def test_corrections_replace_and_late_reports_change_nothing(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    order = scribe.order("A", 1)
    scribe.commission("e.7.01", "3")  # before its execution
    scribe.fill(order, 100, "100.10", scribe.at(1), exec_id="e.7.01", fee=None)
    assert scribe.rows()["A"]["fees"] == 3
    scribe.fill(order, 100, "100.20", scribe.at(1), exec_id="e.7.03", fee="4")
    scribe.fill(order, 100, "100.90", scribe.at(1), exec_id="e.7.02", fee="9")
    row = scribe.rows()["A"]
    assert (row["execution"], row["fees"], row["filled"]) == (20, 4, 100)
    scribe.commission("e.7.03", "5")  # the same execution's, revised
    assert scribe.rows()["A"]["fees"] == 5


def test_a_replacement_belongs_to_its_parent(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    scribe.order("A", 1)
    scribe.arrival("A", method="MOC")
    scribe.write(RecordKind.ORDER_ENDED, {"order_ref": "A", "outcome": "rejected", "detail": "201: no"})
    child = scribe.order("B", 2, arrival_price=105.0)
    scribe.arrival("B", method="MKT", parent_order_ref="A", decision_price=105.0)
    rows = scribe.rows()
    assert (set(rows), rows["A"]["missed"]) == ({"A"}, 0)
    scribe.fill(child, 100, "101", scribe.at(2))
    row = scribe.rows()["A"]
    assert (row["method"], row["filled"], row["execution"]) == ("MOC", 100, D("95.00"))
    assert row["decision_price"] == 100, "decided once, by the parent"


def test_without_an_arrival_record_the_intent_tells_the_decision(scribe: Scribe) -> None:
    scribe.session()
    order = scribe.order("A", 1)
    scribe.fill(order, 100, "100.10", scribe.at(1))
    row = scribe.rows()["A"]
    assert (row["method"], row["propensity"], row["spread_bps"]) == ("MKT", 1.0, None)
    assert (row["delay"], row["execution"]) == (0, 10)


def test_an_order_without_any_price_is_measured_against_its_first_fill(scribe: Scribe) -> None:
    scribe.session()
    order = scribe.order("A", 1, arrival_price=None)
    assert "shortfall" not in scribe.rows()["A"], "nothing is known of its cost"
    scribe.fill(order, 50, "100.10", scribe.at(1))
    scribe.fill(order, 50, "100.30", scribe.at(1) + 1)
    row = scribe.rows()["A"]
    assert (row["decision_source"], row["execution"]) == ("first_fill", D("10.00"))


def test_benchmarks_stay_when_their_bars_are_dropped(scribe: Scribe) -> None:
    a_whole_order(scribe)
    first = scribe.rows()["A"]
    for day in range(2, 9):
        scribe.session(day)
        scribe.bar(1, 50.0)
    assert scribe.rows()["A"] == first


def test_an_order_whose_symbol_sees_no_further_bar_ends_with_what_is_known(scribe: Scribe) -> None:
    scribe.session()
    scribe.bar(1, 100.0)
    order = scribe.order("A", 1)
    scribe.fill(order, 100, "100.10", scribe.at(1))
    for day in range(1, 5):
        scribe.session(day)
    row = scribe.rows()["A"]
    assert (row["is_final"], row["close_price"], row["next_open"]) == (True, 100.0, None)
