"""Half spread, slippage and impact by least squares, none below zero, with intervals by a bootstrap.

An order's cost beyond the half spread that was quoted to it is taken as

    cost - half_spread  =  slippage + impact * sqrt(participation) + noise

which is the backtest's model (`backtester.costs`). A constant can't be told apart into half spread and slippage, so the
half spread is the mean of what was quoted, and slippage the rest of the constant.

Costs have fat tails: an order further than `FAR` robust deviations from the line counts less (Huber, "Robust Estimation
of a Location Parameter", Annals of Mathematical Statistics 35(1), 1964). The threshold is far out on purpose: a backtest
should book what orders cost on average, the dear ones included, and only a wild one shouldn't decide alone.

Orders of one symbol and session share the market's move, so the bootstrap draws whole pairs of symbol and session
(Cameron, Gelbach and Miller, "Bootstrap-Based Improvements for Inference with Clustered Errors", Review of Economics and
Statistics 90(3), 2008). The weights are those of the whole sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tca.cost_fit.sample import FloatVector, Sample
from tca.intervals import Interval

FloatArray = npt.NDArray[np.float64]

MIN_ORDERS: Final = 30
MIN_CLUSTERS: Final = 10
"""Pairs of symbol and session."""
MIN_SIZE_RATIO: Final = 2.0
"""The 90th percentile of the orders' size over the 10th: a slope needs sizes that differ."""

FAR: Final = 6.0
RESAMPLES: Final = 2_000
_AT_ONCE: Final = 100
_NORMAL_MAD: Final = (
    1.482602218505602  # deviation of a normal distribution over its median absolute deviation
)
_ROUNDS: Final = 50
_SETTLED: Final = 1e-9


class CannotFit(ValueError):
    """The orders say too little; the text says what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFit:
    """The three costs in basis points with 95 % intervals, and what they rest on."""

    half_spread: Interval
    slippage: Interval
    impact: Interval
    """For an order as large as its bar's volume."""
    orders: int
    clusters: int
    far_orders: int
    """Orders that counted less, because they lie far from the line."""
    sizes: tuple[float, float, float]
    """Smallest, median and largest participation."""
    mean_cost: float
    """What the orders cost on average, basis points."""
    mean_fitted: float
    """What they would have cost on average by the estimates; less than `mean_cost` where the far orders were dear ones."""


def fit_costs(sample: Sample, *, seed: int) -> CostFit:
    """Estimate the costs.

    Raises
    ------
    CannotFit
        When there are too few orders, too few pairs of symbol and session, or their sizes hardly differ.
    """
    _check(sample)
    root = np.sqrt(sample.participation)
    excess = sample.cost - sample.half_spread
    weights = _weights(root, excess)
    terms = np.stack(
        [weights, weights * root, weights * root**2, weights * excess, weights * root * excess], axis=1
    )
    terms = np.column_stack([terms, np.ones(len(sample)), sample.half_spread])
    sums = np.zeros((sample.clusters, terms.shape[1]))
    np.add.at(sums, sample.cluster, terms)
    estimate = _costs(sums.sum(axis=0)[None, :])[0]
    low, high = np.quantile(_bootstrap(sums, seed), [0.025, 0.975], axis=0)
    half, slippage, impact = (
        Interval(float(estimate[place]), float(low[place]), float(high[place])) for place in range(3)
    )
    smallest, median, largest = np.quantile(sample.participation, [0.0, 0.5, 1.0])
    return CostFit(
        half_spread=half,
        slippage=slippage,
        impact=impact,
        orders=len(sample),
        clusters=sample.clusters,
        far_orders=int((weights < 1.0).sum()),
        sizes=(float(smallest), float(median), float(largest)),
        mean_cost=float(sample.cost.mean()),
        mean_fitted=half.estimate + slippage.estimate + impact.estimate * float(root.mean()),
    )


def _line(root: FloatVector, excess: FloatVector, weights: FloatVector) -> tuple[float, float]:
    """Return constant and slope of weighted least squares, neither below zero; every argument of shape (orders,)."""
    sums = np.array(
        [
            weights.sum(),
            weights @ root,
            weights @ root**2,
            weights @ excess,
            (weights * root) @ excess,
            1.0,
            0.0,
        ]
    )
    _, constant, slope = _costs(sums[None, :])[0]
    return float(constant), float(slope)


def _check(sample: Sample) -> None:
    orders, clusters = len(sample), sample.clusters
    if orders < MIN_ORDERS or clusters < MIN_CLUSTERS:
        raise CannotFit(
            f"{orders} orders on {clusters} pairs of symbol and session are too few to fit three costs: at least "
            f"{MIN_ORDERS} orders on {MIN_CLUSTERS} pairs are needed, each with a logged quote and size"
        )
    small, large = np.quantile(sample.participation, [0.1, 0.9])
    if large < MIN_SIZE_RATIO * small:
        raise CannotFit(
            f"the orders' sizes hardly differ ({100 * small:.3g} % of a bar's volume at the 10th percentile, "
            f"{100 * large:.3g} % at the 90th), so impact can't be told from slippage: the 90th percentile must be at "
            f"least {MIN_SIZE_RATIO:g} times the 10th"
        )


def _weights(root: FloatVector, excess: FloatVector) -> FloatVector:
    """Huber's weights of the orders: 1 near the line, less from `FAR` robust deviations on; shape (orders,)."""
    weights = np.ones(len(root))
    for _ in range(_ROUNDS):
        constant, slope = _line(root, excess, weights)
        away = excess - constant - slope * root
        scale = _NORMAL_MAD * float(np.median(np.abs(away - np.median(away))))
        if scale == 0.0:  # half of them lie on one line: there is no deviation to measure by
            return weights
        distance = np.maximum(np.abs(away), np.finfo(np.float64).tiny)
        found = np.minimum(1.0, FAR * scale / distance)
        if float(np.abs(found - weights).max()) < _SETTLED:
            break
        weights = found
    return weights


def _bootstrap(sums: FloatArray, seed: int) -> FloatArray:
    """Costs of `RESAMPLES` draws of clusters, shape (draws, 3); ``sums`` of shape (clusters, terms)."""
    rng = np.random.default_rng(seed)
    clusters = len(sums)
    even = np.full(clusters, 1.0 / clusters)
    draws = [
        _costs(rng.multinomial(clusters, even, size=_AT_ONCE) @ sums) for _ in range(0, RESAMPLES, _AT_ONCE)
    ]
    return np.concatenate(draws)


def _costs(sums: FloatArray) -> FloatArray:
    """Half spread, constant and slope from weighted sums, shape (draws, 3).

    Parameters
    ----------
    sums
        Shape (draws, 7): of the weights w, w x, w x^2, w y, w x y, of the orders and of their half spreads.
    """
    w, x, xx, y, xy, orders, half = sums.T
    spread = w * xx - x * x
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (w * xy - x * y) / spread
        constant = (y - slope * x) / w
        flat = np.maximum(y / w, 0.0)
        steep = np.maximum(xy / xx, 0.0)
    inside = (spread > 0.0) & (slope >= 0.0) & (constant >= 0.0)
    # Outside, the least squares lie on an edge: the one that explains more of the sum of squares.
    is_flat = flat * flat * w >= steep * steep * xx
    constant = np.where(inside, constant, np.where(is_flat, flat, 0.0))
    slope = np.where(inside, slope, np.where(is_flat, 0.0, steep))
    return np.stack([half / orders, constant, slope], axis=1)
