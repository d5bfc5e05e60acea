"""How far and how long it went down: measures of an equity curve. Arguments and rules as in `performance.series`.

A curve that is empty, has one value or never falls has no drawdown: all measures here are 0 for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from performance.returns import longest_run
from performance.series import FloatArray, Series, as_equity, check_confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """One fall from a peak: places in the curve of the peak, the lowest value and the recovery (None: not yet)."""

    peak: int
    trough: int
    recovery: int | None
    depth: float


def drawdown_curve(equity: Series) -> FloatArray:
    """Fall from the running peak at each value, as a positive fraction of that peak; shape of the curve."""
    curve = as_equity(equity)
    fall: FloatArray = 1.0 - curve / np.maximum.accumulate(curve)
    return fall


def drawdowns(equity: Series) -> list[Drawdown]:
    """Every fall from a running peak, in order of time. A recovery is the first value not below the peak."""
    falls = drawdown_curve(equity)
    under = np.concatenate([[False], falls > 0.0, [False]])
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    found = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        trough = begin + int(falls[begin:end].argmax())
        recovery = end if end < len(falls) else None
        found.append(Drawdown(peak=begin - 1, trough=trough, recovery=recovery, depth=float(falls[trough])))
    return found


def max_drawdown(equity: Series) -> float:
    """Largest fall from a running peak.

    Returns
    -------
    float
        Positive fraction of the peak.

    Notes
    -----
    Formula: ``max(1 - equity / running peak)``
    Source: M. Magdon-Ismail and A. F. Atiya, "Maximum Drawdown", Risk 17 (2004).
    Peers: Unlike empyrical.max_drawdown, quantstats.max_drawdown, which are its negative.
    """
    return float(drawdown_curve(equity).max(initial=0.0))


def current_drawdown(equity: Series) -> float:
    """Fall from the peak at the last value.

    Returns
    -------
    float
        Positive fraction of the peak.

    Notes
    -----
    Formula: ``1 - last equity / max(equity)``
    Source: plain.
    """
    falls = drawdown_curve(equity)
    return float(falls[-1]) if falls.size else 0.0


def average_drawdown(equity: Series) -> float:
    """Mean depth of the drawdowns, each from its peak to its lowest value.

    Returns
    -------
    float
        Positive fraction.

    Notes
    -----
    Formula: ``mean(depth of each drawdown)``
    Source: C. R. Bacon (2008).
    """
    depths = [one.depth for one in drawdowns(equity)]
    return math.fsum(depths) / len(depths) if depths else 0.0


def pain_index(equity: Series) -> float:
    """Mean fall from the running peak over all values.

    Returns
    -------
    float
        Positive fraction.

    Notes
    -----
    Formula: ``mean(1 - equity / running peak)``
    Source: T. Becker, Zephyr Associates (2006).
    """
    falls = drawdown_curve(equity)
    return float(falls.mean()) if falls.size else 0.0


def ulcer_index(equity: Series) -> float:
    """Root of the mean squared fall from the running peak: deep falls count for more.

    Returns
    -------
    float
        Positive fraction (Martin writes it in per cent).

    Notes
    -----
    Formula: ``sqrt(mean((1 - equity / running peak) ** 2))``
    Source: P. Martin and B. McCann, The Investor's Guide to Fidelity Funds (1989).
    Peers: Unlike quantstats.ulcer_index, which divides by n - 1 without counting the opening value.
    """
    falls = drawdown_curve(equity)
    return float(np.sqrt(np.mean(falls**2))) if falls.size else 0.0


def conditional_drawdown_at_risk(equity: Series, *, confidence: float = 0.95) -> float:
    """Mean of the worst values of the drawdown curve.

    Returns
    -------
    float
        Positive fraction.

    Notes
    -----
    Formula: ``mean(largest (1 - confidence) of 1 - equity / running peak)``, the last one in part
    Source: A. Chekhlov, S. Uryasev and M. Zabarankin, "Drawdown Measure in Portfolio Optimization" (2005).
    """
    check_confidence(confidence)
    falls = drawdown_curve(equity)
    return mean_of_largest(falls, 1.0 - confidence) if falls.size else 0.0


def mean_of_largest(values: FloatArray, share: float) -> float:
    """Mean of the largest ``share`` of the values, the last one counted in part; at least one value is needed.

    The discrete expected shortfall of C. Acerbi and D. Tasche, "On the Coherence of Expected Shortfall", Journal of
    Banking & Finance 26 (2002), definition 2.6.
    """
    ordered = np.sort(values)[::-1]
    # Rounding must not turn 0.05 * 20 into one value and a hair of the next.
    count = round(share * len(ordered), 9)
    whole = math.floor(count)
    total = float(ordered[:whole].sum())
    if count > whole:
        total += (count - whole) * float(ordered[whole])
    return total / count


def time_under_water(equity: Series) -> float:
    """Share of the periods that ended below the running peak.

    Returns
    -------
    float
        In [0, 1].

    Notes
    -----
    Formula: ``count(equity < running peak) / n``
    Source: plain.
    """
    falls = drawdown_curve(equity)
    return float((falls[1:] > 0.0).mean()) if falls.size > 1 else 0.0


def longest_under_water(equity: Series) -> float:
    """Largest number of values in a row below the running peak.

    Returns
    -------
    float
        Whole number of periods.

    Notes
    -----
    Formula: ``longest run of equity < running peak``
    Source: D. H. Bailey and M. Lopez de Prado, "Stop-Outs under Serial Correlation", Journal of Risk 18 (2015), time under water.
    """
    return float(longest_run(drawdown_curve(equity) > 0.0))


def average_under_water(equity: Series) -> float:
    """Mean number of periods from a peak until it is reached again, the unfinished one counted to the end.

    Returns
    -------
    float
        Periods.

    Notes
    -----
    Formula: ``mean(recovery - peak)``
    Source: plain.
    """
    curve = as_equity(equity)
    spans = [
        (len(curve) - 1 if one.recovery is None else one.recovery) - one.peak for one in drawdowns(curve)
    ]
    return sum(spans) / len(spans) if spans else 0.0


MEASURES = (
    max_drawdown,
    current_drawdown,
    average_drawdown,
    pain_index,
    ulcer_index,
    conditional_drawdown_at_risk,
    time_under_water,
    longest_under_water,
    average_under_water,
)
