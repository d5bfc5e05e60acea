"""What the decision's kernels need at start: parameters from the configuration, directions from the ledger, compiled code.

It stands apart so that the kernels (and their cache) don't depend on the schema or the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.config_schema import CapSettings, SizingSettings
from portfolio.decision import observe_signals
from portfolio.decision_types import (
    AccountRow,
    DecisionParameters,
    FloatMatrix,
    IntMatrix,
)
from portfolio.kernel_side import KernelSide
from portfolio.ledger import Ledger
from strategy.base import BarRow, Strategy


def decision_parameters(
    sizing: SizingSettings,
    caps: CapSettings,
    strategy_weights: Sequence[float],
    partners: IntMatrix | None = None,
) -> DecisionParameters:
    """Bring limits and sizes into the exact types that the kernels are compiled for.

    Parameters
    ----------
    sizing, caps
        Their sections of the configuration.
    strategy_weights
        Share of the equity of each strategy, in the order of the matrices' rows.
    partners
        From `portfolio.pairing.partner_columns`; None where no pairs are traded.
    """
    return DecisionParameters(
        strategy_weights=np.asarray(strategy_weights, dtype=np.float64),
        permitted_risk=np.ones(len(strategy_weights), dtype=np.float64),
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
        partners=np.empty((0, 0), dtype=np.int64) if partners is None else partners,
    )


def restricted(
    parameters: DecisionParameters, strategies: Sequence[str], scales: Mapping[str, float]
) -> DecisionParameters:
    """Scale the strategies' new risk: ``scales`` by name, 1 for those that it doesn't name."""
    factors = np.array([scales.get(strategy, 1.0) for strategy in strategies], dtype=np.float64)
    return parameters._replace(permitted_risk=factors)


def last_fills(
    ledger: Ledger, strategies: Sequence[str], symbols: Sequence[str]
) -> tuple[IntMatrix, npt.NDArray[np.int64]]:
    """Read directions and times (ns) of the last fills, each of shape (strategies, symbols); 0 where there were none."""
    directions = np.zeros((len(strategies), len(symbols)), dtype=np.int64)
    times = np.zeros_like(directions)
    for row, strategy in enumerate(strategies):
        for column, symbol in enumerate(symbols):
            holding = ledger.holding(strategy, symbol)
            directions[row, column] = holding.last_direction
            times[row, column] = holding.last_fill_ns
    return directions, times


def observe_warmup_bar(
    directions: IntMatrix,
    fill_times: IntMatrix,
    signals: FloatMatrix,
    positions: FloatMatrix,
    bar_end_ns: int,
) -> None:
    """Bring restored ``directions`` up to date with the signals of one warm-up bar.

    Without it a restart would forget that a stop had ended the present run of a signal, and enter again. Bars from
    before a position's last fill say nothing about it and are passed over.

    Parameters
    ----------
    directions, fill_times
        From `last_fills`; ``directions`` is written.
    signals, positions
        As in `portfolio.decision_types.DecisionInputs`: the signals after that bar, the positions of now.
    bar_end_ns
        End of the bar.
    """
    seen = directions.copy()
    observe_signals(seen, signals, positions)
    since_fill = fill_times <= bar_end_ns
    directions[since_fill] = seen[since_fill]


def compile_kernels(strategies: Sequence[Strategy], sizing: SizingSettings, caps: CapSettings) -> float:
    """Call every kernel that trading needs once, so that the first bar doesn't wait for the compiler.

    Returns
    -------
    float
        Seconds it took: a few when compiling, a fraction of one from the cache.
    """
    began = time.perf_counter()
    parameters = decision_parameters(sizing, caps, [1.0] * len(strategies))
    side = KernelSide(
        strategies,
        2,  # putting a second state beside the first is a kernel of its own
        parameters,
        atr_window=sizing.atr_window,
        volatility_window_sessions=sizing.volatility_window_sessions,
    )
    side.row.bars[:], side.row.present[:] = 1.0, True
    side.step()
    bar = BarRow(open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0)
    for strategy in strategies:
        if strategy.kind.trades_pairs:
            strategy.step_leg(strategy.new_state(), bar, bar, True)
    observe_signals(side.state.directions, side.row.signals, side.row.positions)
    side.decide(side.row.signals, AccountRow(nlv=1.0, peak_nlv=1.0, settled_cash=1.0, fills_this_month=0))
    side.close_session(1.0)
    return time.perf_counter() - began
