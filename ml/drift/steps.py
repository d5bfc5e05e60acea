"""From measures to what is done: steps that are climbed at once, and come down one by one after calm reports. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ml.drift.measures import (
    bias_of_forecasts,
    kolmogorov_smirnov,
    population_stability,
    worse_brier,
    worse_returns,
)
from ml.evaluation import calibration_error
from ml.reference import Reference

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Level(IntEnum):
    """What follows. A higher one includes the lower."""

    CALM = 0
    WARN = 1
    HALVE = 2
    STOP = 3

    @property
    def scale(self) -> float | None:
        """Factor on new risk (`core.restrictions`); None when nothing needs to stand."""
        return (None, 1.0, 0.5, 0.0)[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on each level begins."""

    warn: float
    halve: float
    stop: float

    def level_of(self, value: float, factor: float = 1.0) -> Level:
        """Level of a value, with limits that are lowered by a factor; NaN is calm."""
        for level, limit in ((Level.STOP, self.stop), (Level.HALVE, self.halve), (Level.WARN, self.warn)):
            if value >= limit * factor:
                return level
        return Level.CALM


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """All limits. Those of the features were chosen by what windows of the past show (``python -m ml.drift --history``).

    ``leave`` is the factor on the limits below which a report counts as calm, ``calm_reports`` how many in a row it takes to come
    down by one level. With fewer than ``least_rows`` values of a feature, or ``least_outcomes`` forecasts or round trips, a measure
    doesn't count.
    """

    stability: Limits = Limits(warn=0.8, halve=1.2, stop=2.0)
    distance: Limits = Limits(warn=0.3, halve=0.4, stop=0.5)
    errors: Limits = Limits(warn=2.0, halve=3.0, stop=4.0)
    leave: float = 0.8
    calm_reports: int = 3
    least_rows: int = 100
    least_outcomes: int = 20


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One measure; it counts when there was enough to measure. ``limits`` is None for one that is only told."""

    name: str
    value: float
    limits: Limits | None
    counts: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftState:
    """What is remembered from report to report.

    Attributes
    ----------
    level, calm
        The step that stands, and the calm reports in a row.
    session
        Last session of the bars at the last report that could be a calm one; None before the first.
    """

    level: Level = Level.CALM
    calm: int = 0
    session: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What has happened lately.

    Attributes
    ----------
    session
        The last one of the bars.
    features
        Recent values by feature, each of shape (rows,).
    probabilities, won
        Forecasts whose entries have ended, and whether they won, shape (outcomes,).
    returns
        Of live round trips, as fractions of their value at entry, shape (trips,).
    """

    session: date
    features: dict[str, FloatArray]
    probabilities: FloatArray
    won: IntArray
    returns: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """The checks, the level that they ask for, and the state that follows.

    ``is_news`` is False when the bars end where they did at an earlier report: then nothing comes down.
    """

    strategy: str
    version: str
    is_news: bool
    checks: tuple[Check, ...]
    asked: Level
    before: DriftState
    state: DriftState

    @property
    def reason(self) -> str:
        """Which measures ask for the most, in words."""
        counted = [one for one in self.checks if one.counts and one.limits is not None]
        worst = [
            one for one in counted if one.limits is not None and one.limits.level_of(one.value) == self.asked
        ]
        told = (
            ", ".join(f"{one.name} {one.value:.2f}" for one in worst) if self.asked else "nothing drifts now"
        )
        return f"drift of {self.strategy} {self.version}: {told}; level {self.state.level.name.lower()}"


