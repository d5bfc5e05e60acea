"""What is kept on the kernels' side says what the steps and the decision say one by one, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config_schema import CapSettings, SizingSettings
from portfolio.decision import decide
from portfolio.decision_setup import decision_parameters
from portfolio.decision_types import AccountRow, DecisionInputs, new_decision_state
from portfolio.kernel_side import KernelSide
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from portfolio.risk_manager import close_session
from strategy.base import BarRow, Strategy
from strategy.registry import create

SIZING = SizingSettings(atr_window=3, volatility_window_sessions=5, allow_short=True)
SYMBOLS, ROWS = 3, 160


def plain_step(parameters, state, bar):
    """Plain Python, as a user's own strategy may be."""
    mean = bar.close if np.isnan(state) else 0.9 * state + 0.1 * bar.close
    return mean, float(np.clip(bar.close / mean - 1.0, -1.0, 1.0))


def strategies() -> tuple[Strategy, ...]:
    own = create("momentum", {"fast_window": 2, "slow_window": 5})
    plain = replace(own, kind=replace(own.kind, name="plain", step=plain_step, new_state=lambda _: np.nan))
    return own, create("williams_r", {"range_window": 4, "trend_window": 20, "atr_window": 3}), plain


def market(seed: int) -> np.ndarray:
    """Shape (rows, symbols, 5); a missing bar is a row of NaN."""
    random = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, (ROWS, SYMBOLS)), axis=0))
    reach = np.abs(random.normal(0.0, 0.5, (2, ROWS, SYMBOLS)))
    volume = random.integers(1_000, 2_000_000, (ROWS, SYMBOLS)).astype(float)
    bars = np.stack([close, close + reach[0], close - reach[1], close, volume], axis=2)
    bars[random.random((ROWS, SYMBOLS)) < 0.15] = np.nan
    return bars


@pytest.mark.parametrize("seed", range(3))
def test_rows_signals_and_decisions_are_those_of_the_steps_one_by_one(seed):
    traded = strategies()
    parameters = decision_parameters(SIZING, CapSettings(), [0.4, 0.3, 0.3])
    side = KernelSide(traded, SYMBOLS, parameters, atr_window=3, volatility_window_sessions=5)
    states = [[one.new_state() for _ in range(SYMBOLS)] for one in traded]
    markets, rows = [new_market_state() for _ in range(SYMBOLS)], new_market_rows(SYMBOLS)
    state = new_decision_state(len(traded), SYMBOLS, 5)
    signals, positions = np.full((3, SYMBOLS), np.nan), np.zeros((3, SYMBOLS))
    entered = 0
    for number, bars in enumerate(market(seed)):
        present = ~np.isnan(bars[:, 3])
        side.row.bars[present], side.row.present[:] = bars[present], present
        side.step()
        for column in np.flatnonzero(present).tolist():
            bar = BarRow(*bars[column].tolist())
            markets[column] = market_step(markets[column], rows, column, bar, 3)
            for index, one in enumerate(traded):
                states[index][column], signals[index, column] = one.step(states[index][column], bar)
        np.testing.assert_array_equal(side.row.signals, signals)
        for name, values in rows._asdict().items():
            np.testing.assert_array_equal(getattr(side.row.rows, name), values, err_msg=name)
        nlv = 100_000.0 * (1.0 + 0.001 * (number % 7))
        account = AccountRow(nlv=nlv, peak_nlv=101_000.0, settled_cash=50_000.0, fills_this_month=number % 50)
        side.row.positions[:] = positions
        side.decide(side.row.signals, account)
        result = decide(parameters, state, DecisionInputs(signals, positions, rows, account))
        np.testing.assert_array_equal(side.row.targets, result.targets)
        np.testing.assert_array_equal(side.row.reasons, result.reasons)
        np.testing.assert_array_equal(side.state.directions, result.state.directions)
        entered += int(((positions == 0) & (result.targets != 0)).sum())
        positions, state = result.targets, result.state
        if number % 5 == 4:
            side.close_session(nlv)
            target, leverage = parameters.target_volatility_annual, parameters.max_leverage
            state = state._replace(volatility=close_session(state.volatility, nlv, target, leverage))
            assert side.state.volatility[1:] == state.volatility[1:]
    assert entered > 10


def test_other_parameters_hold_from_the_next_decision_on():
    traded = strategies()[:1]
    parameters = decision_parameters(SIZING, CapSettings(), [1.0])
    side = KernelSide(traded, 1, parameters, atr_window=3, volatility_window_sessions=5)
    for close in range(100, 130):
        side.row.bars[0], side.row.present[0] = (close, close + 1, close - 1, close, 1e7), True
        side.step()
    account = AccountRow(nlv=1e5, peak_nlv=1e5, settled_cash=1e5, fills_this_month=0)
    side.decide(side.row.signals, account)
    whole = side.row.targets[0, 0]
    side.go_by(parameters._replace(permitted_risk=np.array([0.5])))
    side.decide(side.row.signals, account)
    assert side.row.targets[0, 0] == whole // 2 > 0
