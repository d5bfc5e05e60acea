"""Holes in the rows are filled before anything is decided; the account is proven before anything is traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from core.config_schema import Settings
from core.vocabulary import Unknown
from data.bar_assembler import MarketRow
from data.warmup import Warmup
from portfolio.live_manager.backfill import Backfill
from portfolio.live_manager.startup import CannotStart, check_account, opening_cash
from tests.portfolio.live_manager.parts import Parts
from tests.waiting import wait_for


def row(end: int, missed: int = 0) -> MarketRow:
    return MarketRow(end_ns=end, bars={}, rows_missed=missed)


def test_rows_without_a_hole_pass_at_once() -> None:
    backfill = Backfill(Warmup, lambda _: None)
    assert backfill.add(row(1)) == row(1)
    assert backfill.poll() is None


def test_after_a_hole_what_was_missed_is_taken_in_order_and_only_the_newest_is_decided_on() -> None:
    warmed: list[int] = []
    history = Warmup(rows=tuple(row(end) for end in range(1, 9)))
    backfill = Backfill(lambda: history, lambda one: warmed.append(one.end_ns))
    backfill.start_after(2)
    assert backfill.add(row(3)) is not None
    assert backfill.add(row(6, missed=2)) is None
    assert backfill.add(row(7)) is None, "held until the history is there"
    newest = wait_for(backfill.poll, "the history")
    assert newest.end_ns == 7
    assert warmed == [4, 5, 6], "nothing twice, nothing of the future"
    assert backfill.add(row(8)) is not None


@dataclass
class Login:
    account: str | None
    accounts: tuple[str, ...]


@pytest.mark.parametrize(
    ("mode", "named", "login", "fault"),
    [
        ("paper", None, Login("DU1000001", ("DU1000001",)), None),
        ("paper", None, Login("U1000001", ("U1000001",)), "no paper account"),
        ("paper", None, Login(None, ("DU1000001", "DU1000002")), "several accounts"),
        ("paper", "DU1000009", Login(None, ("DU1000001",)), "names account_id DU1000009"),
        ("live", "U1000001", Login("U1000001", ("U1000001",)), None),
        ("live", "DU1000001", Login("DU1000001", ("DU1000001",)), "is a paper account"),
        ("live", "U1000009", Login(None, ("U1000001",)), "names account_id U1000009"),
    ],
)
def test_only_the_account_that_is_meant_is_traded(
    mode: str, named: str | None, login: Login, fault: str | None
) -> None:
    settings = Settings.model_validate({"mode": mode, "account_id": named})
    if fault is None:
        assert check_account(settings, login) == login.account  # type: ignore[arg-type]
        return
    with pytest.raises(CannotStart, match=fault):
        check_account(settings, login)  # type: ignore[arg-type]


def test_no_book_is_opened_on_a_guess(parts: Parts) -> None:
    known = parts.snapshot({})
    assert opening_cash(replace(known, values={"TotalCashValue": Decimal(7)})) == 7
    guesses: tuple[Unknown | Mapping[str, Decimal], ...] = (Unknown.TIMED_OUT, {})
    for values in guesses:
        with pytest.raises(CannotStart):
            opening_cash(replace(known, values=values))
