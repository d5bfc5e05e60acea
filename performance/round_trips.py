"""From fills to round trips, and measures of their profits.

A round trip begins when a position leaves flat and ends when it is flat again. A fill that goes through zero ends one and
begins the next; its commission is shared by quantity. What is still open is no round trip yet.

``profits`` are those of the round trips, net of commissions, in account currency or as fractions of equity, oldest
first. Values that are not finite are refused with ``ValueError``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from performance.returns import longest_run
from performance.series import NAN, Series, as_array, deviation, mean, ratio

_NOTHING = 1e-9
"""Share of a quantity that is a rounding error: 0.1 + 0.2 shares less 0.3 leave 6e-17."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One round trip in one symbol.

    ``first_fill`` and ``last_fill`` count the fills from 0; ``side`` is +1 for a long one, -1 for a short one;
    ``quantity`` is the largest that was held; ``profit`` is net of ``commission``.
    """

    first_fill: int
    last_fill: int
    side: int
    quantity: float
    commission: float
    profit: float


def round_trips(quantities: Series, prices: Series, commissions: Series) -> list[RoundTrip]:
    """Find the round trips of one symbol.

    Parameters
    ----------
    quantities
        Signed quantity of each fill, oldest first, shape (n,): above 0 for a buy. In whole or fractional shares.
    prices, commissions
        Price of a share, and commission (positive is a cost), shape (n,).

    Raises
    ------
    ValueError
        When a value is not finite, a quantity is 0, or the lengths differ.
    """
    sizes, paid = as_array(quantities, "quantities"), as_array(prices, "prices")
    costs = as_array(commissions, "commissions")
    if not len(sizes) == len(paid) == len(costs):
        raise ValueError(
            f"{len(sizes)} quantities, {len(paid)} prices and {len(costs)} commissions must be as many"
        )
    if not sizes.all():
        raise ValueError(f"a fill of 0 at {int(np.flatnonzero(sizes == 0.0)[0])}")
    found: list[RoundTrip] = []
    trip = _Open()
    for number, (size, price, cost) in enumerate(
        zip(sizes.tolist(), paid.tolist(), costs.tolist(), strict=True)
    ):
        closing = 0.0
        if trip.position * size < 0.0:
            closing = math.copysign(min(abs(size), abs(trip.position)), size)
            trip.take(number, closing, price, cost * closing / size)
            if abs(trip.position) <= _NOTHING * abs(trip.largest):
                found.append(trip.close(number))
                trip = _Open()
        if abs(size - closing) > _NOTHING * abs(size):
            trip.take(number, size - closing, price, cost * (size - closing) / size)
    return found


class _Open:
    """The round trip that is under way."""

    __slots__ = ("cash", "commission", "first_fill", "largest", "position")

    def __init__(self) -> None:
        self.position = self.cash = self.commission = self.largest = 0.0
        self.first_fill: int | None = None

    def take(self, number: int, size: float, price: float, commission: float) -> None:
        """Add a fill or a part of one."""
        self.first_fill = number if self.first_fill is None else self.first_fill
        self.position += size
        self.cash -= size * price
        self.commission += commission
        if abs(self.position) > abs(self.largest):
            self.largest = self.position

    def close(self, number: int) -> RoundTrip:
        """End it: the position is flat, so the cash is the profit."""
        return RoundTrip(
            first_fill=number if self.first_fill is None else self.first_fill,
            last_fill=number,
            side=1 if self.largest > 0.0 else -1,
            quantity=abs(self.largest),
            commission=self.commission,
            profit=self.cash - self.commission,
        )


def hit_rate(profits: Series) -> float:
    """Share of the round trips that earned something.

    Returns
    -------
    float
        In [0, 1]; NaN without a round trip.

    Notes
    -----
    Formula: ``count(p > 0) / n``
    Source: R. Pardo, The Evaluation and Optimization of Trading Strategies (2nd ed. 2008).
    """
    return mean((as_array(profits, "profits") > 0.0).astype(np.float64))


def profit_factor(profits: Series) -> float:
    """Sum of the profits over the sum of the losses.

    Returns
    -------
    float
        NaN without a round trip, infinite without a loss.

    Notes
    -----
    Formula: ``sum(max(p, 0)) / sum(max(-p, 0))``
    Source: R. Pardo (2008).
    Peers: Equal to quantstats.profit_factor.
    """
    array = as_array(profits, "profits")
    return ratio(float(np.maximum(array, 0.0).sum()), float(np.maximum(-array, 0.0).sum()))


def average_winner(profits: Series) -> float:
    """Mean of the round trips that earned something.

    Returns
    -------
    float
        In the unit of the profits; NaN without one.

    Notes
    -----
    Formula: ``mean(p | p > 0)``
    Source: plain.
    """
    array = as_array(profits, "profits")
    return mean(array[array > 0.0])


def average_loser(profits: Series) -> float:
    """Mean of the round trips that lost something, as a positive number.

    Returns
    -------
    float
        In the unit of the profits; NaN without one.

    Notes
    -----
    Formula: ``-mean(p | p < 0)``
    Source: plain.
    """
    array = as_array(profits, "profits")
    return -mean(array[array < 0.0])


def payoff_ratio(profits: Series) -> float:
    """Mean profit over mean loss.

    Returns
    -------
    float
        NaN without both.

    Notes
    -----
    Formula: ``average_winner / average_loser``
    Source: R. Vince, Portfolio Management Formulas (1990).
    Peers: Equal to quantstats.payoff_ratio.
    """
    return ratio(average_winner(profits), average_loser(profits))


def expectancy(profits: Series) -> float:
    """Mean profit of a round trip.

    Returns
    -------
    float
        In the unit of the profits; NaN without a round trip.

    Notes
    -----
    Formula: ``mean(p)``
    Source: R. Vince (1990).
    """
    return mean(as_array(profits, "profits"))


def kelly_fraction(profits: Series) -> float:
    """Share of the equity to risk on each of independent bets with this hit rate and payoff.

    Returns
    -------
    float
        Below 0 for what loses on average; NaN without both a profit and a loss.

    Notes
    -----
    Formula: ``w - (1 - w) / payoff`` with ``w`` the share of profits among round trips that are not 0
    Source: J. L. Kelly, Bell System Technical Journal 35 (1956); E. O. Thorp (2006).
    Peers: Equal to quantstats.kelly_criterion.
    """
    array = as_array(profits, "profits")
    decided = array[array != 0.0]
    winning = hit_rate(decided)
    return winning - (1.0 - winning) / payoff_ratio(decided) if decided.size else NAN


def system_quality_number(profits: Series) -> float:
    """Mean profit over its standard error: the t-statistic of the round trips.

    Returns
    -------
    float
        NaN below two round trips.

    Notes
    -----
    Formula: ``sqrt(n) * mean(p) / std(p)``
    Source: V. K. Tharp, The Definitive Guide to Position Sizing (2008); his n is at most 100, here it is not bounded.
    """
    array = as_array(profits, "profits")
    return math.sqrt(len(array)) * ratio(mean(array), deviation(array))


def longest_losing_streak(profits: Series) -> float:
    """Largest number of round trips in a row that lost something.

    Returns
    -------
    float
        Whole number; 0 without a round trip.

    Notes
    -----
    Formula: ``longest run of p < 0``
    Source: plain.
    """
    return float(longest_run(as_array(profits, "profits") < 0.0))


MEASURES = (
    hit_rate,
    profit_factor,
    average_winner,
    average_loser,
    payoff_ratio,
    expectancy,
    kelly_fraction,
    system_quality_number,
    longest_losing_streak,
)
