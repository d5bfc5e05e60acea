"""Fills to round trips, their profits, exposure and costs: examples worked by hand, and properties."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance import activity as a
from performance import round_trips as t

fills = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool), st.integers(100, 20_000).map(lambda c: c / 100), st.integers(0, 5)
    ),
    max_size=40,
)
PROFITS = [30.0, -10.0, 20.0, -10.0, -20.0, 0.0]  # three losses of 40, two profits of 50


def trips_of(rows):
    return t.round_trips([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def test_scaling_in_and_out_is_one_round_trip():
    (trip,) = trips_of([(100, 10.0, 1.0), (50, 12.0, 1.0), (-120, 13.0, 1.0), (-30, 9.0, 1.0)])
    assert (trip.first_fill, trip.last_fill, trip.side, trip.quantity) == (0, 3, 1, 150.0)
    assert trip.commission == 4.0
    assert trip.profit == pytest.approx(120 * 13 + 30 * 9 - 1000 - 600 - 4)


def test_a_fill_through_zero_ends_one_round_trip_and_begins_the_next():
    long, short = trips_of([(100, 10.0, 0.0), (-150, 11.0, 3.0), (50, 12.0, 1.0)])
    assert (long.side, long.profit) == (1, pytest.approx(100 - 2.0))  # two thirds of the commission
    assert (short.side, short.quantity, short.profit) == (-1, 50.0, pytest.approx(-50 - 1.0 - 1.0))
    assert (short.first_fill, short.last_fill) == (1, 2)


def test_what_is_still_open_is_no_round_trip():
    assert trips_of([(100, 10.0, 1.0), (-40, 12.0, 1.0)]) == []
    assert trips_of([]) == []


def test_fractional_shares_leave_nothing_behind():
    assert 0.1 + 0.2 - 0.3 != 0.0
    assert len(trips_of([(0.1, 10.0, 0.0), (0.2, 10.0, 0.0), (-0.3, 11.0, 0.0), (5.0, 10.0, 0.0)])) == 1


@given(fills)
def test_profits_of_all_round_trips_are_the_cash_of_all_fills_once_flat(rows):
    position = sum(row[0] for row in rows)
    closed = [*rows, (-position, 50.0, 1)] if position else rows
    cash = sum(-size * price - commission for size, price, commission in closed)
    found = trips_of(closed)
    assert math.fsum(one.profit for one in found) == pytest.approx(cash, abs=1e-6)
    assert math.fsum(one.commission for one in found) == pytest.approx(sum(row[2] for row in closed))
    assert all(one.first_fill < one.last_fill and one.quantity > 0 for one in found)
    assert all(left.last_fill <= right.first_fill for left, right in pairwise(found))


@given(fills)
def test_the_mirrored_fills_are_the_mirrored_round_trips(rows):
    mirrored = [(-size, price, 0.0) for size, price, _ in rows]
    for one, other in zip(trips_of([(s, p, 0.0) for s, p, _ in rows]), trips_of(mirrored), strict=True):
        assert (other.side, other.profit) == (-one.side, pytest.approx(-one.profit, abs=1e-9))


def test_bad_fills_are_refused():
    with pytest.raises(ValueError, match="a fill of 0 at 1"):
        trips_of([(1, 10.0, 0.0), (0, 10.0, 0.0)])
    with pytest.raises(ValueError, match="as many"):
        t.round_trips([1.0], [1.0, 2.0], [0.0])
    with pytest.raises(ValueError, match="finite"):
        trips_of([(1, math.nan, 0.0)])


def test_measures_of_profits_worked_by_hand():
    assert t.hit_rate(PROFITS) == pytest.approx(2 / 6)
    assert t.profit_factor(PROFITS) == pytest.approx(50 / 40)
    assert t.average_winner(PROFITS) == 25.0
    assert t.average_loser(PROFITS) == pytest.approx(40 / 3)
    assert t.payoff_ratio(PROFITS) == pytest.approx(25 / (40 / 3))
    assert t.expectancy(PROFITS) == pytest.approx(10 / 6)
    # Of five that are not 0, two won: 0.4 - 0.6 / 1.875.
    assert t.kelly_fraction(PROFITS) == pytest.approx(0.08)
    assert t.longest_losing_streak(PROFITS) == 2
    assert t.system_quality_number([1.0, 3.0]) == pytest.approx(math.sqrt(2) * 2 / math.sqrt(2))


def test_without_a_loss_the_profit_factor_is_infinite_and_the_payoff_unknown():
    assert t.profit_factor([1.0, 2.0]) == math.inf
    assert math.isnan(t.payoff_ratio([1.0, 2.0]))
    assert math.isnan(t.kelly_fraction([1.0, 2.0]))


@given(st.lists(st.integers(-1000, 1000), min_size=1).map(lambda rows: [float(row) for row in rows]))
def test_profit_factor_expectancy_and_kelly_agree_on_the_sign(profits):
    if t.expectancy(profits) > 0:
        assert t.profit_factor(profits) > 1.0
    if min(profits) < 0 < max(profits):
        # Kelly's share is the expectancy in units of the mean profit, among those that are not 0.
        decided = [profit for profit in profits if profit]
        expected = t.expectancy(decided) / t.average_winner(decided)
        assert t.kelly_fraction(profits) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("measure", t.MEASURES, ids=lambda f: f.__name__)
def test_without_a_round_trip_nothing_is_known_but_that_none_was_lost(measure):
    value = measure([])
    assert value == 0.0 if measure is t.longest_losing_streak else math.isnan(value)


def test_activity_worked_by_hand():
    exposure, equity = [0.0, 0.5, 1.5, 1.0], [100.0, 100.0, 110.0, 90.0]
    assert a.average_exposure(exposure) == 0.75
    assert a.largest_exposure(exposure) == 1.5
    assert a.time_in_market(exposure) == 0.75
    # In four of twelve months everything was bought once and sold once: 1 in four months, 3 a year.
    assert a.turnover_annual([100.0, 0.0, 0.0, 100.0], equity, periods_per_year=12) == pytest.approx(3.0)
    assert a.costs_annual([0.5, 0.0, 0.0, 0.5], equity, periods_per_year=12) == pytest.approx(0.03)
    assert a.costs_bps([0.5, 0.0, 0.0, 0.5], [100.0, 0.0, 0.0, 100.0]) == pytest.approx(50.0)


def test_activity_of_nothing_is_unknown_and_other_lengths_are_refused():
    assert all(math.isnan(m([])) for m in (a.average_exposure, a.largest_exposure, a.time_in_market))
    assert all(math.isnan(m([], [])) for m in (a.turnover_annual, a.costs_annual, a.costs_bps))
    for measure in (a.turnover_annual, a.costs_annual, a.costs_bps):
        with pytest.raises(ValueError, match=r"^2 .*but 1"):
            measure([1.0, 2.0], [1.0])
