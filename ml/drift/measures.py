"""How far something has moved from the training. Pure functions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_LEAST_SHARE = 1e-4
"""A bin that is empty on one side counts as if it held so much, as usual with this index."""


def population_stability(quantiles: FloatArray, values: FloatArray) -> float:
    """Measure the population stability index: sum of (share - expected) * log(share / expected) over tenths of the training.

    Rule of thumb: below 0.1 nothing has moved, above 0.25 much has (N. Siddiqi, "Credit Risk Scorecards", 2006).

    Parameters
    ----------
    quantiles
        101 quantiles of the training, rising.
    values
        Recent ones; NaN is left out.

    Returns
    -------
    float
        NaN without values.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan
    edges = np.unique(quantiles[10:-10:10])  # equal edges, as of whole numbers, are one
    expected = np.bincount(np.searchsorted(edges, quantiles, side="right"), minlength=len(edges) + 1)
    found = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    wanted = np.maximum(expected / expected.sum(), _LEAST_SHARE)
    share = np.maximum(found / found.sum(), _LEAST_SHARE)
    return float(((share - wanted) * np.log(share / wanted)).sum())


def kolmogorov_smirnov(quantiles: FloatArray, values: FloatArray) -> float:
    """Measure the largest distance between the distribution functions of training and recent values, 0 to 1; NaN without any.

    No p-value: days of one feature depend on each other, so that one would call nearly everything significant.
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return math.nan
    count = len(known)
    grid = np.union1d(known, quantiles)
    ours = np.searchsorted(known, grid, side="right") / count
    theirs = np.searchsorted(np.sort(quantiles), grid, side="right") / len(quantiles)
    return float(np.abs(ours - theirs).max())


def bias_of_forecasts(probabilities: FloatArray, won: IntArray) -> float:
    """Measure by how many standard errors the winners differ from their forecast number (D. Spiegelhalter 1986); NaN without any."""
    spread = math.sqrt(float((probabilities * (1.0 - probabilities)).sum()))
    return abs(float((probabilities - won).sum())) / spread if spread > 0 else math.nan


def worse_brier(probabilities: FloatArray, won: IntArray, before: float) -> float:
    """Measure by how many standard errors the Brier score is above that of the training; below zero it is better."""
    errors = (probabilities - won) ** 2
    if len(errors) < 2 or not errors.std(ddof=1) > 0:
        return math.nan
    return (float(errors.mean()) - before) / (float(errors.std(ddof=1)) / math.sqrt(len(errors)))


def worse_returns(returns: FloatArray, mean: float, deviation: float) -> float:
    """Measure by how many standard errors the mean return of round trips is below the backtest's; below zero it is better."""
    if not len(returns) or not deviation > 0:
        return math.nan
    return (mean - float(returns.mean())) / (deviation / math.sqrt(len(returns)))
