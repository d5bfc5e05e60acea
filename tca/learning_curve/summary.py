"""Many lives of the wheel as one result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_file import write_atomic
from portfolio.algo_wheel.learning import BATCH
from portfolio.algo_wheel.model import METHODS, FloatArray
from tca.intervals import Interval, bootstrap_interval
from tca.learning_curve.experiment import JUDGED, Life
from tca.simulated_market import TRADED

REGRET_LIMIT: Final = 0.25
COVERAGE_LIMIT: Final = 0.90
FILE_NAME: Final = "tca_learning_curve.json"
_WINDOW: Final = 500  # orders over which a regret is averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Regret ratios over time, averaged over the seeds, and the coverage of the intervals.

    ``ratio`` (points,) is the wheel's regret over that of a uniform choice in the `_WINDOW` orders up to ``parents``
    (points,); ``low`` and ``high`` hold 90 % of the seeds.
    """

    parents: FloatArray
    ratio: FloatArray
    low: FloatArray
    high: FloatArray
    change_at: int
    seeds: int
    regret_ratio: Interval
    """At `JUDGED` orders, with the 95 % bootstrap interval of its mean over the seeds."""
    later_ratio: float
    """In the last orders before the market changes."""
    shock_ratio: float
    """In the first orders after it has changed."""
    recovered_after: int | None
    """Orders after the change until the ratio is below the limit again; None when it never is."""
    best_fixed: tuple[str, float]
    """The best single method before the change, and its regret ratio: what no context buys."""
    coverage: dict[str, float]
    widths: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether the wheel learns, goes on learning, recovers, and its intervals can be trusted."""
        return (
            self.regret_ratio.estimate < REGRET_LIMIT
            and self.later_ratio < self.regret_ratio.estimate
            and self.recovered_after is not None
            and min(self.coverage.values()) >= COVERAGE_LIMIT
        )


def write_curve(curve: Curve, path: Path) -> None:
    """Write a curve as JSON, for the report."""
    fields = {name: _listed(value) for name, value in asdict(curve).items()}
    write_atomic(path, json.dumps(fields).encode(), durable=False, mode=0o644)


def read_curve(path: Path) -> Curve:
    """Read a curve.

    Raises
    ------
    OSError, ValueError, TypeError, KeyError
        When there is none, or none that this version understands.
    """
    fields = json.loads(path.read_text(encoding="utf-8"))
    for name in ("parents", "ratio", "low", "high"):
        fields[name] = np.array(fields[name], dtype=np.float64)
    fields["regret_ratio"] = Interval(**fields["regret_ratio"])
    name, ratio = fields["best_fixed"]
    fields["best_fixed"] = (str(name), float(ratio))
    return Curve(**fields)


def _listed(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def summarise(lives: Sequence[Life], change_at: int) -> Curve:
    """Average lives of the same length; ``change_at`` is the number of orders before the market changed."""
    regret = np.array([life.regret for life in lives])
    uniform = np.array([life.uniform for life in lives])
    width = _WINDOW // BATCH
    ratio = _rolling(regret, width) / _rolling(uniform, width)
    parents = BATCH * np.arange(width, regret.shape[1] + 1)
    mean = _rolling(regret, width).mean(axis=0) / _rolling(uniform, width).mean(axis=0)
    judged = int(np.searchsorted(parents, JUDGED))
    changed = int(np.searchsorted(parents, change_at))
    after = np.flatnonzero((parents >= change_at + _WINDOW) & (mean < REGRET_LIMIT))
    fixed = np.array([life.fixed[: change_at // BATCH].mean(axis=0) for life in lives]).mean(axis=0)
    names = {METHODS.index(method): str(method) for method in TRADED}
    best = min(names, key=lambda column: float(fixed[column]))
    return Curve(
        parents=parents.astype(np.float64),
        ratio=mean,
        low=np.quantile(ratio, 0.05, axis=0),
        high=np.quantile(ratio, 0.95, axis=0),
        change_at=change_at,
        seeds=len(lives),
        regret_ratio=bootstrap_interval(ratio[:, judged].tolist(), seed=1),
        later_ratio=float(mean[changed]),
        shock_ratio=float(mean[min(changed + width, len(mean) - 1)]),
        recovered_after=int(parents[after[0]]) - change_at if len(after) else None,
        best_fixed=(names[best], float(fixed[best] / uniform[:, : change_at // BATCH].mean())),
        coverage={name: _mean([life.covered[name] for life in lives]) for name in lives[0].covered},
        widths={name: _mean([life.widths[name] for life in lives]) for name in lives[0].widths},
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _rolling(values: FloatArray, width: int) -> FloatArray:
    """Means over ``width`` neighbouring columns, shape (rows, columns - width + 1)."""
    padded = np.concatenate((np.zeros((len(values), 1)), values.cumsum(axis=1)), axis=1)
    result: FloatArray = (padded[:, width:] - padded[:, :-width]) / width
    return result
