"""Whether it was luck: how much a Sharpe ratio says, given its length, its distribution and the number of trials.

Sharpe ratios in these formulas are of one period, without a risk-free rate (take it off the returns before). Annual ones go
in and come out divided and multiplied by ``sqrt(P)``. Other arguments and rules as in `performance.series`.
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist

import numpy as np

from performance.risk import excess_kurtosis, skewness
from performance.series import NAN, FloatArray, Series, as_returns, check_confidence, deviation, mean, ratio

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


def probability_above(
    sharpe: float, benchmark_sharpe: float, *, periods: int, skew: float = 0.0, kurtosis: float = 0.0
) -> float:
    """Probability that the true Sharpe ratio is above a benchmark, from the moments of the returns.

    Parameters
    ----------
    sharpe, benchmark_sharpe
        Of one period.
    periods
        Number of returns (2 or more).
    skew, kurtosis
        Of the returns; ``kurtosis`` in excess of the normal one.

    Returns
    -------
    float
        In [0, 1]; NaN when an argument is, or below two periods.
    """
    factor = _variance_factor(sharpe, skew, kurtosis)
    if periods < 2 or math.isnan(factor):
        return NAN
    score = ratio((sharpe - benchmark_sharpe) * math.sqrt(periods - 1.0), math.sqrt(max(factor, 0.0)))
    return NAN if math.isnan(score) else _NORMAL.cdf(score)


def periods_needed(
    sharpe: float,
    benchmark_sharpe: float,
    *,
    skew: float = 0.0,
    kurtosis: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Count the periods after which `probability_above` reaches ``confidence``; arguments as there.

    Returns
    -------
    float
        Not rounded; infinite when the Sharpe ratio is not above the benchmark; NaN when an argument is.
    """
    check_confidence(confidence)
    above, factor = sharpe - benchmark_sharpe, _variance_factor(sharpe, skew, kurtosis)
    if math.isnan(above) or math.isnan(factor):
        return NAN
    return 1.0 + factor * (_NORMAL.inv_cdf(confidence) / above) ** 2 if above > 0.0 else math.inf


def _variance_factor(sharpe: float, skew: float, kurtosis: float) -> float:
    """Variance of the Sharpe ratio, times ``n - 1``. With excess kurtosis, ``kurtosis - 1`` is that plus 2."""
    return 1.0 - skew * sharpe + (kurtosis + 2.0) / 4.0 * sharpe**2


def _sharpe(array: FloatArray) -> float:
    return ratio(mean(array), deviation(array))


