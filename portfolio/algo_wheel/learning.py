"""How evidence grows: batch by batch, and with doubt when a batch says that the market is another.

Forgetting (`ModelSettings.memory`) follows a market that drifts; one that jumps would be followed too late. So each
batch is first held against what the model expected. Where a method's mean error is further off than noise and the
model's own uncertainty explain, its old evidence is cut to a tenth, and the new orders are believed (change detection
for bandits: Liu, Lee and Shroff, "A Change-Detection Based Framework for Piecewise-Stationary Multi-Armed Bandit Problem",
AAAI 2018).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from portfolio.algo_wheel.model import (
    METHODS,
    CostModel,
    Evidence,
    FloatArray,
    IntArray,
    ModelSettings,
    relative_volatility,
)

BATCH: Final = 100
"""Orders of a batch: as many as come between two looks at the model."""

ALARM: Final = 3.5
"""Standard errors beyond which a method's mean error isn't chance any more."""

KEPT_IN_DOUBT: Final = 0.1
_FEWEST: Final = 5


def learn(
    evidence: Evidence,
    rows: FloatArray,
    methods: IntArray,
    costs: FloatArray,
    *,
    prior_mean: FloatArray,
    settings: ModelSettings,
) -> Evidence:
    """Return the evidence after further orders, oldest first, taken in batches of `BATCH`.

    Parameters
    ----------
    evidence
        What is known.
    rows, methods, costs
        The orders, as for `Evidence.after`.
    prior_mean, settings
        As for `CostModel.fit`.
    """
    for start in range(0, len(costs), BATCH):
        part = slice(start, start + BATCH)
        model = CostModel.fit(evidence, prior_mean, settings)
        errors = surprise(model, rows[part], methods[part], costs[part])
        kept = np.where(np.abs(errors) > ALARM, KEPT_IN_DOUBT, 1.0)
        evidence = evidence.scaled(kept).after(rows[part], methods[part], costs[part], settings.memory)
    return evidence


def surprise(model: CostModel, rows: FloatArray, methods: IntArray, costs: FloatArray) -> FloatArray:
    """Mean error of each method in standard errors, shape (K,); zero for a method of fewer than five orders.

    The standard error holds the noise of the orders and the posterior's uncertainty of their mean.
    """
    result = np.zeros(len(METHODS))
    weights = 1.0 / relative_volatility(rows)
    errors = (costs - model.expected(rows)[np.arange(len(costs)), methods]) * weights
    for method in np.unique(methods):
        chosen = methods == method
        count = int(chosen.sum())
        if count < _FEWEST:
            continue
        average_row = (rows[chosen] * weights[chosen, None]).mean(axis=0)
        uncertainty = float((model.draws[:, method] @ average_row).var())
        result[method] = errors[chosen].mean() / np.sqrt(model.noise[method] ** 2 / count + uncertainty)
    return result
