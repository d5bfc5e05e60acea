"""Money as whole micro-dollars (int64), so that compiled accounts are exact. Kernels.

A price of at most six decimals times a whole number of shares is a whole number of micro-dollars, so cash, net
liquidation value and commissions are the same to the last digit as the live ledger's ``Decimal``.
"""

from __future__ import annotations

import math

from core.kernel import inlined_kernel

MICRO = 1_000_000
"""Micro-dollars in a dollar."""

LARGEST_NLV = 9_000_000_000 * MICRO
"""Largest account, just below 2**53: up to here a number of micro-dollars is also exact as a float."""


@inlined_kernel
def micros(price: float) -> int:
    """Micro-dollars of a price in dollars, rounded half up."""
    return math.floor(price * 1e6 + 0.5)


@inlined_kernel
def dollars(amount: int) -> float:
    """Nearest float to an amount of micro-dollars, in dollars."""
    return amount / 1e6


@inlined_kernel
def divide_half_even(amount: int, divisor: int) -> int:
    """``amount / divisor`` rounded to the nearest whole number, a tie to the even one, as ``Decimal.quantize`` does."""
    whole = amount // divisor  # rounds down, also below zero
    twice = 2 * (amount - whole * divisor)
    if twice > divisor or (twice == divisor and whole % 2 != 0):
        whole += 1
    return whole


@inlined_kernel
def divide_half_up(amount: int, divisor: int) -> int:
    """``amount / divisor`` rounded to the nearest whole number, a tie up; for amounts of 0 or more."""
    return (2 * amount + divisor) // (2 * divisor)
