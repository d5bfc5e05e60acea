"""Builders of decision inputs for tests: one call says only what differs from a calm, rich, liquid account."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.config_schema import CapSettings, SizingSettings
from core.reasons import Reason
from portfolio.decision import decide
from portfolio.decision_setup import decision_parameters
from portfolio.decision_types import (
    AccountRow,
    DecisionInputs,
    DecisionParameters,
    DecisionResult,
    DecisionState,
    new_decision_state,
)
from portfolio.market_rows import MarketRows

Matrix = Sequence[Sequence[float]]

LOOSE = {
    "max_gross_exposure": 4.0,
    "max_symbol_exposure": 1.0,
    "max_positions": 500,
    "max_participation": 1.0,
    "monthly_fill_budget": 1_000_000,
}


def parameters(weights: Sequence[float] = (1.0,), **changes: object) -> DecisionParameters:
    """Loose limits, 1% risk at 2 ATR, but for ``changes``, which go to the section that has the key."""
    sizing = {key: value for key, value in changes.items() if key in SizingSettings.model_fields}
    caps = {key: value for key, value in changes.items() if key not in sizing}
    return decision_parameters(
        SizingSettings.model_validate(sizing), CapSettings.model_validate(LOOSE | caps), weights
    )


def account(**changes: float) -> AccountRow:
    """100,000 at its peak, all of it settled cash, no fill this month."""
    values = {"nlv": 100_000.0, "peak_nlv": 100_000.0, "settled_cash": 100_000.0, "fills_this_month": 0}
    return AccountRow(**(values | changes))  # type: ignore[arg-type]


def inputs(
    signals: Matrix,
    positions: Matrix | None = None,
    *,
    close: Sequence[float] | float = 100.0,
    atr: Sequence[float] | float = 5.0,
    volume: Sequence[float] | float = 1e9,
    account_row: AccountRow | None = None,
) -> DecisionInputs:
    """Inputs of as many strategies and symbols as ``signals`` has rows and columns."""
    wanted = np.array(signals, dtype=np.float64)
    held = np.zeros_like(wanted) if positions is None else np.array(positions, dtype=np.float64)

    def column(value: Sequence[float] | float) -> np.ndarray:
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), wanted.shape[1:]))

    rows = MarketRows(close=column(close), atr=column(atr), average_volume=column(volume))
    return DecisionInputs(signals=wanted, positions=held, rows=rows, account=account_row or account())


def run(
    limits: DecisionParameters, given: DecisionInputs, state: DecisionState | None = None
) -> DecisionResult:
    """Decide, from an empty state if none is given."""
    return decide(
        limits, state or new_decision_state(given.signals.shape[0], given.signals.shape[1], 5), given
    )


def reasons(result: DecisionResult) -> list[list[Reason]]:
    """Reason codes by name."""
    return [[Reason(code) for code in row] for row in result.reasons.tolist()]
