"""What a veto would have been worth out of sample: walk-forward, against "always approve", net of costs, with an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from skfolio.model_selection import WalkForward
from sklearn.metrics import brier_score_loss, roc_auc_score

from ml.entries import Entries, FloatArray
from ml.fitting import NS_PER_DAY, Fitted, Kind, best_of, civil_days, fit_best, overlaps

FIRST_TRAINING, TESTS = 0.4, 6
"""Share of the days that the first training has, and the number of tests that the rest is cut into."""
LEAST_ENTRIES, LEAST_VETOED = 100, 20
"""Out of sample; with fewer nothing is proven."""
_PATHS = 10_000
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutOfSample:
    """What one way of choosing did with entries that came after its training.

    Attributes
    ----------
    entries
        Those that were judged.
    probabilities, approved
        Of each, shape (entries,).
    base
        Share of winners in the training before each, shape (entries,): the forecast of somebody who knows nothing else.
    """

    entries: Entries
    probabilities: FloatArray
    approved: npt.NDArray[np.bool_]
    base: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Dollars that the vetoes saved (negative: cost) against approving all, and the ends of their 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Out-of-sample figures of one way of choosing; ``auc`` is None when all entries ended alike."""

    entries: int
    vetoed: int
    earned_by_all: float
    earned: float
    gain: Gain
    brier: float
    brier_of_base: float
    calibration_error: float
    auc: float | None

    def as_metrics(self) -> dict[str, float | None]:
        """Figures by name."""
        return {
            "entries": float(self.entries),
            "vetoed": float(self.vetoed),
            "earned_by_all": self.earned_by_all,
            "earned": self.earned,
            "gain": self.gain.value,
            "gain_low": self.gain.low,
            "gain_high": self.gain.high,
            "brier": self.brier,
            "brier_of_base": self.brier_of_base,
            "calibration_error": self.calibration_error,
            "auc": self.auc,
        }


def walk_forward(
    entries: Entries, *, seed: int, on_done: Callable[[int], None] = lambda _tests: None
) -> dict[str, OutOfSample]:
    """Train on the past and judge what follows, again and again; by way of choosing: each kind, and ``best``.

    Everything that is chosen (kind, calibration, threshold) is chosen inside the training. Entries that hadn't ended when the test
    began are no training for it.
    """
    days = entries.decided_ns // NS_PER_DAY
    calendar = civil_days(entries)
    first = int(len(calendar) * FIRST_TRAINING)
    size = max((len(calendar) - first) // TESTS, 1)
    splitter = WalkForward(test_size=size, train_size=first, expand_train=True, reduce_test=True)
    parts: dict[str, list[tuple[npt.NDArray[np.bool_], FloatArray, npt.NDArray[np.bool_], float]]] = {}
    for train_days, test_days in splitter.split(calendar[:, None].astype(np.float64)):
        test = np.isin(days, calendar[test_days])
        train = np.isin(days, calendar[train_days]) & ~overlaps(entries, test)
        past = entries.part(train)
        fitted = fit_best(past, seed=seed)
        base = float(past.won.mean()) if len(past) else 0.5
        for name, one in _ways(fitted).items():
            if one is None:  # nothing could be learnt: everything is approved
                likely, approved = np.full(int(test.sum()), base), np.ones(int(test.sum()), dtype=np.bool_)
            else:
                likely = one.model.probabilities(entries.rows[test])
                approved = likely >= one.model.threshold
            parts.setdefault(name, []).append((test, likely, approved, base))
        on_done(1)
    return {name: _joined(entries, found) for name, found in parts.items()}


def _ways(fitted: dict[Kind, Fitted]) -> Mapping[str, Fitted | None]:
    ways: dict[str, Fitted | None] = {str(kind): fitted.get(kind) for kind in Kind}
    return ways | {"best": best_of(fitted) if fitted else None}


def _joined(
    entries: Entries, parts: list[tuple[npt.NDArray[np.bool_], FloatArray, npt.NDArray[np.bool_], float]]
) -> OutOfSample:
    chosen = np.concatenate([np.flatnonzero(test) for test, _p, _a, _b in parts])
    return OutOfSample(
        entries=entries.part(chosen),
        probabilities=np.concatenate([likely for _t, likely, _a, _b in parts]),
        approved=np.concatenate([approved for _t, _p, approved, _b in parts]),
        base=np.concatenate([np.full(len(likely), base) for _t, likely, _a, base in parts]),
    )


def figures_of(found: OutOfSample, *, seed: int) -> Figures:
    """Work out the figures of one way of choosing."""
    earned, won = found.entries.earned, found.entries.won
    return Figures(
        entries=len(earned),
        vetoed=int((~found.approved).sum()),
        earned_by_all=float(earned.sum()),
        earned=float(earned[found.approved].sum()),
        gain=gain_of(found.entries.decided_ns, np.where(found.approved, 0.0, -earned), seed=seed),
        brier=float(brier_score_loss(won, found.probabilities)),
        brier_of_base=float(brier_score_loss(won, found.base)),
        calibration_error=calibration_error(found.probabilities, won),
        auc=float(roc_auc_score(won, found.probabilities)) if won.min() < won.max() else None,
    )


def gain_of(
    decided_ns: npt.NDArray[np.int64], saved: FloatArray, *, seed: int, period: Literal["D", "M"] = "M"
) -> Gain:
    """Sum of what was saved, and its interval by a circular block bootstrap of calendar months.

    Entries of a month hang together, across symbols too, so months are drawn and not entries, three in a row (Politis and Romano
    1992). A month without entries counts as 0. ``period`` D draws days instead, for what is too young to have months.
    """
    months = decided_ns.astype("datetime64[ns]").astype(f"datetime64[{period}]").astype(np.int64)
    if not len(months):
        return Gain(value=0.0, low=0.0, high=0.0)
    sums = np.bincount(months - months.min(), weights=saved)
    count, block = len(sums), max(1, min(3, len(sums) // 3))
    starts = np.random.default_rng(seed).integers(0, count, size=(_PATHS, -(-count // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(_PATHS, -1)[:, :count] % count
    totals = sums[drawn].sum(axis=1)
    low, high = np.quantile(totals, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return Gain(value=float(sums.sum()), low=float(low), high=float(high))


def calibration_error(probabilities: FloatArray, won: npt.NDArray[np.int64], bins: int = 10) -> float:
    """Measure the expected calibration error: by tenths of the probability, the mean distance of forecast and share of winners.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3. NaN without entries.
    """
    if not len(won):
        return float("nan")
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=probabilities - won, minlength=bins)
    return float(np.abs(gaps).sum() / len(won))


def verdict_on(figures: Figures) -> tuple[bool, str]:
    """Whether a model may be promoted, and why or why not."""
    gain = figures.gain
    told = f"{gain.value:+,.0f} dollars against approving all (95 %: {gain.low:+,.0f} to {gain.high:+,.0f})"
    if figures.entries < LEAST_ENTRIES:
        return False, f"only {figures.entries} entries out of sample, {LEAST_ENTRIES} are needed"
    if figures.vetoed < LEAST_VETOED:
        return False, f"only {figures.vetoed} vetoes out of sample, {LEAST_VETOED} are needed; {told}"
    if not gain.low > 0.0:
        return False, f"not proven to earn more: {told}"
    return True, f"proven to earn more: {told}"