def sharpe_standard_error_annual(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """How exactly the annual Sharpe ratio is known: its standard error, for returns that need not be normal.

    Returns
    -------
    float
        A year; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``sqrt(P * (1 - skewness * S + (kurtosis - 1) / 4 * S ** 2) / (n - 1))``
    Source: E. Mertens (2002); D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", J. Risk 15 (2012).
    """
    array = as_returns(returns)
    if len(array) < 2:
        return NAN
    factor = _variance_factor(_sharpe(array), skewness(array), excess_kurtosis(array))
    return math.sqrt(periods_per_year * max(factor, 0.0) / (len(array) - 1.0))


def probabilistic_sharpe_ratio(
    returns: Series, *, periods_per_year: float = 252.0, benchmark_sharpe_annual: float = 0.0
) -> float:
    """Probability that the true Sharpe ratio is above a benchmark.

    Returns
    -------
    float
        In [0, 1]; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``Phi((S - S*) * sqrt(n - 1) / sqrt(1 - skewness * S + (kurtosis - 1) / 4 * S ** 2))``
    Source: D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012).
    Peers: Unlike quantstats.probabilistic_sharpe_ratio, which corrects the bias of both moments for normal returns; the
    difference vanishes with n.
    """
    array = as_returns(returns)
    return probability_above(
        _sharpe(array),
        benchmark_sharpe_annual / math.sqrt(periods_per_year),
        periods=len(array),
        skew=skewness(array),
        kurtosis=excess_kurtosis(array),
    )


def minimum_track_record_length(
    returns: Series,
    *,
    periods_per_year: float = 252.0,
    benchmark_sharpe_annual: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Periods that are needed to tell this Sharpe ratio from the benchmark with ``confidence``.

    Returns
    -------
    float
        Periods, not rounded; infinite when the Sharpe ratio is not above the benchmark; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``1 + (1 - skewness * S + (kurtosis - 1) / 4 * S ** 2) * (z / (S - S*)) ** 2``
    Source: D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012).
    """
    array = as_returns(returns)
    return periods_needed(
        _sharpe(array),
        benchmark_sharpe_annual / math.sqrt(periods_per_year),
        skew=skewness(array),
        kurtosis=excess_kurtosis(array),
        confidence=confidence,
    )


def expected_maximum_sharpe(trials: int, deviation_of_trials: float) -> float:
    """Largest Sharpe ratio to expect of so many independent trials without any skill.

    Parameters
    ----------
    trials
        How many were tried (1 or more).
    deviation_of_trials
        Standard deviation of their Sharpe ratios; the result is in the same unit of time.

    Returns
    -------
    float
        0 for one trial.

    Notes
    -----
    Formula: ``V * ((1 - e) * z(1 - 1 / N) + e * z(1 - 1 / (N * exp(1))))``, ``e`` Euler's constant 0.5772
    Source: D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio", J. Portfolio Management 40 (2014).
    """
    if trials < 1:
        raise ValueError(f"at least one trial was made, not {trials}")
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return deviation_of_trials * ((1.0 - _EULER) * first + _EULER * second)


def deflated_sharpe_ratio(
    returns: Series, trial_sharpes_annual: Series, *, periods_per_year: float = 252.0
) -> float:
    """Probability that the Sharpe ratio is above what the best of all trials would have shown by luck.

    Parameters
    ----------
    returns
        Those of the trial that was chosen.
    trial_sharpes_annual
        Annual Sharpe ratios of *all* trials that were made, the chosen one included, shape (trials,). Trials that are
        nearly alike should be counted once: the formula takes them as independent.
    periods_per_year
        As in `performance.series`.

    Returns
    -------
    float
        In [0, 1]; with one trial the probabilistic Sharpe ratio; NaN when the returns don't differ.

    Notes
    -----
    Formula: probabilistic Sharpe ratio with ``S*`` the expected maximum of the trials
    Source: D. H. Bailey and M. Lopez de Prado, J. Portfolio Management 40 (2014).
    """
    trials = np.asarray(trial_sharpes_annual, dtype=np.float64)
    spread = deviation(trials) if len(trials) > 1 else 0.0
    return probabilistic_sharpe_ratio(
        returns,
        periods_per_year=periods_per_year,
        benchmark_sharpe_annual=expected_maximum_sharpe(len(trials), spread),
    )


def minimum_backtest_length(trials: int, *, sharpe_annual: float = 1.0) -> float:
    """Years of history below which the best of so many trials without skill is expected to show ``sharpe_annual``.

    Parameters
    ----------
    trials
        How many were tried.
    sharpe_annual
        The Sharpe ratio in question.

    Returns
    -------
    float
        Years.

    Notes
    -----
    Formula: ``(expected_maximum_sharpe(N, 1) / sharpe_annual) ** 2``
    Source: D. H. Bailey, J. M. Borwein, M. Lopez de Prado and Q. J. Zhu, "Pseudo-Mathematics and Financial Charlatanism",
    Notices of the AMS 61 (2014).
    """
    return (expected_maximum_sharpe(trials, 1.0) / sharpe_annual) ** 2


def probability_of_overfitting(trial_returns: FloatArray, *, blocks: int = 10) -> float:
    """Share of the splits in which the best trial of one half is below the median of the other half.

    Combinatorially symmetric cross-validation: the periods are cut into ``blocks``; every choice of half of them
    is once the training set. The Sharpe ratio ranks the trials.

    Parameters
    ----------
    trial_returns
        Shape (periods, trials), 2 trials or more. The first ``periods % blocks`` periods are left out.
    blocks
        Even number; 10 give 252 splits, 16 give 12,870.

    Returns
    -------
    float
        In [0, 1]: near 0.5 or above, the choice among the trials is luck.

    Raises
    ------
    ValueError
        For another shape, fewer than two periods a block, an odd number of blocks or values that are not finite.

    Notes
    -----
    Formula: ``mean(rank of the best in training, in testing, / (trials + 1) <= 0.5)``
    Source: D. H. Bailey, J. Borwein, M. Lopez de Prado and Q. J. Zhu, "The Probability of Backtest Overfitting", Journal of
    Computational Finance 20 (2017).
    """
    table = np.asarray(trial_returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"trial_returns must be finite, of shape (periods, 2 or more), not {table.shape}")
    if blocks < 2 or blocks % 2 or len(table) < 2 * blocks:
        raise ValueError(f"{blocks} blocks for {len(table)} periods: need an even number, two periods each")
    length = len(table) // blocks
    parts = table[len(table) - length * blocks :].reshape(blocks, length, -1)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    below = splits = 0
    for chosen in combinations(range(blocks), blocks // 2):
        train = np.zeros(blocks, dtype=bool)
        train[list(chosen)] = True
        best = int(_ranked(sums[train], squares[train], length).argmax())
        tested = _ranked(sums[~train], squares[~train], length)
        # Mid-rank among the trials, so that equals count half.
        rank = (tested < tested[best]).sum() + ((tested == tested[best]).sum() + 1) / 2
        below += bool(rank / (len(tested) + 1) <= 0.5)
        splits += 1
    return below / splits


def _ranked(sums: FloatArray, squares: FloatArray, length: int) -> FloatArray:
    """Sharpe ratio of each trial from the sums of its blocks; one that never moves has 0."""
    count = len(sums) * length
    average = sums.sum(axis=0) / count
    variance = np.maximum(squares.sum(axis=0) / count - average**2, 0.0)
    moves = variance > 1e-24
    result: FloatArray = np.where(moves, average / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
    return result


MEASURES = (
    sharpe_standard_error_annual,
    probabilistic_sharpe_ratio,
    minimum_track_record_length,
    deflated_sharpe_ratio,
)
