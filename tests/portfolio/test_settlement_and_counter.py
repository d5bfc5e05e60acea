"""Settled cash on T+N, and the monthly count of fills."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import Side
from portfolio.monthly_counter import MonthlyCounter, month_of
from portfolio.settlement import SettledCash
from tests.portfolio.executions import execution

D = Decimal
MONDAY = date(2012, 11, 12)


def next_weekday(day: date) -> date:
    """T+1 on a calendar of weekdays."""
    return day + timedelta(days=3 if day.weekday() == 4 else 1)


def ns(year: int, month: int, day: int, hour: int) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 10**9


def test_a_purchase_is_paid_at_once():
    cash = SettledCash(settled=D(5000)).after_fill(execution(1, Side.BUY, 100, 10), MONDAY, next_weekday)
    assert (cash.settled, cash.total) == (D(4000), D(4000))


def test_the_proceeds_of_a_sale_can_be_spent_when_they_have_settled_and_not_before():
    cash = SettledCash().after_fill(execution(1, Side.SELL, 100, 10), MONDAY, next_weekday)
    assert (cash.on(MONDAY).settled, cash.total) == (D(0), D(1000))
    assert cash.on(MONDAY + timedelta(days=1)).settled == D(1000)


def test_a_friday_sale_settles_on_monday():
    friday = date(2012, 11, 16)
    cash = SettledCash().after_fill(execution(1, Side.SELL, 100, 10), friday, next_weekday)
    assert cash.on(date(2012, 11, 18)).settled == D(0)
    assert cash.on(date(2012, 11, 19)).settled == D(1000)


def test_a_commission_settles_at_once():
    assert SettledCash(settled=D(10)).after_payment(D("-0.35")).settled == D("9.65")


days = st.integers(0, 20).map(lambda n: MONDAY + timedelta(days=n))
fills = st.lists(
    st.tuples(
        st.builds(execution, st.just(1), st.sampled_from(Side), st.integers(1, 99), st.integers(1, 99)), days
    ),
    max_size=20,
)


@given(fills, days)
def test_settling_moves_cash_but_never_makes_or_loses_any(history, today):
    cash = SettledCash(settled=D(1000))
    for one, day in history:
        cash = cash.after_fill(one, day, next_weekday)
    expected = D(1000) - sum(one.side.sign * one.quantity * one.price for one, _ in history)
    assert cash.total == cash.on(today).total == expected
    assert cash.on(today).on(today) == cash.on(today)
    assert all(day > today for day, _ in cash.on(today).pending)


def test_fills_are_counted_by_month():
    counter = MonthlyCounter()
    for when in (ns(2012, 11, 1, 15), ns(2012, 11, 30, 15), ns(2012, 12, 3, 15)):
        counter = counter.after_fill(when)
    assert (counter.month, counter.fills) == ((2012, 12), 1)
    assert counter.count_at(ns(2012, 12, 31, 15)) == 1


def test_a_new_month_begins_with_a_full_budget_before_its_first_fill():
    counter = MonthlyCounter().after_fill(ns(2012, 11, 30, 15))
    assert counter.count_at(ns(2012, 12, 3, 15)) == 0


def test_months_are_those_of_new_york():
    assert month_of(ns(2012, 12, 1, 2)) == (2012, 11)
    assert month_of(ns(2012, 12, 1, 6)) == (2012, 12)


def test_a_fill_of_a_past_month_reported_late_is_not_counted():
    counter = MonthlyCounter().after_fill(ns(2012, 12, 3, 15))
    assert counter.after_fill(ns(2012, 11, 30, 15)) == counter
