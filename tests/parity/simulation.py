"""A small, plain simulation over the decision path: all symbols and strategies, fills at the next bar's open.

Run as a program (``python -m tests.parity.simulation SEED BARS OUT``) it saves what it decided, so that a process
with the compiler switched off can be compared with one that has it on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.config_schema import CapSettings, SizingSettings
from portfolio.decision import decide_into
from portfolio.decision_setup import decision_parameters
from portfolio.decision_types import AccountRow, DecisionInputs, new_decision_state
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from portfolio.risk_manager import close_session
from strategy.base import BarRow, Strategy
from tests.strategy.quick import all_quick

SYMBOLS = 4
BARS_PER_SESSION = 20
STRATEGIES = all_quick()
SIZING = SizingSettings(allow_short=True, volatility_window_sessions=5)
CAPS = CapSettings(max_positions=3, max_gross_exposure=0.9)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """Everything decided, by bar."""

    signals: FloatArray
    targets: FloatArray
    reasons: npt.NDArray[np.int64]
    scales: FloatArray
    equity: FloatArray


def market(seed: int, bars: int) -> FloatArray:
    """Bars of shape (bars, symbols, 5) from a seeded random walk with bad bars in it."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.012, (bars, SYMBOLS)), axis=0))
    open_ = close * np.exp(random.normal(0.0, 0.002, close.shape))
    high = np.maximum(open_, close) * (1.0 + np.abs(random.normal(0.0, 0.003, close.shape)))
    low = np.minimum(open_, close) * (1.0 - np.abs(random.normal(0.0, 0.003, close.shape)))
    volume = np.floor(random.lognormal(11.0, 1.0, close.shape))
    rows = np.stack([open_, high, low, close, volume], axis=2)
    rows[random.random(close.shape) < 0.01, 3] = np.nan
    return rows


def simulate(rows: FloatArray, strategies: tuple[Strategy, ...] = STRATEGIES) -> Recording:
    """Step, decide, and fill the difference at the next open (at the last close where that is missing)."""
    bars, symbols, _ = rows.shape
    shape = (len(strategies), symbols)
    parameters = decision_parameters(SIZING, CAPS, [1.0 / len(strategies)] * len(strategies))
    state = new_decision_state(*shape, SIZING.volatility_window_sessions)
    states = [[strategy.new_state() for _ in range(symbols)] for strategy in strategies]
    markets = [new_market_state() for _ in range(symbols)]
    latest = new_market_rows(symbols)
    signals, positions, targets = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    reasons = np.zeros(shape, dtype=np.int64)
    cash = peak = 100_000.0
    out: list[tuple[npt.NDArray[Any], ...]] = []
    for t in range(bars):
        traded = (targets - positions).sum(axis=0)
        cash -= float(np.nansum(traded * np.where(np.isnan(rows[t, :, 0]), latest.close, rows[t, :, 0])))
        positions[:] = targets
        for n in range(symbols):
            bar = BarRow(*rows[t, n].tolist())
            markets[n] = market_step(markets[n], latest, n, bar, SIZING.atr_window)
            for s, strategy in enumerate(strategies):
                states[s][n], signals[s, n] = strategy.step(states[s][n], bar)
        nlv = cash + float(np.nansum(positions * latest.close))
        peak = max(peak, nlv)
        account = AccountRow(nlv=nlv, peak_nlv=peak, settled_cash=cash, fills_this_month=0)
        inputs = DecisionInputs(signals=signals, positions=positions, rows=latest, account=account)
        scales = decide_into(parameters, state, inputs, targets, reasons)
        out.append((signals.copy(), targets.copy(), reasons.copy(), np.array(scales), np.array(nlv)))
        if (t + 1) % BARS_PER_SESSION == 0:
            volatility = close_session(
                state.volatility, nlv, parameters.target_volatility_annual, parameters.max_leverage
            )
            state = state._replace(volatility=volatility)
    return Recording(*(np.array(column) for column in zip(*out, strict=True)))


if __name__ == "__main__":
    recording = simulate(market(int(sys.argv[1]), int(sys.argv[2])))
    np.savez(sys.argv[3], **vars(recording))
