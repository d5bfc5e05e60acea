"""Orders whose last fill comes at the close or after it: closing auctions print seconds later, and reports come later still."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.records import RecordKind
from core.vocabulary import Purpose, Side
from tca.rows import Row
from tests.tca.journals import BAR_NS, DAY_NS, Scribe

SECOND_NS = 10**9


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    scribe = Scribe(tmp_path)
    scribe.cash()
    yield scribe
    scribe.journal.close()


def session(scribe: Scribe, day: int, bars: int) -> None:
    """Begin a session of so many bars; 78 are a whole day."""
    scribe.day = day
    scribe.write(
        RecordKind.SESSION,
        {"date": f"2012-10-0{day + 1}", "open_ns": scribe.at(0), "close_ns": scribe.at(bars)},
    )


def traded(scribe: Scribe, filled_ns: int, *, bars: int = 78, filled: int = 100) -> Row:
    """Decide at 103 an hour before the close, fill when told, and see the next session's beginning."""
    session(scribe, 0, bars)
    scribe.bar(bars - 12, 103.0)
    order = scribe.order("A", bars - 12)
    scribe.arrival("A", decision_price=103.0, bid=103.0, ask=103.0)
    scribe.bar(bars - 1, 104.0, volume=100)
    scribe.bar(bars, 105.0, volume=300)
    scribe.fill(order, filled, "105.10", filled_ns)
    if filled < order.quantity:
        scribe.status("A", "Cancelled")
    session(scribe, 1, 78)
    for bar in range(1, 8):
        scribe.bar(bar, 110.0 + bar, low=109.0)
    session(scribe, 2, 78)
    return scribe.rows()["A"]


@pytest.mark.parametrize(
    "late_s", [0, 3, 600, 3 * 3600, 17 * 3600], ids=["at it", "auction", "minutes", "hours", "next morning"]
)
@pytest.mark.parametrize("bars", [78, 42], ids=["whole day", "half day"])
def test_a_fill_after_the_close_belongs_to_that_session(scribe: Scribe, late_s: int, bars: int) -> None:
    row = traded(scribe, scribe.at(bars) + late_s * SECOND_NS, bars=bars)
    assert (row["close_price"], row["next_open"]) == (105.0, 109.0)
    assert row["interval_vwap"] == pytest.approx((104.0 * 100 + 105.0 * 300) / 400)
    assert row["reversion_1_bps"] == pytest.approx((105.10 - 111.0) / 105.10 * 1e4)
    assert row["is_final"] is True


def test_what_the_auction_missed_is_valued_at_its_own_close(scribe: Scribe) -> None:
    row = traded(scribe, scribe.at(78) + 3 * SECOND_NS, filled=30)
    assert (row["missed"], row["end_price"]) == (70, 105)


def test_a_stop_whose_fill_was_told_after_the_close_was_hit_in_the_last_bar(scribe: Scribe) -> None:
    session(scribe, 0, 78)
    stop = scribe.order("S", 1, Side.SELL, purpose=Purpose.STOP, stop_price=Decimal(99))
    scribe.bar(77, 100.0, volume=100)
    scribe.bar(78, 98.0, volume=300)
    scribe.fill(stop, 100, "98.90", scribe.at(78) + 3 * SECOND_NS)
    session(scribe, 1, 78)
    scribe.bar(1, 90.0)
    assert scribe.rows()["S"]["interval_vwap"] == pytest.approx(98.0)


def test_a_fill_of_a_session_that_main_missed_is_not_put_into_the_one_before(scribe: Scribe) -> None:
    session(scribe, 0, 78)
    scribe.bar(1, 100.0)
    order = scribe.order("A", 1)
    scribe.arrival("A")
    scribe.bar(78, 105.0)
    session(scribe, 2, 78)
    scribe.fill(order, 100, "120", scribe.at(0) - DAY_NS + BAR_NS)  # of the day between, told a day later
    scribe.bar(1, 121.0)
    row = scribe.rows()["A"]
    assert (row["close_price"], row["next_open"]) == (None, None)
