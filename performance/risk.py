"""How returns scatter: measures of their distribution. Arguments and rules as in `performance.series`."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from performance.drawdowns import mean_of_largest
from performance.series import (
    NAN,
    FloatArray,
    Series,
    as_returns,
    check_confidence,
    deviation,
    mean,
    per_period,
    ratio,
)

_NORMAL = NormalDist()


def volatility_annual(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """Scatter of the returns (standard deviation), annualised as if they were independent.

    Returns
    -------
    float
        Fraction a year; NaN below two returns.

    Notes
    -----
    Formula: ``sqrt(P) * std(r)``
    Source: C. R. Bacon (2008).
    Peers: Equal to empyrical.annual_volatility, quantstats.volatility.
    """
    return math.sqrt(periods_per_year) * deviation(as_returns(returns))


def downside_deviation_annual(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Root of the mean squared shortfall below the risk-free return, over all periods, annualised.

    Returns
    -------
    float
        Fraction a year; NaN of nothing.

    Notes
    -----
    Formula: ``sqrt(P * mean(min(r - f, 0) ** 2))``
    Source: F. A. Sortino and L. N. Price, "Performance Measurement in a Downside Risk Framework", J. Investing 3 (1994).
    Peers: Equal to empyrical.downside_risk.
    """
    short = np.minimum(as_returns(returns) - per_period(risk_free_annual, periods_per_year), 0.0)
    return math.sqrt(periods_per_year * mean(short**2)) if short.size else NAN


def skewness(returns: Series) -> float:
    """Third standardised moment: below 0, the large moves are losses.

    Returns
    -------
    float
        Without unit; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``m3 / m2 ** 1.5`` with ``mk = mean((r - mean(r)) ** k)``
    Source: D. N. Joanes and C. A. Gill, "Comparing Measures of Sample Skewness and Kurtosis", The Statistician 47 (1998), g1.
    Peers: Unlike quantstats.skew, which corrects the bias for normal returns (G1); the difference vanishes with n.
    """
    return _standard_moment(as_returns(returns), 3)


def excess_kurtosis(returns: Series) -> float:
    """Fourth standardised moment less that of the normal distribution: above 0, tails are heavy.

    Returns
    -------
    float
        Without unit; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``m4 / m2 ** 2 - 3`` with ``mk = mean((r - mean(r)) ** k)``
    Source: D. N. Joanes and C. A. Gill (1998), g2.
    Peers: Unlike quantstats.kurtosis, which corrects the bias for normal returns (G2); the difference vanishes
    with n.
    """
    return _standard_moment(as_returns(returns), 4) - 3.0


def _standard_moment(array: FloatArray, order: int) -> float:
    if array.size < 2 or array.max() == array.min():
        return NAN
    scaled = (array - array.mean()) / array.std()
    return float(np.mean(scaled**order))


def jarque_bera(returns: Series) -> float:
    """Statistic of the test for normality: above 5.99, a normal distribution is refused at 5%.

    Returns
    -------
    float
        Chi-squared with two degrees of freedom for large n; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``n / 6 * (skewness ** 2 + excess kurtosis ** 2 / 4)``
    Source: C. M. Jarque and A. K. Bera, "A Test for Normality of Observations", International Statistical Review 55 (1987).
    """
    array = as_returns(returns)
    return len(array) / 6.0 * (skewness(array) ** 2 + excess_kurtosis(array) ** 2 / 4.0)


def autocorrelation(returns: Series, *, lag: int = 1) -> float:
    """Correlation of the returns with those ``lag`` periods before.

    Returns
    -------
    float
        In [-1, 1]; NaN when the returns don't differ or are not more than ``lag``.

    Notes
    -----
    Formula: ``sum((r[t] - m) * (r[t - lag] - m)) / sum((r[t] - m) ** 2)``
    Source: G. E. P. Box and G. M. Jenkins, Time Series Analysis (1970).
    """
    array = as_returns(returns)
    if len(array) <= lag or array.max() == array.min():
        return NAN
    centred = array - array.mean()
    return float(centred[lag:] @ centred[:-lag] / (centred @ centred)) if lag else 1.0


def value_at_risk(returns: Series, *, confidence: float = 0.95) -> float:
    """Loss of one period that was exceeded in (1 - confidence) of the periods.

    Returns
    -------
    float
        Fraction, positive for a loss; NaN of nothing.

    Notes
    -----
    Formula: ``-quantile(r, 1 - confidence)``, interpolated linearly
    Source: P. Jorion, Value at Risk (3rd ed. 2007); R. J. Hyndman and Y. Fan (1996), type 7.
    Peers: Unlike empyrical.value_at_risk, which is its negative. Unlike quantstats.value_at_risk, which assumes a
    normal distribution.
    """
    check_confidence(confidence)
    array = as_returns(returns)
    return -float(np.quantile(array, 1.0 - confidence)) if array.size else NAN


