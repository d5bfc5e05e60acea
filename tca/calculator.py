"""What an order has cost: implementation shortfall and slippage, exact and in money. Pure.

Every figure is signed so that positive is a cost, for buys and sells alike. Prices and quantities are `Decimal`, so the
components add up without a rounding error. With side ``s`` (+1 buy, -1 sell), decision price ``Pd``, arrival price
``P0`` (mid when the order was sent), fills ``(q_i, p_i)``, ``q = sum q_i``, wanted quantity ``Q``, end price ``Pn`` and
fees ``F``, Perold's implementation shortfall is the paper portfolio's gain less the real one's::

    s Q (Pn - Pd)  -  [ s sum q_i (Pn - p_i) - F ]  =  delay + execution + opportunity + fees

    delay       = s q (P0 - Pd)           the market moved before the order was out
    execution   = s sum q_i (p_i - P0)    spread, impact, and the market's move while it worked
    opportunity = s (Q - q) (Pn - Pd)     what was not filled and got dearer
    fees        = F

Sources
-------
Perold, "The Implementation Shortfall: Paper versus Reality", Journal of Portfolio Management 14(3), 1988; the delay
component after Wagner and Edwards, "Best Execution", Financial Analysts Journal 49(1), 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.vocabulary import Side

ZERO: Final = Decimal(0)
_BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fill:
    """Quantity (positive) and price of one execution."""

    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Implementation shortfall in money, by component. Positive is a cost."""

    delay: Decimal
    execution: Decimal
    opportunity: Decimal
    fees: Decimal

    @property
    def total(self) -> Decimal:
        """The whole shortfall."""
        return self.delay + self.execution + self.opportunity + self.fees

    @property
    def realised(self) -> Decimal:
        """The part that was paid: all but the opportunity cost, which is the cost of not paying."""
        return self.delay + self.execution + self.fees


def shortfall(
    side: Side,
    quantity: Decimal,
    fills: Sequence[Fill],
    *,
    decision_price: Decimal,
    arrival_price: Decimal,
    end_price: Decimal | None = None,
    fees: Decimal = ZERO,
) -> Shortfall:
    """Split the implementation shortfall of one parent order.

    Parameters
    ----------
    side, quantity
        The order's. ``quantity`` is what was wanted in the end: what became needless is left out by the caller.
    fills
        Its executions; what they fill beyond ``quantity`` costs no opportunity.
    decision_price, arrival_price
        Price that it was decided on, and mid when it was sent.
    end_price
        Price at which the missed part is valued; needed only when there is one.
    fees
        Commissions and fees (a rebate is negative).

    Raises
    ------
    ValueError
        When something was missed and no end price is given.
    """
    filled = sum((fill.quantity for fill in fills), ZERO)
    missed = max(quantity - filled, ZERO)
    if missed and end_price is None:
        raise ValueError(f"{missed} of {quantity} were missed: an end price is needed to value them")
    paid = sum((fill.quantity * fill.price for fill in fills), ZERO)
    sign = side.sign
    return Shortfall(
        delay=sign * filled * (arrival_price - decision_price),
        execution=sign * (paid - filled * arrival_price),
        opportunity=sign * missed * (end_price - decision_price) if end_price is not None else ZERO,
        fees=fees,
    )


def money_paid(side: Side, fills: Sequence[Fill], fees: Decimal = ZERO) -> Decimal:
    """Cash that left the account: negative for a sale."""
    return side.sign * sum((fill.quantity * fill.price for fill in fills), ZERO) + fees


def average_price(fills: Sequence[Fill]) -> Decimal | None:
    """Quantity-weighted price of the fills; None without any."""
    filled = sum((fill.quantity for fill in fills), ZERO)
    return sum((fill.quantity * fill.price for fill in fills), ZERO) / filled if filled else None


def in_bps(money: Decimal, notional: Decimal) -> float | None:
    """Money in basis points of ``notional``; None when that is zero."""
    return float(money / abs(notional) * _BASIS_POINTS) if notional else None


def slippage_bps(side: Side, price: Decimal, benchmark: Decimal) -> float:
    """How much worse than ``benchmark`` a price is, in basis points of the benchmark. Positive is a cost."""
    return float(side.sign * (price - benchmark) / benchmark * _BASIS_POINTS)


def reversion_bps(side: Side, price: Decimal, later: Decimal) -> float:
    """How far the market came back after a fill at ``price``, in basis points of it.

    Positive: it fell after a buy or rose after a sale, so a part of what was paid was passing pressure, ours perhaps.
    """
    return float(side.sign * (price - later) / price * _BASIS_POINTS)


def volume_weighted_price(bars: Sequence[tuple[float, float, float, float]]) -> float | None:
    """Volume-weighted price of bars (high, low, close, volume), each at its typical price (H + L + C) / 3.

    None without volume. The bars' own volume-weighted prices aren't in the journal.
    """
    volume = sum(bar[3] for bar in bars)
    if not volume > 0:
        return None
    return sum((high + low + close) / 3.0 * traded for high, low, close, traded in bars) / volume
