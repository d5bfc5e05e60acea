"""Strategies on real prices: frozen statistics, and independent computations of the same rules with pandas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from strategy.base import scan
from strategy.registry import create
from tests.golden.strategy_signals import GOLDEN, real_bars, statistics

SYMBOLS = sorted(real_bars())


def test_the_strategies_say_of_real_prices_what_they_have_always_said():
    frozen = json.loads(GOLDEN.read_text(encoding="utf-8"))
    now = statistics()
    assert now.keys() == frozen.keys()
    for name, by_symbol in now.items():
        for symbol, figures in by_symbol.items():
            assert figures == pytest.approx(frozen[name][symbol]), (name, symbol)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_momentum_agrees_with_rolling_means_in_pandas(symbol):
    bars = real_bars()[symbol]
    close = pd.Series(bars[:, 3])
    difference = (close.rolling(20).mean() - close.rolling(100).mean()).to_numpy()
    weights = scan(create("momentum", {}), bars)
    decided = np.abs(np.nan_to_num(difference)) > 1e-8  # pandas' rolling sums drift by about this much
    np.testing.assert_array_equal(weights[decided], np.sign(difference[decided]))
    np.testing.assert_array_equal(np.isnan(weights), np.isnan(difference))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_mean_reversion_agrees_with_a_vectorised_rsi(symbol):
    bars = real_bars()[symbol]
    change = pd.Series(bars[:, 3]).diff().to_numpy()[1:]
    seeded = [np.r_[part[:14].mean(), part[14:]] for part in (np.maximum(change, 0), np.maximum(-change, 0))]
    gain, loss = (pd.Series(part).ewm(alpha=1 / 14, adjust=False).mean().to_numpy() for part in seeded)
    rsi = 100.0 - 100.0 / (1.0 + gain / loss)
    direction, expected = 0.0, []
    for value in rsi:
        if value < 30.0:
            direction = 1.0
        elif value > 70.0:
            direction = -1.0
        elif (direction > 0 and value >= 50.0) or (direction < 0 and value <= 50.0):
            direction = 0.0
        expected.append(direction)
    weights = scan(create("mean_reversion", {}), bars)
    assert np.isnan(weights[:14]).all()
    np.testing.assert_array_equal(weights[14:], expected)
