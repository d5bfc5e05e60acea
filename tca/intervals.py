"""How sure a mean is: confidence intervals of costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Statistic = Callable[[npt.NDArray[np.float64]], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bounds; NaN bounds when there is too little to say anything."""

    estimate: float
    low: float
    high: float

    def covers(self, value: float) -> bool:
        """Whether ``value`` lies inside."""
        return self.low <= value <= self.high


def t_interval(mean: float, deviation: float, count: int, confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean from its sample deviation (n - 1) and count.

    It needs no data, so a million orders can be summed up by the database. Costs have fat tails: below some thirty
    orders prefer :func:`bootstrap_interval`.
    """
    if count < 2 or not math.isfinite(deviation):
        return Interval(mean, math.nan, math.nan)
    half = float(stdtrit(count - 1, 0.5 + confidence / 2.0)) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
    values: Sequence[float],
    *,
    seed: int,
    statistic: Statistic | None = None,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) of a statistic, by default the mean.

    Raises
    ------
    ValueError
        When a value isn't finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if not np.isfinite(data).all():
        raise ValueError("every value must be finite")
    chosen: Statistic = statistic or (lambda part: float(part.mean()))
    if len(data) < 2:
        return Interval(chosen(data) if len(data) else math.nan, math.nan, math.nan)
    if np.ptp(data) == 0.0:  # no spread: nothing to resample
        return Interval(chosen(data), chosen(data), chosen(data))
    from scipy import stats  # noqa: PLC0415 - takes a second to load, which the report can do without

    result = stats.bootstrap(
        (data,),
        chosen,
        vectorized=False,
        confidence_level=confidence,
        n_resamples=resamples,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    bounds = result.confidence_interval
    return Interval(chosen(data), float(bounds.low), float(bounds.high))
