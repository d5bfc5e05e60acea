"""Compiled costs against the Decimal schedules: the same to the last digit."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.cost_settings import costs_of
from backtester.costs import commission, fees, fill_price, fillable
from backtester.money import MICRO, divide_half_even, divide_half_up, micros
from core.commissions import SCHEDULES, Trade
from core.config_schema import BacktestSettings

CODES = {"fixed": 1, "tiered": 2}


def model(**settings):
    return costs_of(BacktestSettings(**settings))


@settings(deadline=None)  # the first call compiles
@given(
    name=st.sampled_from(sorted(CODES)),
    quantity=st.integers(1, 2_000_000),
    price=st.one_of(st.integers(1, 3 * MICRO), st.integers(1, 5_000 * MICRO)),
    month=st.integers(0, 120_000_000),
    is_sale=st.booleans(),
    already=st.integers(0, 10 * MICRO),
)
def test_commission_and_fees_are_those_of_the_schedule_to_the_last_digit(
    name, quantity, price, month, is_sale, already
):
    schedule = SCHEDULES[name]
    exact = Decimal(price) / MICRO
    expected = schedule.commission(quantity, exact * quantity, month)
    got = commission(CODES[name], quantity, price * quantity, month)
    assert Decimal(got) / MICRO == expected
    trade = Trade(quantity=quantity, price=exact, is_sale=is_sale, adds_liquidity=False)
    charged = expected - Decimal(already) / MICRO  # a later execution of the order
    expected_fees = schedule.fees(trade, charged)
    assert Decimal(fees(CODES[name], quantity, price, is_sale, got - already)) / MICRO == expected_fees


def test_without_a_schedule_nothing_is_charged():
    assert commission(0, 100, 1_000 * MICRO, 0) == 0
    assert fees(0, 100, 10 * MICRO, True, 0) == 0


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [(100, "50.00", "0.35"), (1_000, "50.00", "3.5"), (10, "1.00", "0.1"), (1, "0.50", "0.005")],
)
def test_a_tiered_commission_has_its_minimum_and_at_most_one_per_cent(quantity, price, expected):
    got = commission(CODES["tiered"], quantity, int(Decimal(price) * MICRO) * quantity, 0)
    assert Decimal(got) / MICRO == Decimal(expected)


@settings(deadline=None)  # the first call compiles
@given(amount=st.integers(-(10**15), 10**15), divisor=st.integers(1, 10**7))
def test_division_rounds_half_to_even_as_decimal_does(amount, divisor):
    expected = (Decimal(amount) / divisor).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert divide_half_even(amount, divisor) == expected


@settings(deadline=None)  # the first call compiles
@given(amount=st.integers(0, 10**15), divisor=st.integers(1, 10**7))
def test_division_rounds_half_up(amount, divisor):
    assert divide_half_up(amount, divisor) == (Decimal(amount) / divisor).quantize(Decimal(1), ROUND_HALF_UP)


@settings(deadline=None)  # the first call compiles
@given(price=st.decimals(Decimal("0.0001"), Decimal(4_000_000), places=6))
def test_a_price_of_six_decimals_is_exact_in_micro_dollars(price):
    assert micros(float(price)) == int(price * MICRO)


def test_a_buy_pays_half_the_spread_and_slippage_and_a_sale_loses_it():
    costs = model(half_spread_bps=2, slippage_bps=3, impact_bps=0)
    assert fill_price(costs, 100 * MICRO, 10, 1e6, False) == 100_050_000
    assert fill_price(costs, 100 * MICRO, -10, 1e6, False) == 99_950_000
    assert fill_price(costs, 100 * MICRO, 10, 1e6, True) == 100_030_000  # an auction has no spread


def test_impact_grows_with_the_square_root_of_the_share_of_volume():
    costs = model(half_spread_bps=0, slippage_bps=0, impact_bps=20)
    assert (
        fill_price(costs, 100 * MICRO, 10_000, 1e6, False) == 100_020_000
    )  # a tenth of 20 bps for a hundredth
    assert fill_price(costs, 100 * MICRO, 40_000, 1e6, False) == 100_040_000


def test_orders_fill_up_to_their_share_of_the_volume():
    costs = model(fill_participation=0.29)
    assert fillable(costs, 100.0) == 29
    assert fillable(costs, 0.0) == 0
    assert fillable(costs, 1e12) == 290_000_000_000
    assert fillable(costs, 1e15) > 10**12  # no real bar, but no negative room either
    assert fillable(costs, float("nan")) == 0
