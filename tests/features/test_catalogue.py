"""Every feature: its window is what it says, it sees no future, and its values are those of other libraries."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import talib

from data.packaged import load_packaged
from features.catalogue import FEATURES, compute, compute_one
from features.panel import Panel, panel_of

NAMES = sorted(FEATURES)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of(load_packaged(["AAPL", "GOOG", "IBM", "MSFT"])).since(900).until(700)


@pytest.fixture(scope="module")
def values(panel) -> dict[str, np.ndarray]:
    return compute(panel)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_depends_on_its_window_only_and_on_no_future_day(panel, values, name):
    feature, day = FEATURES[name], 620
    known = panel.close[day]
    assert not np.isnan(known).all()
    short = panel.until(day + 1).since(day + 1 - feature.window)
    assert np.array_equal(compute_one(short, feature)[-1], values[name][day], equal_nan=True)
    assert not np.isnan(values[name][day][0])


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_unknown_with_one_bar_too_few(panel, name):
    feature = FEATURES[name]
    if feature.window > 1:
        short = panel.until(feature.window - 1)
        assert np.isnan(compute_one(short, feature)).all()
    full = compute_one(panel.until(feature.window), feature)[-1]
    assert not np.isnan(full[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_day_without_a_bar_is_unknown_and_the_windows_go_on_behind_it(panel, values, name):
    columns = {one: getattr(panel, one).copy() for one in ("open", "high", "low", "close", "volume")}
    for matrix in columns.values():
        matrix[500, 0] = np.nan
    holed = Panel(symbols=panel.symbols, days=panel.days, **columns)
    found = compute_one(holed, FEATURES[name])
    assert np.isnan(found[500, 0])
    assert not np.isnan(found[501, 0])
    if FEATURES[name].of_bars is not None:
        assert np.array_equal(found[:, 1:], values[name][:, 1:], equal_nan=True)


@pytest.mark.parametrize("name", [one for one in NAMES if FEATURES[one].scale_free])
def test_a_scale_free_feature_doesnt_know_the_price_or_the_size_of_the_company(panel, values, name):
    scaled = Panel(
        symbols=panel.symbols,
        days=panel.days,
        **{one: getattr(panel, one) * 4.0 for one in ("open", "high", "low", "close")},
        volume=panel.volume * 2.0,
    )
    assert np.allclose(
        compute_one(scaled, FEATURES[name]), values[name], rtol=1e-9, atol=1e-12, equal_nan=True
    )


def test_the_values_are_those_of_ta_lib_and_pandas(panel, values):
    bars = {
        one: np.ascontiguousarray(getattr(panel, one)[:, 2]) for one in ("high", "low", "close", "volume")
    }
    close = pd.Series(bars["close"])

    def same(name, other, tolerance=1e-9):
        mine = values[name][:, 2]
        both = ~np.isnan(mine)
        assert both.sum() > 300
        assert np.allclose(mine[both], np.asarray(other)[both], rtol=tolerance, atol=tolerance)

    same("sma_200", talib.SMA(bars["close"], 200))
    same("rsi_14", talib.RSI(bars["close"], 14), 2e-3)  # begun 140 closes ago instead of at the first
    same("atr_20", talib.ATR(bars["high"], bars["low"], bars["close"], 20), 2e-3)
    same("williams_r_10", talib.WILLR(bars["high"], bars["low"], bars["close"], 10))
    same("vol_20", (close / close.shift()).apply(np.log).rolling(20).std() * math.sqrt(252))
    same("high_252_gap", close / pd.Series(bars["high"]).rolling(252).max() - 1)
    same("volume_ratio_20", bars["volume"] / pd.Series(bars["volume"]).rolling(20).mean())
    below = (
        pd.Series(values["vol_20"][:, 2])
        .rolling(252)
        .apply(
            lambda part: float((part[:-1] < part[-1]).mean() + (part[:-1] == part[-1]).mean() / 2), raw=True
        )
    )
    same("vol_regime", below)


def test_features_of_the_market_are_counted_over_the_known_symbols(panel, values):
    day = 650
    above = panel.close[day] > values["sma_200"][day]
    assert set(values["breadth_200"][day]) == {above.mean()}
    returns = values["ret_20"][day]
    assert np.allclose(values["relative_20"][day], returns - returns.mean())
    alone = panel_of(load_packaged(["AAPL"])).until(300)
    assert np.isnan(compute_one(alone, FEATURES["breadth_200"])).all()


def test_a_panel_of_wrong_shapes_is_refused(panel):
    with pytest.raises(ValueError, match="shape"):
        Panel(
            symbols=panel.symbols[:1], days=panel.days, open=panel.open, high=panel.high, low=panel.low,
            close=panel.close, volume=panel.volume,
        )  # fmt: skip
    with pytest.raises(ValueError, match="no bars"):
        panel_of({})
