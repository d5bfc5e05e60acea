"""Indicators against independent textbook implementations, and the rules that hold for all of them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.indicators import (
    FIXED_POINT,
    INTEGER_SCALE,
    LARGEST,
    MAX_WINDOW,
    atr_step,
    new_atr,
    new_rsi,
    new_sma,
    rsi_step,
    sma_step,
)

patient = settings(deadline=None)  # the first example of a run waits for the compiler
prices = st.floats(min_value=0.01, max_value=10_000.0)
price_lists = st.lists(prices, min_size=1, max_size=80)
windows = st.integers(min_value=2, max_value=20)


def sma_of(values: list[float], window: int, scale: float = FIXED_POINT) -> list[float]:
    state, out = new_sma(window), []
    for value in values:
        state, average = sma_step(state, value, scale)
        out.append(average)
    return out


def rsi_of(closes: list[float], window: int) -> list[float]:
    state, out = new_rsi(), []
    for close in closes:
        state, value = rsi_step(state, close, window)
        out.append(value)
    return out


def atr_of(bars: list[tuple[float, float, float]], window: int) -> list[float]:
    state, out = new_atr(), []
    for high, low, close in bars:
        state, value = atr_step(state, high, low, close, window)
        out.append(value)
    return out


@patient
@given(price_lists, windows)
def test_sma_is_the_mean_of_the_last_values(values, window):
    for index, average in enumerate(sma_of(values, window)):
        if index + 1 < window:
            assert math.isnan(average)
        else:
            exact = sum(map(Fraction, values[index + 1 - window : index + 1])) / window
            assert average == pytest.approx(float(exact), abs=1e-9)


@patient
@given(price_lists, price_lists, windows)
def test_sma_does_not_depend_on_where_the_history_began(before, values, window):
    with_history = sma_of(before + values, window)[len(before) :]
    without = sma_of(values, window)
    assert with_history[window - 1 :] == without[window - 1 :]  # bit for bit


def test_sma_of_volumes_is_exact():
    assert sma_of([1_000_000_000.0, 3.0, 2.0], 3, INTEGER_SCALE)[-1] == 1_000_000_005 / 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, LARGEST])
def test_sma_passes_over_what_it_cannot_hold(bad):
    assert sma_of([1.0, 2.0, bad, 3.0], 2)[1:] == [1.5, 1.5, 2.5]


def test_sma_holds_the_largest_window_of_the_largest_values():
    just_below = math.nextafter(LARGEST, 0.0)
    assert sma_of([just_below] * (MAX_WINDOW + 3), MAX_WINDOW)[-1] == pytest.approx(just_below)


@pytest.mark.parametrize("window", [0, MAX_WINDOW + 1])
def test_sma_refuses_a_window_it_cannot_sum(window):
    with pytest.raises(ValueError, match="window"):
        new_sma(window)


def textbook_rsi(closes: list[float], window: int) -> float:
    """Wilder's worksheet: simple averages of the first changes, then his smoothing; 100 - 100 / (1 + RS)."""
    changes = np.diff(closes)
    gain = np.maximum(changes[:window], 0).mean()
    loss = np.maximum(-changes[:window], 0).mean()
    for change in changes[window:]:
        gain = (gain * (window - 1) + max(change, 0.0)) / window
        loss = (loss * (window - 1) + max(-change, 0.0)) / window
    if gain + loss == 0:
        return 50.0
    return 100.0 if loss == 0 else 100.0 - 100.0 / (1.0 + gain / loss)


@patient
@given(st.lists(st.integers(100, 100_000).map(lambda cents: cents / 100), min_size=4, max_size=80), windows)
def test_rsi_equals_the_textbook(closes, window):
    values = rsi_of(closes, window)
    assert all(math.isnan(value) for value in values[:window])
    if len(closes) > window:
        assert values[-1] == pytest.approx(textbook_rsi(closes, window), abs=1e-6)


def test_rsi_worked_by_hand():
    # Changes +2, -1 (window 2): G = 1, L = 0.5, RSI = 100 * 1 / 1.5. Then +1: G = 1, L = 0.25, RSI = 80.
    assert rsi_of([10.0, 12.0, 11.0, 12.0], 2)[2:] == [pytest.approx(200 / 3), pytest.approx(80.0)]


@pytest.mark.parametrize(
    ("closes", "expected"), [([1, 2, 3, 4], 100.0), ([4, 3, 2, 1], 0.0), ([5, 5, 5, 5], 50.0)]
)
def test_rsi_at_its_extremes(closes, expected):
    assert rsi_of([float(c) for c in closes], 3)[-1] == expected


@patient
@given(price_lists, windows, st.integers(0, 80))
def test_rsi_is_not_poisoned_by_a_nan(closes, window, place):
    place = min(place, len(closes))
    holed = [*closes[:place], math.nan, *closes[place:]]
    got = rsi_of(holed, window)
    del got[place]
    np.testing.assert_array_equal(got, rsi_of(closes, window))


def test_atr_worked_by_hand():
    # True ranges: 10-8 = 2; max(11, 9) - min(10, 9) = 2; a gap down, max(7, 10.5) - min(6, 10.5) = 4.5.
    bars = [(10.0, 8.0, 9.0), (11.0, 10.0, 10.5), (7.0, 6.0, 6.5)]
    values = atr_of(bars, 2)
    assert math.isnan(values[0])
    assert values[1:] == [2.0, 2.0 + (4.5 - 2.0) / 2]


@patient
@given(st.lists(st.tuples(prices, prices, st.floats(0, 1)), min_size=1, max_size=60), windows)
def test_atr_lies_between_the_smallest_and_the_largest_true_range(raw, window):
    bars = [(max(a, b), min(a, b), min(a, b) + c * abs(a - b)) for a, b, c in raw]
    ranges, previous = [], None
    for high, low, close in bars:
        top, bottom = (high, low) if previous is None else (max(high, previous), min(low, previous))
        ranges.append(top - bottom)
        previous = close
    for value in atr_of(bars, window)[window - 1 :]:
        assert min(ranges) - 1e-6 <= value <= max(ranges) + 1e-6


@pytest.mark.parametrize("bad", [(math.nan, 1.0, 1.0), (2.0, math.inf, 1.0), (1.0, 2.0, 1.5)])
def test_atr_passes_over_a_bar_that_cannot_be(bad):
    good = [(10.0, 8.0, 9.0), (11.0, 10.0, 10.5), (7.0, 6.0, 6.5)]
    assert atr_of([*good[:2], bad, good[2]], 2)[-1] == atr_of(good, 2)[-1]
