"""What money and borrowed shares cost from one session to the next. Kernels in whole micro-dollars.

For every calendar day from one session to the next (weekends and holidays included), on the balances of the last close:

    cash interest    + rate * cash above 0 / 360
    margin interest  - rate * cash below 0 / 360
    borrow fee       - rate * value of the short positions / 360

which is how Interactive Brokers accrues all three (https://www.interactivebrokers.com: interest and short sale cost, 360
days a year). They are booked when the next session begins; the broker books a month's sum on its third business day.
Balances count in whole cents, and each day's amount is rounded half to even.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from backtester.money import divide_half_even
from core.kernel import borrowing_kernel

_CENT = 10_000
_DAYS = 36_000
"""Cents times millionths a year, in micro-dollars a day: 360 days, 100 cents."""


class FlowKind(IntEnum):
    """Cash that no fill explains."""

    CASH_INTEREST = 0
    MARGIN_INTEREST = 1
    BORROW_FEE = 2
    DIVIDEND = 3
    CASH_IN_LIEU = 4
    """Paid for the fraction of a share that a split leaves."""


class FlowColumn(IntEnum):
    """Columns of the record of flows; ``SYMBOL`` is -1 for the account's own, ``AMOUNT`` in micro-dollars."""

    BAR = 0
    STRATEGY = 1
    SYMBOL = 2
    KIND = 3
    AMOUNT = 4


class Carry(NamedTuple):
    """Rates a year in millionths, each 0 or more."""

    cash: int
    margin: int
    borrow: int


@borrowing_kernel
def daily_amount(balance: int, rate: int) -> int:
    """One day's interest on a balance, both in micro-dollars.

    Parameters
    ----------
    balance
        0 or more, at most `backtester.money.LARGEST_NLV`.
    rate
        Millionths a year, at most a million.
    """
    return divide_half_even(divide_half_even(balance, _CENT) * rate, _DAYS)


@borrowing_kernel
def accrued(carry: Carry, cash: int, short_value: int, days: int) -> tuple[int, int, int]:
    """Cash interest, margin interest and borrow fee of ``days`` days, each signed as cash sees it.

    Parameters
    ----------
    carry
        The rates.
    cash
        Trade-date cash at the last close.
    short_value
        Value of the short positions then, 0 or more.
    days
        Calendar days.
    """
    interest = days * daily_amount(max(cash, 0), carry.cash)
    margin = -days * daily_amount(max(-cash, 0), carry.margin)
    borrow = -days * daily_amount(short_value, carry.borrow)
    return interest, margin, borrow
