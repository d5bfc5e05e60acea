"""What methods cost by rule of thumb: where the wheel begins before it has seen a fill.

Each method pays a share of the quoted spread, a share of the square-root impact ``volatility * sqrt(size / ADV)``, and
for waiting a share of ``urgency * volatility``. Crossing at once pays half the spread and about the whole impact
(Toth et al., Physical Review X 1, 2011); what is patient or sliced trades both for waiting (Almgren and Chriss, Journal
of Risk 3(2), 2000); auctions have hardly a spread. The shares are plausible, not measured; fills correct them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.context import FEATURES, OrderContext, feature_rows, features
from portfolio.algo_wheel.model import COLUMN, METHODS, CostModel, FloatArray

_M: Final = ExecutionMethod


class Rule(NamedTuple):
    """Shares of the spread, of the impact, and of urgency times volatility."""

    spread: float
    impact: float
    waiting: float


RULES: Final = {
    _M.MKT: Rule(0.50, 0.90, 0.00),
    _M.LMT: Rule(0.05, 0.50, 0.08),
    _M.PEG_MID: Rule(0.05, 0.55, 0.06),
    _M.REL: Rule(-0.10, 0.55, 0.08),
    _M.ADAPTIVE_URGENT: Rule(0.40, 0.80, 0.00),
    _M.ADAPTIVE_NORMAL: Rule(0.30, 0.70, 0.01),
    _M.ADAPTIVE_PATIENT: Rule(0.20, 0.65, 0.03),
    _M.TWAP: Rule(0.25, 0.40, 0.05),
    _M.VWAP: Rule(0.25, 0.35, 0.06),
    _M.MOC: Rule(0.05, 0.45, 0.08),
    _M.LOC: Rule(0.05, 0.50, 0.11),
}
"""Rule of each method."""


def rule_coefficients() -> FloatArray:
    """Coefficients of the rules on the model's features, shape (K, D)."""
    result = np.zeros((len(METHODS), len(FEATURES)))
    # The features are scaled; one order's row tells by how much.
    units = feature_rows(
        is_sell=np.array([False]),
        spread_bps=np.ones(1),
        volatility_bps=np.ones(1),
        adv_share=np.ones(1),
        day_fraction=np.zeros(1),
        urgency=np.ones(1),
    )[0]
    for method, rule in RULES.items():
        for name, share in (
            ("spread", rule.spread),
            ("impact", rule.impact),
            ("urgency_risk", rule.waiting),
        ):
            column = FEATURES.index(name)
            result[COLUMN[method], column] = share / units[column]
    return result


def expected_cost_bps(
    context: OrderContext, method: ExecutionMethod, model: CostModel | None = None
) -> float:
    """Return the expected cost in basis points of the notional, from the arrival mid on: by a model, else by the rules.

    Raises
    ------
    ValueError
        When the context isn't sound.
    """
    problem = context.problem()
    if problem is not None:
        raise ValueError(problem)
    coefficients = rule_coefficients() if model is None else model.mean
    return float(coefficients[COLUMN[method]] @ features(context))
