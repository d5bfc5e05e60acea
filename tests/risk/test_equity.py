"""The watchdog's own marks and the peak."""

from __future__ import annotations

import math

import pytest

from core.events import AccountValue, ProfitAndLoss
from risk.equity import EquityTracker


def value(text: str, key: str = "NetLiquidation") -> AccountValue:
    return AccountValue(account="DU1", key=key, value=text, currency="USD", received_monotonic_ns=0)


def result(unrealized: float, realized: float = 0.0, daily: float = 0.0) -> ProfitAndLoss:
    return ProfitAndLoss(
        account="DU1", daily=daily, unrealized=unrealized, realized=realized, received_monotonic_ns=0
    )


def test_profit_and_loss_moves_the_value_between_two_account_values() -> None:
    tracker = EquityTracker()
    tracker.on_profit_and_loss(result(100.0))
    tracker.on_account_value(value("1000"))
    tracker.on_profit_and_loss(result(-100.0))
    assert tracker.nlv == 800.0
    tracker.on_account_value(value("790"))
    assert tracker.nlv == 790.0


def test_an_old_account_value_that_is_repeated_hides_no_loss() -> None:
    tracker = EquityTracker()
    tracker.on_profit_and_loss(result(0.0))
    tracker.on_account_value(value("100000"))
    tracker.on_profit_and_loss(result(-20_000.0))
    tracker.on_account_value(value("100000"))
    assert tracker.nlv == 80_000.0
    tracker.on_account_value(value("79500"))
    assert tracker.nlv == 79_500.0


def test_a_new_day_that_counts_realised_results_anew_is_no_loss() -> None:
    tracker = EquityTracker()
    tracker.on_profit_and_loss(result(50.0, 300.0))
    tracker.on_account_value(value("1000"))
    tracker.on_profit_and_loss(result(50.0, 0.0))
    assert tracker.nlv == 1000.0
    tracker.on_profit_and_loss(result(40.0, 0.0))
    assert tracker.nlv == 990.0


@pytest.mark.parametrize("text", ["nan", "inf", "1.7976931348623157e308", "", "abc"])
def test_a_value_that_is_no_money_is_ignored(text: str) -> None:
    tracker = EquityTracker()
    tracker.on_account_value(value("1000"))
    tracker.on_account_value(value(text))
    assert tracker.nlv == 1000.0


def test_results_that_are_not_numbers_are_ignored() -> None:
    tracker = EquityTracker()
    tracker.on_account_value(value("1000"))
    for bad in (math.nan, math.inf, 1.7976931348623157e308):
        tracker.on_profit_and_loss(result(bad))
    assert tracker.nlv == 1000.0


def test_one_wild_mark_does_not_raise_the_peak() -> None:
    tracker = EquityTracker()
    for text in ("1000", "1000", "10000", "1000", "1000"):
        tracker.on_account_value(value(text))
    assert tracker.peak == 1000.0


def test_the_peak_rises_with_marks_that_last_and_never_falls() -> None:
    tracker = EquityTracker(peak=1000.0)
    for text in ("1100", "1110", "1120", "900", "900", "900"):
        tracker.on_account_value(value(text))
    assert tracker.peak == 1100.0
    assert tracker.view(0).drawdown == pytest.approx(1 - 900 / 1100)
