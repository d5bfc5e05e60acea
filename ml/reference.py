"""What training looked like, kept beside the model: the reference that drift is measured against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.evaluation import OutOfSample

FloatArray = npt.NDArray[np.float64]
POINTS = 101
"""Quantiles that are kept of a distribution, from the smallest value to the largest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Distributions of training and performance out of sample.

    Attributes
    ----------
    quantiles
        Of each feature on all days of the training's time, shape (101,), by name.
    brier, calibration_error
        Of the out-of-sample forecasts.
    mean_return, deviation
        Of what an approved entry earned out of sample, as a fraction of its value.
    entries
        Approved entries behind them.
    """

    quantiles: dict[str, FloatArray]
    brier: float
    calibration_error: float
    mean_return: float
    deviation: float
    entries: int

    def to_json(self) -> bytes:
        """Content of its file."""
        content = {
            "quantiles": {name: values.tolist() for name, values in self.quantiles.items()},
            "brier": self.brier,
            "calibration_error": self.calibration_error,
            "mean_return": self.mean_return,
            "deviation": self.deviation,
            "entries": self.entries,
        }
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Reference:
        """Read the content of its file.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is none.
        """
        content = json.loads(data)
        quantiles = {
            str(name): np.array(values, dtype=np.float64) for name, values in content["quantiles"].items()
        }
        if any(values.shape != (POINTS,) for values in quantiles.values()):
            raise ValueError(f"quantiles must be {POINTS} numbers a feature")
        numbers = {
            name: float(content[name]) for name in ("brier", "calibration_error", "mean_return", "deviation")
        }
        return cls(quantiles=quantiles, entries=int(content["entries"]), **numbers)


def reference_of(
    names: Sequence[str], rows: FloatArray, found: OutOfSample, *, brier: float, calibration_error: float
) -> Reference:
    """Take the reference from the training's time and from what was judged out of sample.

    Parameters
    ----------
    names, rows
        Features of all days and symbols, shape (rows, features): entries alone are special days. NaN is left out.
    found, brier, calibration_error
        What was judged, and how well.
    """
    grid = np.linspace(0.0, 1.0, POINTS)
    returns = (found.entries.earned / found.entries.staked)[found.approved]
    return Reference(
        quantiles={
            name: np.nanquantile(rows[:, place], grid, method="inverted_cdf")
            for place, name in enumerate(names)
        },
        brier=brier,
        calibration_error=calibration_error,
        mean_return=float(returns.mean()) if len(returns) else 0.0,
        deviation=float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        entries=len(returns),
    )
