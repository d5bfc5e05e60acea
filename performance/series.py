"""What all measures share: which series they accept, and how they divide.

Arguments
---------
``returns``
    Simple returns, one a period, oldest first, shape (n,): ``equity[t] / equity[t - 1] - 1``. Cash flows in or out
    are no returns and must have been taken out.
``equity``
    Net liquidation values, oldest first, shape (n + 1,), the first one from before the first return. All positive.
``benchmark``
    Returns of a benchmark over the same periods, shape (n,).
``dates``
    ``datetime64``, one a return, not falling: when the period ended.
``periods_per_year``
    ``P``: 252 for daily returns of stocks, 52 for weekly ones, 12 for monthly ones, 19,656 for 5-minute bars.
``risk_free_annual``
    Effective annual rate as a fraction. ``f = (1 + risk_free_annual) ** (1 / P) - 1`` is taken off each return.
``confidence``
    Share of periods that a value at risk is meant to hold in: 0.95 looks at the worst 5%.

Rules
-----
- A value that is not finite is refused with ``ValueError``. A hole that were passed over would make the year shorter
  and the volatility smaller without a word; whoever has the holes knows what they mean.
- A measure that the data can't tell (too few periods) is NaN. So is 0 / 0. A ratio with 0 below the line
  and something above it is infinite: no losses at all is not the same as nothing known.
- Losses, drawdowns and values at risk are positive fractions.
- Standard deviations have ``n - 1`` below the line, and are exactly 0 when all values are equal.
- Skewness and kurtosis are those of the sample (moments divided by ``n``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
Series: TypeAlias = FloatArray | Iterable[float]
Dates: TypeAlias = npt.NDArray[np.datetime64]

NAN = math.nan


def as_array(values: Series, name: str) -> FloatArray:
    """Accept values as a float array of one dimension.

    Raises
    ------
    ValueError
        With the place of the first value that is not finite.
    """
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    if not np.isfinite(array).all():
        place = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} must be finite, not {array[place]} at {place}")
    return array


def as_returns(values: Series, name: str = "returns") -> FloatArray:
    """Accept returns as an array; one below -1 loses more than everything and is refused with ``ValueError``."""
    array = as_array(values, name)
    if array.size and array.min() < -1.0:
        place = int(array.argmin())
        raise ValueError(f"{name} can't be below -1: {array[place]} at {place}")
    return array


def as_equity(values: Series) -> FloatArray:
    """Accept equity as an array; what is not positive and finite is refused with ``ValueError``."""
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    good = np.isfinite(array) & (array > 0.0)
    if not good.all():
        place = int(np.argmin(good))
        raise ValueError(f"equity needs positive, finite values, not {array[place]} at {place}")
    return array


def as_pair(returns: Series, benchmark: Series) -> tuple[FloatArray, FloatArray]:
    """Accept returns and those of a benchmark, of one length (else ``ValueError``)."""
    ours, theirs = as_returns(returns), as_returns(benchmark, "benchmark")
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} returns but {len(theirs)} of the benchmark")
    return ours, theirs


def per_period(risk_free_annual: float, periods_per_year: float) -> float:
    """Risk-free return of one period: ``(1 + annual) ** (1 / P) - 1``."""
    return math.expm1(math.log1p(risk_free_annual) / periods_per_year)


def mean(values: FloatArray) -> float:
    """Arithmetic mean; NaN of nothing."""
    return float(values.mean()) if values.size else NAN


def deviation(values: FloatArray) -> float:
    """Sample standard deviation; NaN below two values, exactly 0 when all are equal."""
    if values.size < 2:
        return NAN
    return float(values.std(ddof=1)) if values.max() > values.min() else 0.0


def ratio(above: float, below: float) -> float:
    """Quotient by the rules of this module: 0 / 0 is NaN, x / 0 is infinite with the sign of x."""
    if below == 0.0:
        return math.copysign(math.inf, above) if above != 0.0 and not math.isnan(above) else NAN
    return above / below


def check_confidence(confidence: float) -> None:
    """Refuse what is no probability strictly between 0 and 1 (``ValueError``)."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
