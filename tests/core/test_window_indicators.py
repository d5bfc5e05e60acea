"""Channel, %R, lag, exponential average and volatility: examples worked by hand, and their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.indicators import (
    LARGEST,
    LARGEST_CHANGE,
    MAX_WINDOW,
    bar_is_whole,
    channel_step,
    ema_step,
    lag_step,
    new_channel,
    new_ema,
    new_lag,
    new_volatility,
    volatility_step,
    williams_r,
)


def channel_of(bars: list[tuple[float, float]], window: int) -> list[tuple[float, float]]:
    state, out = new_channel(window), []
    for high, low in bars:
        state, upper, lower = channel_step(state, high, low)
        out.append((upper, lower))
    return out


def volatility_of(closes: list[float], window: int) -> list[float]:
    state, out = new_volatility(window), []
    for close in closes:
        state, value = volatility_step(state, close)
        out.append(value)
    return out


def test_channel_worked_by_hand():
    bars = [(12.0, 9.0), (11.0, 8.0), (10.0, 9.5), (10.5, 9.0), (10.0, 9.5)]
    assert channel_of(bars, 3)[2:] == [(12.0, 8.0), (11.0, 8.0), (10.5, 9.0)]


def test_a_channel_of_one_bar_is_that_bar():
    bars = [(12.0, 9.0), (11.0, 8.0)]
    assert channel_of(bars, 1) == bars


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (2.0, math.inf), (1.0, 2.0)])
def test_channel_passes_over_a_bar_that_cannot_be(bad):
    good = [(12.0, 9.0), (11.0, 8.0), (10.0, 9.5)]
    assert channel_of([*good[:2], bad, good[2]], 2)[-1] == channel_of(good, 2)[-1]


@pytest.mark.parametrize(("close", "expected"), [(20.0, 0.0), (10.0, -100.0), (12.0, -80.0), (15.0, -50.0)])
def test_percent_r_worked_by_hand(close, expected):
    assert williams_r(20.0, 10.0, close) == expected


def test_percent_r_of_a_channel_without_width_is_in_the_middle():
    assert williams_r(10.0, 10.0, 10.0) == -50.0


def test_ema_worked_by_hand():
    # Window 3: the mean of 1, 2, 6 is 3; half of the way to 5 is 4; half of the way to 2 is 3.
    state, out = new_ema(), []
    for value in [1.0, 2.0, 6.0, 5.0, 2.0]:
        state, average = ema_step(state, value, 3)
        out.append(average)
    assert out[2:] == [pytest.approx(3.0), pytest.approx(4.0), pytest.approx(3.0)]


def test_lag_worked_by_hand():
    state, out = new_lag(2), []
    for value in [5.0, 6.0, 7.0, 8.0]:
        state, earlier = lag_step(state, value)
        out.append(earlier)
    np.testing.assert_array_equal(out, [math.nan, math.nan, 5.0, 6.0])


def test_volatility_worked_by_hand():
    # Changes +ln 2, -ln 2: mean 0, variance 2 (ln 2)^2 / 1.
    assert volatility_of([1.0, 2.0, 1.0], 2)[2] == pytest.approx(math.log(2) * math.sqrt(2), abs=1e-7)


def test_volatility_of_what_does_not_move_is_exactly_zero():
    assert volatility_of([7.3, 9.1, *[10.0] * 8], 4)[-1] == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_volatility_passes_over_a_close_that_cannot_be(bad):
    closes = [10.0, 11.0, 10.5, 12.0]
    assert volatility_of([*closes[:2], bad, *closes[2:]], 3)[-1] == volatility_of(closes, 3)[-1]


def test_volatility_holds_the_largest_window_of_the_largest_changes():
    closes = [1e-3 if n % 2 else 1e6 for n in range(MAX_WINDOW + 40)]
    expected = LARGEST_CHANGE * math.sqrt(MAX_WINDOW / (MAX_WINDOW - 1))
    assert volatility_of(closes, MAX_WINDOW)[-1] == pytest.approx(expected)


@pytest.mark.parametrize("make", [new_channel, new_lag, new_volatility])
@pytest.mark.parametrize("window", [0, MAX_WINDOW + 1])
def test_a_window_that_cannot_be_held_is_refused(make, window):
    with pytest.raises(ValueError, match="window"):
        make(window)


def test_a_bar_is_whole_when_no_indicator_would_pass_over_it():
    assert bar_is_whole(10.0, 11.0, 9.0, 10.5)
    for column in range(4):
        for bad in (math.nan, math.inf, -math.inf, 0.0, -1.0, LARGEST):
            bar = [10.0, 11.0, 9.0, 10.5]
            bar[column] = bad
            assert not bar_is_whole(*bar), (column, bad)
    assert not bar_is_whole(10.0, 9.0, 11.0, 10.0)
