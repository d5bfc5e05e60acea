"""What another policy would have cost, judged by orders that this one chose: before it goes live.

With costs ``c_i``, logged propensities ``p_i``, the target's probability ``q_i`` of the logged method, weights
``w_i = q_i / p_i`` and a regression ``r(x, a)`` of the cost:

- inverse propensity (Horvitz and Thompson 1952): ``mean(w_i c_i)``
- self-normalised (Swaminathan and Joachims, NeurIPS 2015): ``sum(w_i c_i) / sum(w_i)``
- doubly robust (Dudik, Langford and Li, ICML 2011): ``mean(sum_a q(a | x_i) r(x_i, a) + w_i (c_i - r(x_i, a_i)))``,
  right when either the propensities or the regression are

Intervals are normal, of the mean of each estimate's terms (for the self-normalised one by the delta method). The terms of
an adaptive log are martingale differences, because its propensities only depend on the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from portfolio.algo_wheel.model import (
    METHODS,
    CostModel,
    Evidence,
    FloatArray,
    IntArray,
    ModelSettings,
)

_FOLDS: Final = 5
_NORMAL_975: Final = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceLog:
    """Logged choices, oldest first: features, admissible methods, the one chosen, its propensity and its cost."""

    rows: FloatArray
    mask: npt.NDArray[np.bool_]
    methods: IntArray
    propensities: FloatArray
    costs: FloatArray

    def __post_init__(self) -> None:
        if not ((self.propensities > 0.0) & (self.propensities <= 1.0)).all():
            raise ValueError("every propensity must be above 0 and at most 1")

    def __len__(self) -> int:
        return len(self.costs)

    def part(self, chosen: npt.NDArray[np.bool_] | slice) -> ChoiceLog:
        """Orders of the log."""
        return ChoiceLog(
            rows=self.rows[chosen],
            mask=self.mask[chosen],
            methods=self.methods[chosen],
            propensities=self.propensities[chosen],
            costs=self.costs[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimated mean cost in basis points with its 95 % interval, and how many orders it rests on."""

    value: float
    low: float
    high: float
    effective_orders: float

    def covers(self, truth: float) -> bool:
        """Whether ``truth`` lies in the interval."""
        return self.low <= truth <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The three estimates of one policy's mean cost."""

    inverse_propensity: Estimate
    self_normalised: Estimate
    doubly_robust: Estimate


def evaluate(log: ChoiceLog, target: FloatArray, settings: ModelSettings | None = None) -> Evaluation:
    """Estimate what a policy would have cost on the logged orders.

    Parameters
    ----------
    log
        Logged choices; the target must not have been trained on them.
    target
        The target's probability of each method for each order, shape (orders, K).
    settings
        Priors of the regression.

    Raises
    ------
    ValueError
        For a log of fewer than ten orders.
    """
    predicted = _cross_fitted(log, settings or ModelSettings())
    weights = _weights(log, target)
    effective = float(weights.sum() ** 2 / max(float(weights @ weights), 1e-300))
    total = float(weights.sum())
    normalised = float(weights @ log.costs) / total if total > 0.0 else float("nan")
    average = total / len(log)
    deviations = normalised + weights * (log.costs - normalised) / (average if average > 0.0 else 1.0)
    return Evaluation(
        inverse_propensity=_estimate(weights * log.costs, effective),
        self_normalised=_estimate(deviations, effective),
        doubly_robust=_estimate(_robust_terms(log, target, predicted), effective),
    )


def compare(
    log: ChoiceLog, candidate: FloatArray, present: FloatArray, settings: ModelSettings | None = None
) -> Estimate:
    """Estimate how much cheaper ``candidate`` would have been than ``present``, order by order, doubly robust.

    Positive is a saving. A candidate is promoted only when ``low`` is above zero.
    """
    predicted = _cross_fitted(log, settings or ModelSettings())
    saved = _robust_terms(log, present, predicted) - _robust_terms(log, candidate, predicted)
    weights = _weights(log, candidate)
    return _estimate(saved, float(weights.sum() ** 2 / max(float(weights @ weights), 1e-300)))


def _weights(log: ChoiceLog, target: FloatArray) -> FloatArray:
    result: FloatArray = target[np.arange(len(log)), log.methods] / log.propensities
    return result


def _robust_terms(log: ChoiceLog, target: FloatArray, predicted: FloatArray) -> FloatArray:
    chosen = predicted[np.arange(len(log)), log.methods]
    result: FloatArray = (target * predicted).sum(axis=1) + _weights(log, target) * (log.costs - chosen)
    return result


def _cross_fitted(log: ChoiceLog, settings: ModelSettings) -> FloatArray:
    """Predicted cost of every method for every order, by a model that has not seen its fold; shape (orders, K)."""
    if len(log) < 2 * _FOLDS:
        raise ValueError(
            f"{len(log)} orders are too few to judge a policy by: at least {2 * _FOLDS} are needed"
        )
    folds = np.arange(len(log)) % _FOLDS
    flat = np.zeros((len(METHODS), log.rows.shape[1]))
    predicted = np.zeros((len(log), len(METHODS)))
    for fold in range(_FOLDS):
        seen = log.part(folds != fold)
        evidence = Evidence.none().after(seen.rows, seen.methods, seen.costs, memory=1.0)
        predicted[folds == fold] = CostModel.fit(evidence, flat, settings).expected(log.rows[folds == fold])
    return predicted


def _estimate(terms: FloatArray, effective: float) -> Estimate:
    mean = float(terms.mean())
    half = _NORMAL_975 * float(terms.std(ddof=1)) / float(np.sqrt(len(terms)))
    return Estimate(value=mean, low=mean - half, high=mean + half, effective_orders=effective)
