"""What every indicator must keep to, over one list of all of them, each against a batch computation with pandas or numpy."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import indicators
from core.indicators import (
    FIXED_POINT,
    LARGEST_CHANGE,
    atr_step,
    channel_step,
    ema_step,
    lag_step,
    new_atr,
    new_channel,
    new_ema,
    new_lag,
    new_rsi,
    new_sma,
    new_volatility,
    rsi_step,
    sma_step,
    volatility_step,
    williams_r,
)

Bars = np.ndarray
patient = settings(deadline=None, max_examples=40)  # the first example of a run waits for the compiler


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """One indicator: its state and step over (high, low, close), and the same figure for a whole history at once."""

    new: Callable[[int], Any]
    step: Callable[[Any, tuple[float, float, float], int], tuple[Any, float]]
    batch: Callable[[pd.DataFrame, int], pd.Series]
    needs: Callable[[int], int] = lambda window: window
    forgets: bool = True
    tolerance: float = 0.0


def channel_end(end: int):
    def step(state, bar, _window):
        state, *ends = channel_step(state, bar[0], bar[1])
        return state, ends[end]

    return step


def percent_r(state, bar, _window):
    if not math.isfinite(sum(bar)):
        return state, math.nan  # the value of no bar; `bar_is_whole` keeps such bars away
    state, upper, lower = channel_step(state, bar[0], bar[1])
    return state, williams_r(upper, lower, bar[2])


def percent_r_batch(table: pd.DataFrame, window: int) -> pd.Series:
    upper, lower = table.high.rolling(window).max(), table.low.rolling(window).min()
    values = -100 * (upper - table.close) / (upper - lower).where(upper > lower)
    return pd.Series(values.where((upper > lower) | upper.isna(), -50.0))


def seeded(values: pd.Series, window: int, alpha: float) -> pd.Series:
    """Plain mean of the first ``window`` values, then an exponential average."""
    values = values.reset_index(drop=True)
    if len(values) < window:
        return pd.Series(np.full(len(values), np.nan))
    tail = pd.concat([pd.Series([values[:window].mean()]), values[window:]], ignore_index=True)
    smooth = tail.ewm(alpha=alpha, adjust=False).mean()
    return pd.Series([*np.full(window - 1, np.nan), *smooth])


def rsi_batch(table: pd.DataFrame, window: int) -> pd.Series:
    change = table.close.diff()[1:]
    gain, loss = (seeded(part.clip(lower=0), window, 1 / window) for part in (change, -change))
    both = gain + loss
    value = (100 * gain / both.where(both > 0)).where((both > 0) | both.isna(), 50.0)
    return pd.Series([np.nan, *value])


def atr_batch(table: pd.DataFrame, window: int) -> pd.Series:
    previous = table.close.shift()
    top, bottom = np.fmax(table.high, previous), np.fmin(table.low, previous)
    return seeded(pd.Series(top - bottom), window, 1 / window)


def volatility_batch(table: pd.DataFrame, window: int) -> pd.Series:
    changes = np.clip(np.log(table.close).diff().to_numpy(), -LARGEST_CHANGE, LARGEST_CHANGE)
    return pd.Series(
        [
            np.nan if n < window else np.std(changes[n + 1 - window : n + 1], ddof=1)
            for n in range(len(changes))
        ]
    )


def sma_batch(table: pd.DataFrame, window: int) -> pd.Series:
    close = table.close.to_numpy()
    return pd.Series(
        [np.nan if n + 1 < window else close[n + 1 - window : n + 1].mean() for n in range(len(close))]
    )


BATTERY = {
    "sma": Indicator(
        new=new_sma,
        step=lambda state, bar, _window: sma_step(state, bar[2], FIXED_POINT),
        batch=sma_batch,
        tolerance=1e-8,
    ),
    "ema": Indicator(
        new=lambda _window: new_ema(),
        step=lambda state, bar, window: ema_step(state, bar[2], window),
        batch=lambda table, window: seeded(table.close, window, 2 / (window + 1)),
        forgets=False,
        tolerance=1e-8,
    ),
    "rsi": Indicator(
        new=lambda _window: new_rsi(),
        step=lambda state, bar, window: rsi_step(state, bar[2], window),
        batch=rsi_batch,
        needs=lambda window: window + 1,
        forgets=False,
        tolerance=1e-5,
    ),
    "atr": Indicator(
        new=lambda _window: new_atr(),
        step=lambda state, bar, window: atr_step(state, *bar, window),
        batch=atr_batch,
        forgets=False,
        tolerance=1e-8,
    ),
    "channel_upper": Indicator(
        new=new_channel, step=channel_end(0), batch=lambda table, window: table.high.rolling(window).max()
    ),
    "channel_lower": Indicator(
        new=new_channel, step=channel_end(1), batch=lambda table, window: table.low.rolling(window).min()
    ),
    "williams_r": Indicator(new=new_channel, step=percent_r, batch=percent_r_batch, tolerance=1e-9),
    "lag": Indicator(
        new=new_lag,
        step=lambda state, bar, _window: lag_step(state, bar[2]),
        batch=lambda table, window: table.close.shift(window),
        needs=lambda window: window + 1,
    ),
    "volatility": Indicator(
        new=new_volatility,
        step=lambda state, bar, _window: volatility_step(state, bar[2]),
        batch=volatility_batch,
        needs=lambda window: window + 1,
        tolerance=1e-6,
    ),
}
everyone = pytest.mark.parametrize("name", BATTERY)
windows = st.integers(2, 20)


@st.composite
def bar_lists(draw, least: int = 1, most: int = 80) -> list[tuple[float, float, float]]:
    """Bars in whole cents, so that references can't differ by what a sum rounds off; some repeat, some don't move."""
    seen = st.tuples(st.integers(100, 30_000), st.integers(0, 2_000), st.floats(0, 1))
    bars = []
    for low, width, place in draw(st.lists(seen, min_size=least, max_size=most)):
        bars.append(((low + width) / 100, low / 100, (low + math.floor(width * place)) / 100))
    return bars


def values_of(name: str, bars: list[tuple[float, float, float]], window: int) -> list[float]:
    one = BATTERY[name]
    state, out = one.new(window), []
    for bar in bars:
        state, value = one.step(state, bar, window)
        out.append(value)
    return out


def test_the_battery_holds_every_indicator():
    steps = {name for name, _ in inspect.getmembers(indicators, callable) if name.endswith("_step")}
    assert steps == {
        "sma_step",
        "ema_step",
        "rsi_step",
        "atr_step",
        "channel_step",
        "lag_step",
        "volatility_step",
    }


@everyone
@patient
@given(bars=bar_lists(), window=windows)
def test_bar_by_bar_equals_the_whole_history_at_once(name, bars, window):
    table = pd.DataFrame(bars, columns=["high", "low", "close"])
    expected = BATTERY[name].batch(table, window).to_numpy()
    np.testing.assert_allclose(
        values_of(name, bars, window), expected, rtol=0, atol=BATTERY[name].tolerance, equal_nan=True
    )


@everyone
@patient
@given(bars=bar_lists(), window=windows)
def test_the_value_is_nan_until_the_window_is_full_and_finite_from_then_on(name, bars, window):
    missing = np.isnan(values_of(name, bars, window))
    needs = BATTERY[name].needs(window)
    assert missing[: needs - 1].all()
    assert not missing[needs - 1 :].any()


@everyone
@patient
@given(bars=bar_lists(), window=windows, place=st.integers(0, 80), bad=st.sampled_from([math.nan, math.inf]))
def test_a_bar_that_is_not_finite_is_passed_over(name, bars, window, place, bad):
    place = min(place, len(bars))
    holed = values_of(name, [*bars[:place], (bad, bad, bad), *bars[place:]], window)
    at_hole = holed.pop(place)
    plain = values_of(name, bars, window)
    np.testing.assert_array_equal(holed, plain)
    if name != "williams_r":  # a plain function of the channel, which has no value to keep
        np.testing.assert_array_equal(at_hole, plain[place - 1] if place else math.nan)


@everyone
@patient
@given(before=bar_lists(), bars=bar_lists(), window=windows)
def test_a_window_forgets_what_came_before_it_bit_for_bit(name, before, bars, window):
    if not BATTERY[name].forgets:
        return
    full = BATTERY[name].needs(window) - 1
    with_history = values_of(name, before + bars, window)[len(before) :]
    assert with_history[full:] == values_of(name, bars, window)[full:]


@pytest.mark.parametrize("name", ["ema", "rsi", "atr"])
def test_a_recursion_forgets_its_beginning_in_time(name):
    random = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 1_000)))
    bars = [(c * 1.01, c * 0.99, c) for c in close.tolist()]
    whole, late = values_of(name, bars, 14), values_of(name, bars[500:], 14)
    assert whole[-1] == pytest.approx(late[-1], rel=1e-9)


@patient
@given(bars=bar_lists(least=3), window=windows)
def test_a_channel_holds_every_close_and_percent_r_stays_on_its_scale(bars, window):
    upper, lower = values_of("channel_upper", bars, window), values_of("channel_lower", bars, window)
    for (_, _, close), top, bottom in zip(bars, upper, lower, strict=True):
        assert math.isnan(top) or bottom <= close <= top
    percents = np.array(values_of("williams_r", bars, window))
    assert np.all(np.isnan(percents) | ((percents >= -100.0) & (percents <= 0.0)))


@patient
@given(bars=bar_lists(least=3), window=windows, factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_percent_r_does_not_depend_on_the_currency(bars, window, factor):
    other = [(high * factor, low * factor, close * factor) for high, low, close in bars]
    assert values_of("williams_r", other, window)[window:] == values_of("williams_r", bars, window)[window:]
