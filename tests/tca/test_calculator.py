"""Costs worked out by hand, and the identity that holds for all of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import Side
from tca.calculator import (
    Fill,
    average_price,
    in_bps,
    money_paid,
    reversion_bps,
    shortfall,
    slippage_bps,
    volume_weighted_price,
)

D = Decimal


def test_a_buy_by_hand() -> None:
    # Decided at 100.00; the mid is 100.05 when it is sent; 600 at 100.10 and 300 at 100.20; 100 missed, close 101.00.
    fills = [Fill(D(600), D("100.10")), Fill(D(300), D("100.20"))]
    cost = shortfall(
        Side.BUY,
        D(1000),
        fills,
        decision_price=D("100.00"),
        arrival_price=D("100.05"),
        end_price=D("101.00"),
        fees=D("4.50"),
    )
    assert cost.delay == D("45.00")  # 900 x 0.05
    assert cost.execution == D("75.00")  # 600 x 0.05 + 300 x 0.15
    assert cost.opportunity == D("100.00")  # 100 x 1.00
    assert cost.fees == D("4.50")
    assert cost.total == D("224.50")
    assert cost.realised == D("124.50")
    # The paper portfolio gains 1000 x 1.00; the real one 900 shares' gains less fees: 600 x 0.90 + 300 x 0.80 - 4.50.
    assert D(1000) - (D(540) + D(240) - D("4.50")) == cost.total
    assert in_bps(cost.total, D(100_000)) == pytest.approx(22.45)


def test_the_same_sale_costs_the_same() -> None:
    fills = [Fill(D(600), D("99.90")), Fill(D(300), D("99.80"))]
    cost = shortfall(
        Side.SELL,
        D(1000),
        fills,
        decision_price=D("100.00"),
        arrival_price=D("99.95"),
        end_price=D("99.00"),
        fees=D("4.50"),
    )
    assert (cost.delay, cost.execution, cost.opportunity) == (D("45.00"), D("75.00"), D("100.00"))
    assert cost.total == D("224.50")


def test_a_better_price_is_a_negative_cost_on_both_sides() -> None:
    for side, price in ((Side.BUY, "99.90"), (Side.SELL, "100.10")):
        cost = shortfall(side, D(10), [Fill(D(10), D(price))], decision_price=D(100), arrival_price=D(100))
        assert cost.total == D("-1.00")
        assert slippage_bps(side, D(price), D(100)) == pytest.approx(-10.0)


def test_what_was_never_filled_costs_only_its_opportunity() -> None:
    cost = shortfall(Side.BUY, D(10), [], decision_price=D(50), arrival_price=D("50.5"), end_price=D(49))
    assert (cost.delay, cost.execution, cost.opportunity, cost.total) == (D(0), D(0), D(-10), D(-10))


def test_a_missed_part_needs_a_price() -> None:
    with pytest.raises(ValueError, match=r"4 of 10 were missed"):
        shortfall(Side.BUY, D(10), [Fill(D(6), D(1))], decision_price=D(1), arrival_price=D(1))


def test_an_overfill_costs_no_opportunity() -> None:
    cost = shortfall(
        Side.BUY, D(5), [Fill(D(6), D(11))], decision_price=D(10), arrival_price=D(10), end_price=D(99)
    )
    assert (cost.opportunity, cost.execution) == (D(0), D(6))


def test_reversion_is_positive_when_the_market_comes_back() -> None:
    assert reversion_bps(Side.BUY, D(100), D("99.9")) == pytest.approx(10.0)
    assert reversion_bps(Side.SELL, D(100), D("99.9")) == pytest.approx(-10.0)


def test_averages() -> None:
    assert average_price([Fill(D(1), D(10)), Fill(D(3), D(20))]) == D("17.5")
    assert average_price([]) is None
    assert volume_weighted_price([(12.0, 9.0, 9.0, 100.0), (21.0, 19.0, 20.0, 300.0)]) == 17.5
    assert volume_weighted_price([(12.0, 9.0, 9.0, 0.0)]) is None
    assert in_bps(D(1), D(0)) is None


cents = st.integers(1, 10_000_000).map(lambda value: D(value) / 100)
fills_drawn = st.lists(st.builds(Fill, st.integers(1, 10_000).map(D), cents), max_size=6)


@given(
    side=st.sampled_from(Side),
    fills=fills_drawn,
    missed=st.integers(0, 1_000).map(D),
    decision=cents,
    arrival=cents,
    end=cents,
    fees=st.integers(-1_000, 1_000_000).map(lambda value: D(value) / 10_000),
)
def test_components_add_up_to_perold_and_to_the_money_exactly(
    side: Side, fills: list[Fill], missed: D, decision: D, arrival: D, end: D, fees: D
) -> None:
    filled = sum((fill.quantity for fill in fills), D(0))
    wanted = filled + missed
    cost = shortfall(
        side, wanted, fills, decision_price=decision, arrival_price=arrival, end_price=end, fees=fees
    )
    paper = side.sign * wanted * (end - decision)
    real = side.sign * sum((fill.quantity * (end - fill.price) for fill in fills), D(0)) - fees
    assert cost.total == paper - real
    assert side.sign * filled * decision + cost.realised == money_paid(side, fills, fees)


@given(fills=fills_drawn, decision=cents, arrival=cents)
def test_a_mirrored_market_costs_a_sale_what_it_costs_a_buy(
    fills: list[Fill], decision: D, arrival: D
) -> None:
    quantity = sum((fill.quantity for fill in fills), D(0))
    mirror = D(1_000_000)
    mirrored = [Fill(fill.quantity, mirror - fill.price) for fill in fills]
    buy = shortfall(Side.BUY, quantity, fills, decision_price=decision, arrival_price=arrival)
    sale = shortfall(
        Side.SELL, quantity, mirrored, decision_price=mirror - decision, arrival_price=mirror - arrival
    )
    assert buy == sale
