"""How long the blocks of a bootstrap must be to keep what the returns have of memory.

D. N. Politis and H. White, "Automatic Block-Length Selection for the Dependent Bootstrap", Econometric Reviews 23 (2004), with the
correction of A. Patton, D. N. Politis and H. White, Econometric Reviews 28 (2009).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_SIGNIFICANT = 2.0
"""Standard errors beyond which an autocorrelation counts, the paper's ``c``."""


def optimal_block_length(values: FloatArray) -> tuple[float, float]:
    """Mean block length that makes the variance of a bootstrapped mean most exact.

    Parameters
    ----------
    values
        A stationary series, oldest first, shape (n,).

    Returns
    -------
    stationary, circular
        Mean length for the stationary bootstrap and length for the circular one, not rounded; 1.0 for fewer than 10 values
        or values that don't differ.
    """
    series = np.asarray(values, dtype=np.float64)
    count = len(series)
    if count < 10 or not series.std() > 0.0:
        return 1.0, 1.0
    centred = series - series.mean()
    longest = math.ceil(math.sqrt(count)) + max(5, int(math.log10(count)))
    covariance = np.array([centred[lag:] @ centred[: count - lag] for lag in range(longest + 1)]) / count
    cut = _last_significant(np.abs(covariance[1:]) / covariance[0], count, longest)
    lags = np.arange(1, cut + 1)
    share = lags / cut
    window = np.where(share <= 0.5, 1.0, 2.0 * (1.0 - share))  # the flat-top (trapezoidal) lag window
    spread = float((2.0 * window * lags * covariance[1 : cut + 1]).sum())
    long_run = float(covariance[0] + 2.0 * (window * covariance[1 : cut + 1]).sum())
    limit = math.ceil(min(3.0 * math.sqrt(count), count / 3.0))

    def length(factor: float) -> float:
        variance = factor * long_run**2
        if not variance > 0.0:
            return float(limit)
        return min(math.cbrt(2.0 * spread**2 / variance * count), float(limit))

    return max(length(2.0), 1.0), max(length(4.0 / 3.0), 1.0)


def _last_significant(correlation: FloatArray, count: int, longest: int) -> int:
    """Twice the first lag of a run of insignificant autocorrelations (that of lag 1 is the first), at most ``longest``."""
    run = max(5, int(math.log10(count)))
    bound = _SIGNIFICANT * math.sqrt(math.log10(count) / count)
    small = correlation < bound
    for lag in range(len(small) - run + 1):
        if small[lag : lag + run].all():
            return min(2 * (lag + 1), longest)
    return longest