def drift_report(
    strategy: str,
    version: str,
    reference: Reference,
    evidence: Evidence,
    before: DriftState,
    *,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> DriftReport:
    """Measure everything and decide what follows.

    A step up counts at any time. A calm report counts only when the bars have come further than at the last one that could be
    calm: so no session counts twice, however often it is measured, and bars that nobody updates never lift anything.

    Parameters
    ----------
    strategy, version
        Whose model.
    reference
        Of that model.
    evidence, before
        What has happened lately, and the state that the last report left.
    """
    checks = (
        *_feature_checks(reference, evidence, thresholds),
        *_forecast_checks(reference, evidence, thresholds),
        _return_check(reference, evidence, thresholds),
    )
    counted = [one for one in checks if one.counts and one.limits is not None]
    asked = _worst(counted, 1.0)
    is_news = before.session is None or evidence.session > before.session
    state = before
    if asked >= before.level or is_news:
        lingering = _worst(counted, thresholds.leave)
        state = _next(before, asked, lingering, thresholds, any_counted=bool(counted))
    if is_news:
        state = replace(state, session=evidence.session)
    return DriftReport(
        strategy=strategy,
        version=version,
        is_news=is_news,
        checks=checks,
        asked=asked,
        before=before,
        state=state,
    )


def _worst(checks: Sequence[Check], factor: float) -> Level:
    levels = (one.limits.level_of(one.value, factor) for one in checks if one.limits is not None)
    return max(levels, default=Level.CALM)


def _next(
    before: DriftState, asked: Level, lingering: Level, thresholds: Thresholds, *, any_counted: bool
) -> DriftState:
    """Climb at once; come down one level after enough calm reports. No evidence is no calm."""
    if asked >= before.level:
        return replace(before, level=asked, calm=0)
    if lingering >= before.level or not any_counted:
        return replace(before, calm=0)
    if before.calm + 1 >= thresholds.calm_reports:
        return replace(before, level=Level(before.level - 1), calm=0)
    return replace(before, calm=before.calm + 1)


def _feature_checks(reference: Reference, evidence: Evidence, thresholds: Thresholds) -> list[Check]:
    """Check the medians over the features, which one odd feature can't move; each feature is told."""
    rows = min((int((~np.isnan(values)).sum()) for values in evidence.features.values()), default=0)
    enough = rows >= thresholds.least_rows
    checks = []
    for name, measure, limits in (
        ("stability index", population_stability, thresholds.stability),
        ("distribution distance", kolmogorov_smirnov, thresholds.distance),
    ):
        values = {
            feature: measure(quantiles, evidence.features.get(feature, np.empty(0)))
            for feature, quantiles in reference.quantiles.items()
        }
        median = float(np.median(list(values.values()))) if values else math.nan
        worst = ", ".join(
            f"{one} {values[one]:.2f}" for one in sorted(values, key=lambda one: -values[one])[:3]
        )
        detail = f"median of {len(values)} features over {rows} rows; most: {worst}"
        checks.append(
            Check(
                name=name,
                value=median,
                limits=limits,
                counts=enough and not math.isnan(median),
                detail=detail,
            )
        )
    return checks


def _forecast_checks(reference: Reference, evidence: Evidence, thresholds: Thresholds) -> list[Check]:
    likely, won = evidence.probabilities, evidence.won
    enough = len(won) >= thresholds.least_outcomes
    bias, brier = bias_of_forecasts(likely, won), worse_brier(likely, won, reference.brier)
    told = f"{len(won)} forecasts have ended"
    if len(won):
        told += f", {won.mean():.1%} won, {likely.mean():.1%} were forecast"
    return [
        Check(
            name="forecast bias",
            value=bias,
            limits=thresholds.errors,
            counts=enough and not math.isnan(bias),
            detail=f"standard errors; {told}",
        ),
        Check(
            name="worse Brier score",
            value=brier,
            limits=thresholds.errors,
            counts=enough and not math.isnan(brier),
            detail=f"standard errors above {reference.brier:.4f}, that of the training",
        ),
        Check(
            name="calibration error",
            value=calibration_error(likely, won),
            limits=None,
            counts=enough,
            detail=f"{reference.calibration_error:.3f} in training; told only, because chance alone makes it large in small samples",
        ),
    ]


def _return_check(reference: Reference, evidence: Evidence, thresholds: Thresholds) -> Check:
    worse = worse_returns(evidence.returns, reference.mean_return, reference.deviation)
    told = f"{len(evidence.returns)} live round trips"
    if len(evidence.returns):
        told += f" of {evidence.returns.mean():+.3%} on average"
    return Check(
        name="worse returns",
        value=worse,
        limits=thresholds.errors,
        counts=len(evidence.returns) >= thresholds.least_outcomes and not math.isnan(worse),
        detail=f"standard errors below the backtest's {reference.mean_return:+.3%}; {told}",
    )
