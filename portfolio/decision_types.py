"""What goes into the decision and what comes out of it: NamedTuples that kernels can take."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from portfolio.market_rows import MarketRows
from portfolio.risk_manager import VolatilityState, new_volatility

FloatVector = npt.NDArray[np.float64]
FloatMatrix = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]


class DecisionParameters(NamedTuple):
    """Limits and sizes; `portfolio.decision_setup` makes it from the configuration, which describes each."""

    strategy_weights: npt.NDArray[np.float64]
    permitted_risk: npt.NDArray[np.float64]
    """Factor on new risk of each strategy, 0 to 1: 1 where nothing is restricted (`core.restrictions`)."""
    risk_per_trade: float
    stop_atr_multiple: float
    allow_short: bool
    drawdown_levels: npt.NDArray[np.float64]
    drawdown_scales: npt.NDArray[np.float64]
    target_volatility_annual: float
    max_leverage: float
    max_gross_exposure: float
    max_symbol_exposure: float
    max_positions: int
    max_participation: float
    cash_account: bool
    monthly_fill_budget: int
    partners: IntMatrix
    """Columns of the other legs (`portfolio.pairing.partner_columns`); of shape (0, 0) where no pairs are traded."""


class AccountRow(NamedTuple):
    """The account at one moment; NaN where unknown."""

    nlv: float
    peak_nlv: float
    settled_cash: float
    fills_this_month: int


class DecisionInputs(NamedTuple):
    """All that may be known at the close of a bar. Matrices are of shape (strategies, symbols).

    ``signals`` are weights in [-1, 1], NaN while a strategy warms up; ``positions`` are signed quantities as the
    broker has confirmed them.
    """

    signals: FloatMatrix
    positions: FloatMatrix
    rows: MarketRows
    account: AccountRow


class DecisionState(NamedTuple):
    """What the decision remembers.

    ``directions`` (strategies, symbols) holds the sign of the position that the present run of the signal has led
    to, else 0. It is written in place: by each decision from the positions, and by the caller at each fill that opens a
    position, so that one whose stop is hit before the bar closes is not forgotten.
    """

    directions: npt.NDArray[np.int64]
    volatility: VolatilityState


class Scales(NamedTuple):
    """What the account's history puts on new risk: drawdown (fraction), throttle and volatility scale."""

    drawdown: float
    throttle: float
    volatility: float


class DecisionResult(NamedTuple):
    """Targets in whole shares (signed) and reasons, both of shape (strategies, symbols); state and scales."""

    targets: FloatMatrix
    reasons: IntMatrix
    scales: Scales
    state: DecisionState


def new_decision_state(strategies: int, symbols: int, volatility_window_sessions: int) -> DecisionState:
    """State of an account without history."""
    return DecisionState(
        directions=np.zeros((strategies, symbols), dtype=np.int64),
        volatility=new_volatility(volatility_window_sessions),
    )
