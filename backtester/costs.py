"""What an execution costs: price against us, commission, fees. Kernels in whole micro-dollars.

Commissions and fees are those of `core.commissions`, rate by rate, to the last digit. The price moves against us by half
the spread, by slippage, and by a square-root impact

    impact = impact_bps * sqrt(quantity / volume of the bar)

the empirical law of B. Tóth et al., "Anomalous price impact and the critical nature of liquidity in financial
markets", Physical Review X 1, 021006 (2011); the coefficient holds the volatility.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from backtester.money import MICRO, divide_half_even, divide_half_up
from core import commissions as ib
from core.kernel import inlined_kernel

NO_COMMISSION, FIXED, TIERED = 0, 1, 2
"""Schedules, as kernels know them."""

RATE_UNIT = 1_000_000
"""A price moves against us by whole millionths (0.01 basis points)."""

_LARGEST_VOLUME = 9e12
"""More than any bar has; times a million it is still an int64."""

_FEE_UNIT = 10_000_000
"""Fees are summed in ten-millionths of a micro-dollar and rounded once."""


def _whole(value: Decimal, unit: int) -> int:
    scaled = value * unit
    if scaled != int(scaled):
        raise ValueError(f"{value} isn't a multiple of 1/{unit}")
    return int(scaled)


_MAXIMUM = _whole(1 / ib.MAXIMUM, 1)
_FIXED_RATE = _whole(ib.FIXED_RATE, MICRO)
_FIXED_MINIMUM = _whole(ib.FIXED_MINIMUM, MICRO)
_TIERED_MINIMUM = _whole(ib.TIERED_MINIMUM, MICRO)
_TIER_LIMITS = tuple(limit for limit, _rate in ib.TIERS)
_TIER_RATES = tuple(_whole(rate, MICRO) for _limit, rate in ib.TIERS)
_LAST_TIER = _whole(ib.LAST_TIER, MICRO)

_AUDIT_TRAIL = _whole(ib.AUDIT_TRAIL_FEE, MICRO)
_SEC = _whole(ib.SEC_FEE, _FEE_UNIT)
_ACTIVITY = _whole(ib.TRADING_ACTIVITY_FEE, MICRO)
_ACTIVITY_CAP = _whole(ib.TRADING_ACTIVITY_CAP, MICRO)
_CLEARING = _whole(ib.CLEARING_FEE, MICRO)
_CLEARING_CAP = _whole(ib.CLEARING_CAP, 1000)
_REMOVES = _whole(ib.REMOVES, MICRO)
_REMOVES_BELOW_ONE_DOLLAR = _whole(ib.REMOVES_BELOW_ONE_DOLLAR, _FEE_UNIT)
_PASS_THROUGH = _whole(ib.PASS_THROUGH, _FEE_UNIT)


class Costs(NamedTuple):
    """Cost model. Rates in millionths of the price; ``participation`` in millionths of a bar's volume."""

    schedule: int
    half_spread: int
    slippage: int
    impact: int
    participation: int


@inlined_kernel
def fill_price(costs: Costs, base: int, quantity: int, volume: float, auction: bool) -> int:
    """Price of a fill in micro-dollars: ``base`` moved against us, rounded half up; never below one micro-dollar.

    Parameters
    ----------
    costs
        The cost model.
    base
        Undisturbed price, micro-dollars.
    quantity
        Signed: a buy pays more, a sale gets less.
    volume
        Shares traded in the bar; above 0.
    auction
        Whether it fills in a closing auction, which has no spread.
    """
    rate = costs.slippage
    if not auction:
        rate += costs.half_spread
    if costs.impact > 0:
        rate += math.floor(costs.impact * math.sqrt(abs(quantity) / volume) + 0.5)
    move = divide_half_up(base * rate, RATE_UNIT)
    return base + move if quantity > 0 else max(base - move, 1)


@inlined_kernel
def fillable(costs: Costs, volume: float) -> int:
    """Shares that our orders may fill in a bar of this volume; 0 for NaN."""
    if not volume > 0.0:
        return 0
    return int(min(volume, _LARGEST_VOLUME)) * costs.participation // 1_000_000


@inlined_kernel
def commission(schedule: int, quantity: int, value: int, month_shares: int) -> int:
    """Commission of an order filled so far for ``quantity`` shares and ``value`` micro-dollars; see `core.commissions`.

    ``month_shares`` were traded in the calendar month before the order's first fill.
    """
    if schedule == NO_COMMISSION:
        return 0
    amount, minimum = _FIXED_RATE * quantity, _FIXED_MINIMUM
    if schedule == TIERED:
        amount, minimum = _tiered(month_shares, quantity), _TIERED_MINIMUM
    amount = max(amount, minimum)
    return amount if amount * _MAXIMUM <= value else divide_half_even(value, _MAXIMUM)


@inlined_kernel
def _tiered(before: int, quantity: int) -> int:
    """Sum the rates of the volume tiers that the order passes through."""
    amount, position, left = 0, before, quantity
    for limit, rate in zip(_TIER_LIMITS, _TIER_RATES):  # noqa: B905 (kernels know no ``strict``)
        part = min(max(limit - position, 0), left)
        amount += rate * part
        position += part
        left -= part
    return amount + _LAST_TIER * left


@inlined_kernel
def fees(schedule: int, quantity: int, price: int, is_sale: bool, charged: int) -> int:
    """Fees of one execution that removes liquidity, on top of the commission ``charged`` for it.

    Parameters
    ----------
    schedule
        One of the schedules of this module.
    quantity
        Shares, positive.
    price
        Micro-dollars.
    is_sale
        Sales pay the SEC's and FINRA's fees.
    charged
        Commission of this execution, micro-dollars.
    """
    if schedule == NO_COMMISSION:
        return 0
    value = quantity * price
    total = _AUDIT_TRAIL * quantity * _FEE_UNIT
    if is_sale:
        total += _SEC * value
        total += min(_ACTIVITY * quantity, _ACTIVITY_CAP) * _FEE_UNIT
    if schedule == TIERED:
        if _CLEARING_CAP * price >= _CLEARING * 1000:
            total += _CLEARING * quantity * _FEE_UNIT
        else:
            total += _CLEARING_CAP * value * (_FEE_UNIT // 1000)
        if price < MICRO:
            total += _REMOVES_BELOW_ONE_DOLLAR * value
        else:
            total += _REMOVES * quantity * _FEE_UNIT
        total += _PASS_THROUGH * charged
    return divide_half_even(total, _FEE_UNIT)
