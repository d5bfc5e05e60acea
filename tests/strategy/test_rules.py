"""Hand-drawn bars → expected weights, for the strategies that need more than closes or remember a position."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy.base import BarRow, Strategy, scan
from strategy.registry import create

NAN = math.nan


def weights_of(strategy: Strategy, bars: list[tuple[float, float, float, float]]) -> list[float]:
    """Weights over bars of (open, high, low, close)."""
    return [float(weight) for weight in scan(strategy, np.array([(*bar, 1000.0) for bar in bars]))]


def flat(*closes: float) -> list[tuple[float, float, float, float]]:
    """Bars one unit wide around each close."""
    return [(c, c + 0.5, c - 0.5, c) for c in closes]


def random_bars(seed: int, count: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, count)))
    high, low = close * (1 + random.random(count) * 0.02), close * (1 - random.random(count) * 0.02)
    return np.column_stack([close, high, low, close, np.full(count, 1e6)])


def test_buy_and_hold_is_long_from_the_first_bar_with_prices():
    bars = [(NAN, NAN, NAN, NAN), *flat(10, 11, 5)]
    np.testing.assert_array_equal(
        weights_of(create("buy_and_hold", {"weight": 0.5}), bars), [NAN, 0.5, 0.5, 0.5]
    )


def test_a_rebalance_is_one_bar_of_zero_at_each_date():
    got = weights_of(create("scheduled_rebalance", {"every_bars": 3, "weight": 0.25}), flat(*[10.0] * 8))
    assert got == [0.25, 0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.25]


def test_a_bar_without_prices_does_not_count_towards_the_schedule():
    bars = [*flat(10, 10), (NAN, NAN, NAN, NAN), *flat(10, 10)]
    assert weights_of(create("scheduled_rebalance", {"every_bars": 3}), bars) == [1.0, 1.0, 1.0, 1.0, 0.0]


DONCHIAN = create("donchian", {"channel_window": 3, "atr_window": 2, "stop_atr_multiple": 1.5})


def test_donchian_enters_when_the_close_leaves_the_earlier_channel_not_its_own_bars():
    # Channel of the first three bars: 9.5 to 10.5. A close of 10.5 stands on it, 10.6 above it.
    bars = [*flat(10, 10, 10), (10.0, 12.0, 9.8, 10.5)]
    assert weights_of(DONCHIAN, bars)[-1] == 0.0
    assert weights_of(DONCHIAN, [*flat(10, 10, 10), (10.0, 10.6, 9.8, 10.6)])[-1] == 1.0


def test_donchian_goes_short_below_the_channel_and_turns_above_it():
    assert weights_of(DONCHIAN, flat(10, 10, 10, 9, 8, 12))[3:] == [-1.0, -1.0, 1.0]


def test_donchian_leaves_when_a_close_crosses_the_trailing_stop_and_waits_for_a_new_breakout():
    # True ranges 1, 1, 1 | close 12: 2.5, ATR 1.75, stop 12 - 2.625 = 9.375 | close 14: 2.5, ATR 2.125,
    # stop 14 - 3.1875 = 10.8125 | close 10.9: 3.6, ATR 2.8625: the stop stays, for 6.6 would be further away |
    # close 10.8 crosses it, though it is inside the channel | 12 is no breakout above 14.5.
    got = weights_of(DONCHIAN, flat(10, 10, 10, 12, 14, 10.9, 10.8, 12))
    np.testing.assert_array_equal(got, [NAN, NAN, NAN, 1.0, 1.0, 1.0, 0.0, 0.0])


def test_donchian_judges_its_stop_on_closes_not_on_lows():
    # The stop stands at 9.375 after the breakout to 12; a low of 9 does not end the position.
    assert weights_of(DONCHIAN, [*flat(10, 10, 10, 12), (12.0, 12.0, 9.6, 11.0)])[-1] == 1.0
    assert weights_of(DONCHIAN, [*flat(10, 10, 10, 12), (12.0, 12.0, 9.0, 9.3)])[-1] != 1.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_trailing_stop_of_donchian_never_moves_away_from_the_market(seed):
    state = DONCHIAN.new_state()
    last, stop = math.nan, math.nan
    for row in random_bars(seed, 150).tolist():
        state, weight = DONCHIAN.step(state, BarRow(*row))
        if weight == last and weight != 0.0:
            assert (state.stop - stop) * weight >= 0.0
        last, stop = weight, state.stop


# %R over 2 bars, trend over 4, ATR over 2, stop 2 ATR away.
WILLIAMS = create(
    "williams_r", {"range_window": 2, "trend_window": 4, "atr_window": 2, "stop_atr_multiple": 2.0}
)
# Average of the last four closes 9.5; %R of the last bar -100; true ranges 2, 2, 8, 2, so ATR 3.5 and distance 7.
PULLBACK = [(6.0, 7.0, 5.0, 6.0), (6.0, 7.0, 5.0, 6.0), (13.0, 14.0, 12.0, 14.0), (14.0, 14.0, 12.0, 12.0)]


def after_pullback(*bars: tuple[float, float, float, float]) -> list[float]:
    return weights_of(WILLIAMS, [*PULLBACK, *bars])[3:]


def test_williams_r_buys_a_pullback_above_the_average():
    np.testing.assert_array_equal(weights_of(WILLIAMS, PULLBACK), [NAN, NAN, NAN, 1.0])


def test_williams_r_buys_no_pullback_below_the_average():
    high_before = [(20.0, 21.0, 19.0, 20.0), (20.0, 21.0, 19.0, 20.0), *PULLBACK[2:]]
    assert weights_of(WILLIAMS, high_before)[-1] == 0.0


def test_williams_r_buys_no_shallow_pullback():
    assert weights_of(WILLIAMS, [*PULLBACK[:3], (14.0, 14.0, 12.0, 12.5)])[-1] == 0.0


@pytest.mark.parametrize(("low", "weight"), [(6.5, 1.0), (6.0, 0.0)])
def test_the_first_stop_of_williams_r_is_measured_from_the_open_that_fills_the_entry(low, weight):
    # 13 - 7 = 6. From the close that signalled it would be 12 - 7 = 5.
    assert after_pullback((13.0, 13.0, low, 13.0)) == [1.0, weight]


@pytest.mark.parametrize(("low", "weight"), [(8.6, 1.0), (8.5, 0.0)])
def test_the_stop_of_williams_r_follows_the_close_and_is_touched_by_a_low(low, weight):
    # True range 20 - 12 = 8, ATR 5.75, stop 20 - 11.5 = 8.5.
    assert after_pullback((13.0, 20.0, 13.0, 20.0), (20.0, 20.0, low, 19.0)) == [1.0, 1.0, weight]


def test_williams_r_leaves_when_the_pullback_is_over_and_the_trend_too():
    # %R -90 below the average of 10.375: not over yet. Then %R -16.7, and 11.5 is below the average of 11.75.
    assert after_pullback((12.0, 12.0, 9.0, 9.5), (9.5, 12.0, 9.5, 11.5)) == [1.0, 1.0, 0.0]


MOMENTUM = create(
    "time_series_momentum",
    {
        "lookback": 2,
        "volatility_window": 5,
        "target_volatility_annual": 0.2,
        "bars_per_year": 4.0,
    },
)


def test_time_series_momentum_takes_the_sign_of_the_return_over_its_look_back():
    got = weights_of(MOMENTUM, flat(10, 10.01, 10.02, 10.01, 10.0, 10.01, 10.0, 10.02, 10.02, 10.02))
    # Against two bars before: 10.01 = 10.01, 10.0 = 10.0, 10.02 > 10.01, 10.02 > 10.0, 10.02 = 10.02.
    np.testing.assert_array_equal(got, [NAN] * 5 + [0.0, 0.0, 1.0, 1.0, 0.0])


def test_time_series_momentum_shrinks_with_the_volatility_beyond_its_target():
    closes = np.array([100.0, 110.0, 99.0, 108.0, 97.0, 120.0])
    expected = 0.2 / (np.std(np.diff(np.log(closes)), ddof=1) * 2.0)
    assert weights_of(MOMENTUM, flat(*closes))[-1] == pytest.approx(expected, rel=1e-6)
    assert weights_of(MOMENTUM, flat(*(10_000.0 / closes)))[-1] == pytest.approx(-expected, rel=1e-6)