def conditional_value_at_risk(returns: Series, *, confidence: float = 0.95) -> float:
    """Mean loss of the worst (1 - confidence) of the periods: expected shortfall.

    Returns
    -------
    float
        Fraction, positive for a loss; NaN of nothing. Never below `value_at_risk`.

    Notes
    -----
    Formula: ``-mean(smallest (1 - confidence) of r)``, the last one in part
    Source: C. Acerbi and D. Tasche, "On the Coherence of Expected Shortfall", J. Banking & Finance 26 (2002), def. 2.6.
    Peers: Unlike empyrical.conditional_value_at_risk, which is negative and takes a whole number of periods, one
    more than fits. Unlike
    quantstats.conditional_value_at_risk, which is negative and assumes a normal distribution.
    """
    check_confidence(confidence)
    array = as_returns(returns)
    return mean_of_largest(-array, 1.0 - confidence) if array.size else NAN


def gaussian_value_at_risk(returns: Series, *, confidence: float = 0.95) -> float:
    """Value at risk of a normal distribution with the mean and deviation of the returns.

    Returns
    -------
    float
        Fraction, positive for a loss; NaN below two returns.

    Notes
    -----
    Formula: ``-(mean(r) + z * std(r))`` with ``z`` the normal quantile of ``1 - confidence``
    Source: RiskMetrics Technical Document (4th ed. 1996).
    Peers: Unlike quantstats.value_at_risk, which is its negative.
    """
    check_confidence(confidence)
    array = as_returns(returns)
    return -(mean(array) + _NORMAL.inv_cdf(1.0 - confidence) * deviation(array))


def cornish_fisher_value_at_risk(returns: Series, *, confidence: float = 0.95) -> float:
    """Value at risk of a distribution with the first four moments of the returns.

    Returns
    -------
    float
        Fraction, positive for a loss; NaN below two returns, `gaussian_value_at_risk` when they don't differ. Good for
        moderate moments only: with a skewness above 1 or an excess kurtosis above 8 the expansion may not be monotonic.

    Notes
    -----
    Formula: ``-(mean(r) + std(r) * (z + (z**2 - 1) * S / 6 + (z**3 - 3 * z) * K / 24 - (2 * z**3 - 5 * z) * S**2 / 36))``
    Source: L. Favre and J.-A. Galeano, "Mean-Modified Value-at-Risk Optimization with Hedge Funds", J. Alternative Inv. 5 (2002).
    """
    check_confidence(confidence)
    z = _NORMAL.inv_cdf(1.0 - confidence)
    return _cornish_fisher(as_returns(returns), z, z**2, z**3)


def cornish_fisher_conditional_value_at_risk(returns: Series, *, confidence: float = 0.95) -> float:
    """Mean loss in the tail of the Cornish-Fisher distribution: its value at risk, averaged over the tail.

    Returns
    -------
    float
        As `cornish_fisher_value_at_risk`.

    Notes
    -----
    Formula: as there, with ``z, z**2, z**3`` replaced by their means over the normal tail:
    ``-p/a, 1 - z*p/a, -(z**2 + 2)*p/a``, where ``a = 1 - confidence`` and ``p`` is the normal density at ``z``
    Source: D. Maillard, "A User's Guide to the Cornish Fisher Expansion" (2012).
    """
    check_confidence(confidence)
    tail = 1.0 - confidence
    z = _NORMAL.inv_cdf(tail)
    height = _NORMAL.pdf(z) / tail
    return _cornish_fisher(as_returns(returns), -height, 1.0 - z * height, -(z**2 + 2.0) * height)


def _cornish_fisher(array: FloatArray, z: float, z2: float, z3: float) -> float:
    """Minus the expansion at a quantile given by its first three powers."""
    spread = deviation(array)
    if math.isnan(spread) or spread == 0.0:
        return -(mean(array) + spread)
    skew, kurtosis = skewness(array), excess_kurtosis(array)
    shift = (z2 - 1.0) * skew / 6.0 + (z3 - 3.0 * z) * kurtosis / 24.0
    return -(mean(array) + spread * (z + shift - (2.0 * z3 - 5.0 * z) * skew**2 / 36.0))


def tail_ratio(returns: Series) -> float:
    """Large gains against large losses.

    Returns
    -------
    float
        Above 1 when the right tail is the longer one; NaN of nothing.

    Notes
    -----
    Formula: ``abs(quantile(r, 0.95)) / abs(quantile(r, 0.05))``
    Source: empyrical (Quantopian), ``tail_ratio``.
    Peers: Equal to empyrical.tail_ratio, quantstats.tail_ratio.
    """
    array = as_returns(returns)
    if not array.size:
        return NAN
    low, high = np.quantile(array, [0.05, 0.95])
    return ratio(abs(float(high)), abs(float(low)))


MEASURES = (
    volatility_annual,
    downside_deviation_annual,
    skewness,
    excess_kurtosis,
    jarque_bera,
    autocorrelation,
    value_at_risk,
    conditional_value_at_risk,
    gaussian_value_at_risk,
    cornish_fisher_value_at_risk,
    cornish_fisher_conditional_value_at_risk,
    tail_ratio,
)
