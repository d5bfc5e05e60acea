"""From the configuration to what the decision's kernels take. Apart, so that kernels don't depend on the schema."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.config_schema import CapSettings, SizingSettings
from portfolio.decision_types import DecisionParameters


def decision_parameters(
    sizing: SizingSettings, caps: CapSettings, strategy_weights: Sequence[float]
) -> DecisionParameters:
    """Limits and sizes in the exact types that the kernels are compiled for.

    Parameters
    ----------
    sizing, caps
        Their sections of the configuration.
    strategy_weights
        Share of the equity of each strategy, in the order of the matrices' rows.
    """
    return DecisionParameters(
        strategy_weights=np.asarray(strategy_weights, dtype=np.float64),
        risk_per_trade=float(sizing.risk_per_trade),
        stop_atr_multiple=float(sizing.stop_atr_multiple),
        allow_short=bool(sizing.allow_short),
        drawdown_levels=np.asarray(sizing.drawdown_levels, dtype=np.float64),
        drawdown_scales=np.asarray(sizing.drawdown_scales, dtype=np.float64),
        target_volatility_annual=float(sizing.target_volatility_annual),
        max_leverage=float(sizing.max_leverage),
        max_gross_exposure=float(caps.max_gross_exposure),
        max_symbol_exposure=float(caps.max_symbol_exposure),
        max_positions=int(caps.max_positions),
        max_participation=float(caps.max_participation),
        cash_account=caps.account_type == "cash",
        monthly_fill_budget=int(caps.monthly_fill_budget),
    )
