"""Interest and borrow fees, against their formula in `Decimal`."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.carry import Carry, accrued, daily_amount
from backtester.money import LARGEST_NLV


def exact(balance: int, rate: int) -> int:
    cents = (Decimal(balance) / 10_000).quantize(Decimal(1), ROUND_HALF_EVEN)
    day = cents / 100 * Decimal(rate) / 1_000_000 / 360
    return int((day * 1_000_000).quantize(Decimal(1), ROUND_HALF_EVEN))


@given(balance=st.integers(0, LARGEST_NLV), rate=st.integers(0, 1_000_000))
def test_a_days_amount_is_exact_for_every_account(balance, rate):
    assert daily_amount(balance, rate) == exact(balance, rate)


@pytest.mark.parametrize(
    ("cash", "short_value", "days", "expected"),
    [
        (360_000_000_000, 0, 1, (30_000_000, 0, 0)),  # 360,000 dollars at 3%: 30 dollars a day
        (-360_000_000_000, 0, 3, (0, -180_000_000, 0)),  # a weekend on margin at 6%
        (0, 720_000_000_000, 1, (0, 0, -20_000_000)),  # 720,000 dollars short at 1%
        (0, 0, 4, (0, 0, 0)),
    ],
)
def test_each_balance_pays_its_own_rate(cash, short_value, days, expected):
    assert accrued(Carry(cash=30_000, margin=60_000, borrow=10_000), cash, short_value, days) == expected
