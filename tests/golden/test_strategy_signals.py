"""Strategies on real prices: frozen statistics, and independent computations of the same rules with pandas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from core.config_schema import Settings
from strategy.base import scan
from strategy.registry import create
from tests.golden.strategy_signals import GOLDEN, real_bars, statistics
from tests.strategy.quick import SINGLE

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


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_time_series_momentum_agrees_with_pandas(symbol):
    bars = real_bars()[symbol]
    close = pd.Series(bars[:, 3])
    volatility = pd.Series(np.log(close)).diff().rolling(60).std() * np.sqrt(252)
    expected = np.sign(close - close.shift(252)) * np.minimum(1.0, 0.15 / volatility)
    np.testing.assert_allclose(scan(create("time_series_momentum", {}), bars), expected, atol=1e-6)


def wilder_atr(table: pd.DataFrame, window: int) -> pd.Series:
    """Average true range, seeded with the plain mean of its first window."""
    previous = table.close.shift()
    ranges = np.fmax(table.high, previous) - np.fmin(table.low, previous)
    seeded = pd.Series([ranges[:window].mean(), *ranges[window:]])
    smooth = seeded.ewm(alpha=1 / window, adjust=False).mean()
    return pd.Series([*np.full(window - 1, np.nan), *smooth])


def table_of(symbol: str) -> pd.DataFrame:
    return pd.DataFrame(real_bars()[symbol], columns=["open", "high", "low", "close", "volume"])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_donchian_agrees_with_channels_in_pandas(symbol):
    table = table_of(symbol)
    upper, lower = table.high.rolling(20).max().shift(), table.low.rolling(20).min().shift()
    atr = wilder_atr(table, 20)
    side, stop, expected = 0, np.nan, []
    for n, close in enumerate(table.close):
        if np.isnan(upper[n]):
            expected.append(np.nan)
            continue
        entered = 1 if close > upper[n] else -1 if close < lower[n] else 0
        if entered in {0, side}:
            if (side == 1 and close < stop) or (side == -1 and close > stop):
                side = 0
            elif side:
                stop = max(stop * side, close * side - 3.0 * atr[n]) * side
        else:
            side, stop = entered, close - entered * 3.0 * atr[n]
        expected.append(side)
    np.testing.assert_array_equal(scan(create("donchian", {}), real_bars()[symbol]), expected)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_williams_r_agrees_with_its_rules_over_indicators_in_pandas(symbol):
    table = table_of(symbol)
    upper, lower = table.high.rolling(10).max(), table.low.rolling(10).min()
    percent_r = -100 * (upper - table.close) / (upper - lower)
    trend, atr = table.close.rolling(200).mean(), wilder_atr(table, 14)
    stop, entered_at, expected = np.nan, None, []
    for n, (open_, _, low, close, _) in enumerate(real_bars()[symbol].tolist()):
        if n < 199:
            expected.append(np.nan)
            continue
        if entered_at is None:
            if percent_r[n] < -80 and close > trend[n]:
                entered_at = n
        else:
            if n == entered_at + 1:
                stop = open_ - 10 * atr[entered_at]
            if low <= stop or (percent_r[n] > -20 and close < trend[n]):
                entered_at = None
            else:
                stop = max(stop, close - 10 * atr[n])
        expected.append(float(entered_at is not None))
    np.testing.assert_array_equal(scan(create("williams_r", {}), real_bars()[symbol]), expected)


@pytest.mark.parametrize("name", sorted(set(SINGLE) - {"scheduled_rebalance"}))
def test_a_restart_says_after_the_default_warm_up_what_it_would_have_said_without(name):
    """Held by real prices where the strategy remembers its own position; see "Memory" in docs/strategies.md."""
    warm_up = Settings().bars.warmup_bars
    for symbol in ("AAPL", "IBM", "MSFT"):
        bars = real_bars()[symbol]
        whole = scan(create(name, {}), bars)
        for start in range(0, len(bars) - warm_up, 600):
            late = scan(create(name, {}), bars[start:])
            np.testing.assert_array_equal(late[warm_up:], whole[start + warm_up :])
