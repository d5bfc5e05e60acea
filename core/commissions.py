"""Commissions and fees of US stocks, by IB's two schedules.

Source: interactivebrokers.com, "Commissions Stocks, ETFs, Warrants and Structured Products", United States, tiered
and fixed (https://www.interactivebrokers.com/en/pricing/commissions-stocks.php), as published in 2025. They are
applied to sessions of any year. Minimum and maximum are per *order*: each execution is charged what the order's
commission has grown by.

The paper gateway charges by these schedules; the backtester's compiled costs (`backtester.costs`) take their rates from
here and are tested to agree with them to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

_MICRO = Decimal("0.000001")
MAXIMUM = Decimal("0.01")  # of the trade's value; it also caps the minimum

FIXED_RATE = Decimal("0.005")  # a share
FIXED_MINIMUM = Decimal("1.00")  # an order
TIERED_MINIMUM = Decimal("0.35")

SEC_FEE = Decimal("0.0000278")  # of the value sold
TRADING_ACTIVITY_FEE = Decimal("0.000166")  # a share sold (FINRA)
TRADING_ACTIVITY_CAP = Decimal("8.30")
AUDIT_TRAIL_FEE = Decimal("0.000072")  # a share (FINRA CAT)

CLEARING_FEE = Decimal("0.00020")  # a share (NSCC, DTC)
CLEARING_CAP = Decimal("0.005")  # of the value
PASS_THROUGH = Decimal("0.000175") + Decimal("0.000563")  # of the commission (NYSE, FINRA)
REMOVES = Decimal("0.0030")  # a share; exchanges differ, this is Nasdaq's
ADDS = Decimal("-0.0020")  # a rebate
REMOVES_BELOW_ONE_DOLLAR = Decimal("0.003")  # of the value

TIERS = (
    (300_000, Decimal("0.0035")),
    (3_000_000, Decimal("0.0020")),
    (20_000_000, Decimal("0.0015")),
    (100_000_000, Decimal("0.0010")),
)
LAST_TIER = Decimal("0.0005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution, as far as its cost goes."""

    quantity: int
    price: Decimal
    is_sale: bool
    adds_liquidity: bool

    @property
    def value(self) -> Decimal:
        """Quantity times price."""
        return self.price * self.quantity


class CommissionSchedule(Protocol):
    """What an order and its executions cost."""

    @property
    def name(self) -> str:
        """The schedule's name."""
        ...

    def commission(self, quantity: int, value: Decimal, month_shares: int) -> Decimal:
        """Commission of an order filled so far for ``quantity`` shares and ``value`` dollars.

        ``month_shares`` were traded in the calendar month before the order's first fill.
        """
        ...

    def fees(self, trade: Trade, commission: Decimal) -> Decimal:
        """Fees of one execution, on top of the ``commission`` charged for it; negative when a rebate exceeds them."""
        ...


@dataclass(frozen=True, slots=True)
class FixedSchedule:
    """IBKR Pro, fixed: $0.005 a share, at least $1, at most 1% of the value; exchange fees included."""

    name: str = "fixed"

    def commission(self, quantity: int, value: Decimal, month_shares: int) -> Decimal:  # noqa: ARG002
        """Commission of an order; volume in the month doesn't matter."""
        return _bounded(FIXED_RATE * quantity, FIXED_MINIMUM, value)

    def fees(self, trade: Trade, commission: Decimal) -> Decimal:  # noqa: ARG002
        """Regulatory fees alone."""
        return _regulatory_fees(trade).quantize(_MICRO)


@dataclass(frozen=True, slots=True)
class TieredSchedule:
    """IBKR Pro, tiered: $0.0035 a share and less with volume, at least $0.35, at most 1%; all fees passed on."""

    name: str = "tiered"

    def commission(self, quantity: int, value: Decimal, month_shares: int) -> Decimal:
        """Commission of an order, marginal over the volume tiers."""
        return _bounded(_tiered(month_shares, quantity), TIERED_MINIMUM, value)

    def fees(self, trade: Trade, commission: Decimal) -> Decimal:
        """Regulatory, clearing, exchange and pass-through fees."""
        clearing = min(CLEARING_FEE * trade.quantity, CLEARING_CAP * trade.value)
        fees = _regulatory_fees(trade) + clearing + _exchange_fee(trade) + PASS_THROUGH * commission
        return fees.quantize(_MICRO)


SCHEDULES: dict[str, CommissionSchedule] = {"tiered": TieredSchedule(), "fixed": FixedSchedule()}


def _bounded(amount: Decimal, minimum: Decimal, value: Decimal) -> Decimal:
    return min(max(amount, minimum), MAXIMUM * value).quantize(_MICRO)


def _tiered(before: int, quantity: int) -> Decimal:
    amount, position, left = Decimal(0), before, quantity
    for limit, rate in TIERS:
        part = min(max(limit - position, 0), left)
        amount += rate * part
        position += part
        left -= part
    return amount + LAST_TIER * left


def _regulatory_fees(trade: Trade) -> Decimal:
    fees = AUDIT_TRAIL_FEE * trade.quantity
    if trade.is_sale:
        fees += SEC_FEE * trade.value
        fees += min(TRADING_ACTIVITY_FEE * trade.quantity, TRADING_ACTIVITY_CAP)
    return fees


def _exchange_fee(trade: Trade) -> Decimal:
    if trade.price < 1:
        return Decimal(0) if trade.adds_liquidity else REMOVES_BELOW_ONE_DOLLAR * trade.value
    return (ADDS if trade.adds_liquidity else REMOVES) * trade.quantity
