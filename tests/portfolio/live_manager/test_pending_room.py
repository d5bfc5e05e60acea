"""Caps over what is held and what still works."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from core.config_schema import CapSettings
from core.reasons import Reason
from core.vocabulary import Side
from execution.plans import EntryPlan
from portfolio.live_manager.pending_room import PendingRoom
from tests.execution.orders import D
from tests.portfolio.live_manager.parts import START_NS, Parts

TOUCH = {"method": "LMT", "methods": {"limit_placement": "touch"}}
PRICE = 190.0


def plan(quantity: int, symbol: str = "MSFT") -> EntryPlan:
    return EntryPlan(
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        quantity=D(quantity),
        stop_price=180.0,
        arrival_price=PRICE,
        created_ns=START_NS,
    )


def room(parts: Parts, nlv: float = 100_000.0, cash: float = 0.0, **caps: object) -> PendingRoom:
    settings = CapSettings.model_validate({"max_symbol_exposure": 1.0, **caps})
    return PendingRoom(settings, parts.book, price_of=lambda _: PRICE, nlv=nlv, settled_cash=cash)


def reason(one: PendingRoom, entry: EntryPlan) -> Reason | None:
    denial = one.objection(entry)
    return None if denial is None else denial.reason


@pytest.fixture
def waiting(tmp_path: Path) -> Parts:
    """An entry of 100 shares of IBM, 19,000 dollars, rests."""
    parts = Parts(tmp_path, **TOUCH)
    parts.act(100)
    return parts


@pytest.mark.parametrize(
    ("caps", "entry", "expected"),
    [
        ({"max_gross_exposure": 0.5}, plan(160), None),  # 19,000 + 30,400
        ({"max_gross_exposure": 0.5}, plan(170), Reason.GROSS_CAP),
        ({"max_symbol_exposure": 0.25}, plan(40, "IBM"), Reason.SYMBOL_CAP),
        ({"max_symbol_exposure": 0.25}, plan(40), None),
        ({"max_positions": 1}, plan(10), Reason.POSITIONS_CAP),
        ({"max_positions": 1}, plan(10, "IBM"), None),
        ({"account_type": "cash"}, plan(10), Reason.SETTLED_CASH),
    ],
)
def test_an_entry_needs_room_beside_what_still_works(
    waiting: Parts, caps: dict[str, Any], entry: EntryPlan, expected: Reason | None
) -> None:
    assert reason(room(waiting, cash=20_000.0, **caps), entry) is expected


def test_what_has_got_room_counts_for_the_next_one(waiting: Parts) -> None:
    one = room(waiting, max_gross_exposure=0.5)
    assert reason(one, plan(100)) is None
    assert reason(one, plan(100, "AAPL")) is Reason.GROSS_CAP


def test_without_a_value_of_the_account_there_is_no_room(waiting: Parts) -> None:
    assert reason(room(waiting, nlv=math.nan), plan(1)) is Reason.GROSS_CAP


def test_what_is_held_counts_as_well(tmp_path: Path) -> None:
    parts = Parts(tmp_path, **TOUCH)
    parts.act(100)
    parts.fill(1, 60, index=0)
    assert reason(room(parts, max_gross_exposure=0.2), plan(1)) is None
    assert reason(room(parts, max_gross_exposure=0.2), plan(6)) is Reason.GROSS_CAP


def test_market_entries_leave_the_decisions_sums_as_they_are(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    parts.act(100)
    assert reason(room(parts, max_gross_exposure=0.01), plan(1000)) is None
