"""The pairs rule on made-up and real prices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.packaged import load_packaged
from strategy.base import BarRow
from strategy.pairs import PairsParameters, fit_spread, new_state, step

PARAMETERS = PairsParameters(window=30, entry_z=2.0, exit_z=0.5, stop_z=4.0, atr_window=5)


def bar(close: float) -> BarRow:
    return BarRow(close, close * 1.01, close * 0.99, close, 1e6)


def weights_of(first, second, parameters=PARAMETERS) -> np.ndarray:
    """Weights of both legs over closes, shape (bars, 2)."""
    states = [new_state(parameters), new_state(parameters)]
    found = []
    for one, two in zip(first, second, strict=True):
        states[0], leading = step(parameters, states[0], bar(one), bar(two), True)
        states[1], trailing = step(parameters, states[1], bar(two), bar(one), False)
        found.append((leading, trailing))
    return np.array(found)


def cointegrated(bars: int = 400, beta: float = 0.7, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    second = np.log(50) + np.cumsum(rng.normal(0, 0.01, bars))
    gap = np.zeros(bars)
    for row in range(1, bars):
        gap[row] = 0.9 * gap[row - 1] + rng.normal(0, 0.01)
    return np.exp(0.3 + beta * second + gap), np.exp(second)


def z_of(first, second, window) -> float:
    """Newest residual of numpy's least squares in standard errors."""
    one, two = np.log(first[-window:]), np.log(second[-window:])
    slope, intercept = np.polyfit(two, one, 1)
    rest = one - intercept - slope * two
    return float(rest[-1]) / math.sqrt((rest**2).sum() / (window - 2))


def test_the_spread_is_that_of_numpys_least_squares():
    first, second = cointegrated()
    logs = np.log(np.column_stack([first, second])[:50])
    spread = fit_spread(logs, 49)
    assert spread.beta == pytest.approx(np.polyfit(logs[:, 1], logs[:, 0], 1)[0], rel=1e-10)
    assert spread.z == pytest.approx(z_of(first[:50], second[:50], 50), rel=1e-8)


def test_it_enters_beyond_one_level_and_leaves_inside_another():
    first, second = cointegrated()
    weights = weights_of(first, second)
    window = PARAMETERS.window
    assert np.isnan(weights[: window - 1]).all()
    entries = 0
    for row in range(window, len(weights)):
        z, before, now = (
            z_of(first[: row + 1], second[: row + 1], window),
            weights[row - 1, 0],
            weights[row, 0],
        )
        if before == 0 and now != 0:
            assert abs(z) >= PARAMETERS.entry_z
            assert np.sign(now) == -np.sign(z)
            entries += 1
        if before != 0 and now == 0:
            assert abs(z) <= PARAMETERS.exit_z or abs(z) >= PARAMETERS.stop_z or np.sign(z) == np.sign(before)
        if before != 0:
            assert now in {0.0, before}
    assert entries > 5


def test_the_legs_are_opposite_and_in_the_hedge_ratio():
    first, second = cointegrated()
    weights = weights_of(first, second)
    entered = np.flatnonzero((weights[1:, 0] != 0) & (weights[:-1, 0] == 0)) + 1
    for row in entered:
        leading, trailing = weights[row]
        assert leading * trailing < 0
        assert max(abs(leading), abs(trailing)) == 1.0
        logs = np.log(np.column_stack([first, second])[row - 29 : row + 1])
        beta = np.polyfit(logs[:, 1], logs[:, 0], 1)[0]
        # Both legs have nearly the same relative range here, so dollars stand in the ratio of the weights.
        assert abs(trailing) / abs(leading) == pytest.approx(beta, rel=0.35)


def test_both_legs_see_the_same_spread_and_a_bar_that_one_lacks_changes_nothing():
    first, second = cointegrated()
    states = [new_state(PARAMETERS), new_state(PARAMETERS)]
    for row, (one, two) in enumerate(zip(first, second, strict=True)):
        states[0], leading = step(PARAMETERS, states[0], bar(one), bar(two), True)
        states[1], trailing = step(PARAMETERS, states[1], bar(two), bar(one), False)
        assert (leading == 0) == (trailing == 0)
        if row == 300:
            hole = BarRow(math.nan, math.nan, math.nan, math.nan, math.nan)
            states[0], same = step(PARAMETERS, states[0], bar(one), hole, True)
            assert same == leading


def test_beyond_the_stop_nothing_is_entered_until_the_spread_has_come_back():
    first, second = cointegrated(beta=1.0, seed=5)
    broken = first.copy()
    broken[200:] *= np.exp(np.linspace(0.02, 1.5, 200))  # the pair falls apart
    weights = weights_of(broken, second, PARAMETERS._replace(entry_z=1.0, stop_z=2.0))
    z = [z_of(broken[: row + 1], second[: row + 1], 30) for row in range(30, 400)]
    stopped = [
        row
        for row in range(31, 400)
        if weights[row - 1, 0] != 0 and weights[row, 0] == 0 and abs(z[row - 30]) >= 2.0
    ]
    assert stopped
    for row in stopped:
        later = next((after for after in range(row, 400) if abs(z[after - 30]) <= 0.5), 400)
        assert (weights[row:later, 0] == 0).all()


def test_real_prices_trade_and_the_future_changes_nothing():
    tables = load_packaged(["IBM", "MSFT"])
    parameters = PairsParameters(window=60, entry_z=2.0, exit_z=0.5, stop_z=4.0, atr_window=14)
    first, second = (tables[symbol].close[-600:] for symbol in ("IBM", "MSFT"))
    weights = weights_of(first, second, parameters)
    assert (np.diff(np.sign(weights[60:, 0])) != 0).sum() > 10
    assert np.array_equal(weights_of(first[:400], second[:400], parameters), weights[:400], equal_nan=True)
