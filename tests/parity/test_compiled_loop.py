"""A compiled loop over bars may call the steps and the decision; it must decide what the interpreter's loop does.

This is what a compiled backtest stands on: kernels call kernels, states are values, nothing is allocated a bar.
"""

from __future__ import annotations

import math

import numpy as np

from core.config_schema import CapSettings, SizingSettings
from core.kernel import kernel
from portfolio.decision import decide_into
from portfolio.decision_setup import decision_parameters
from portfolio.decision_types import AccountRow, DecisionInputs, new_decision_state
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from strategy.base import BarRow
from strategy.momentum import MOMENTUM, step
from strategy.registry import create
from tests.parity.simulation import market

STRATEGY = create("momentum", {"fast_window": 5, "slow_window": 20})
SIZING = SizingSettings(allow_short=True)


def loop(bars, strategy, markets, decision, out):
    """Fill at the close that decides: enough to compare two ways of running the same kernels."""
    strategy_parameters, state = strategy
    market_state, rows = markets
    parameters, decision_state = decision
    signals, positions = np.full((1, 1), math.nan), np.zeros((1, 1))
    targets, reasons = np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64)
    cash = peak = 100_000.0
    for t in range(bars.shape[0]):
        bar = BarRow(bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3], bars[t, 4])
        state, signals[0, 0] = step(strategy_parameters, state, bar)
        market_state = market_step(market_state, rows, 0, bar, 14)
        nlv = cash + positions[0, 0] * rows.close[0]
        peak = max(peak, nlv)
        account = AccountRow(nlv, peak, cash, 0)
        inputs = DecisionInputs(signals, positions, rows, account)
        decide_into(parameters, decision_state, inputs, targets, reasons)
        cash -= (targets[0, 0] - positions[0, 0]) * rows.close[0]
        positions[0, 0] = targets[0, 0]
        out[t, 0], out[t, 1], out[t, 2] = targets[0, 0], reasons[0, 0], nlv
    return cash


compiled_loop = kernel(loop)


def run(function, bars: np.ndarray) -> np.ndarray:
    out = np.zeros((len(bars), 3))
    function(
        bars,
        (STRATEGY.parameters, MOMENTUM.new_state(STRATEGY.parameters)),
        (new_market_state(), new_market_rows(1)),
        (decision_parameters(SIZING, CapSettings(), [1.0]), new_decision_state(1, 1, 60)),
        out,
    )
    return out


def test_a_compiled_loop_decides_what_the_interpreters_loop_does_bitwise():
    bars = market(7, 600)[:, 0].copy()
    by_interpreter, compiled = run(loop, bars), run(compiled_loop, bars)
    np.testing.assert_array_equal(compiled.view(np.int64), by_interpreter.view(np.int64))
    assert np.unique(compiled[:, 0]).size > 5
