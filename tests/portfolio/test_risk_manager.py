"""Drawdown, throttle staircase and volatility target."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.risk_manager import (
    RETURN_STEPS,
    SESSIONS_PER_YEAR,
    VolatilitySums,
    book_still_sessions,
    close_session,
    drawdown_of,
    new_volatility,
    realised_volatility,
    throttle_scale,
    volatility_after,
    volatility_scale,
)

LEVELS, SCALES = np.array([0.05, 0.10, 0.15]), np.array([0.5, 0.25, 0.0])
NAN = math.nan


@pytest.mark.parametrize(
    ("nlv", "peak", "expected"),
    [(90.0, 100.0, 0.1), (100.0, 100.0, 0.0), (120.0, 100.0, 0.0), (-5.0, 100.0, 1.0)],
)
def test_drawdown_is_a_positive_fraction(nlv, peak, expected):
    assert drawdown_of(nlv, peak) == expected


@pytest.mark.parametrize(("nlv", "peak"), [(NAN, 100.0), (100.0, NAN), (100.0, 0.0), (math.inf, 100.0)])
def test_an_unknown_drawdown_is_not_zero(nlv, peak):
    assert math.isnan(drawdown_of(nlv, peak))


@pytest.mark.parametrize(
    ("drawdown", "scale"),
    [(0.0, 1.0), (0.0499, 1.0), (0.05, 0.5), (0.0999, 0.5), (0.10, 0.25), (0.15, 0.0), (1.0, 0.0)],
)
def test_the_throttle_takes_the_last_step_reached(drawdown, scale):
    assert throttle_scale(LEVELS, SCALES, drawdown) == scale


def test_the_throttle_of_an_unknown_drawdown_is_unknown():
    assert math.isnan(throttle_scale(LEVELS, SCALES, NAN))


def test_an_empty_staircase_never_throttles():
    assert throttle_scale(np.array([]), np.array([]), 0.9) == 1.0


def test_realised_volatility_is_the_annualised_sample_deviation():
    closes = [100.0, 101.0, 99.0, 102.0]
    state = volatility_after(closes, 60, 10.0, 1.0)  # a target far above: the scale stays 1
    expected = np.std(np.diff(closes) / closes[:-1], ddof=1) * math.sqrt(252)
    assert realised_volatility(state) == pytest.approx(expected)


def test_only_the_window_counts():
    closes = [100.0, 150.0, 80.0, 100.0, 101.0, 100.0, 101.0]
    assert realised_volatility(volatility_after(closes, 3, 10.0, 1.0)) == pytest.approx(
        np.std(np.diff(closes[-4:]) / closes[-4:-1], ddof=1) * math.sqrt(252)
    )


@given(st.lists(st.floats(50.0, 200.0), max_size=10))
def test_there_is_no_leverage_without_a_full_window_of_history(closes):
    assert volatility_after(closes, 10, 2.0, 4.0).last_scale <= 1.0


@given(st.lists(st.floats(50.0, 200.0), max_size=40), st.floats(0.05, 4.0))
def test_the_scale_never_exceeds_the_maximum_leverage(closes, max_leverage):
    scale = volatility_after(closes, 5, 0.15, max_leverage).last_scale
    assert scale <= (max_leverage if len(closes) > 1 else max(1.0, max_leverage))


def test_a_full_calm_window_allows_leverage_and_a_wild_one_cuts_it():
    calm = [100.0 * (1.0 + 0.001 * (-1) ** n) for n in range(12)]
    assert volatility_after(calm, 5, 0.15, 1.5).last_scale == 1.5
    wild = [100.0 * (1.0 + 0.05 * (-1) ** n) for n in range(12)]
    assert volatility_after(wild, 5, 0.15, 1.5).last_scale < 0.2


def test_an_account_that_has_not_moved_gives_no_reason_for_leverage():
    assert volatility_after([100.0] * 80, 60, 0.15, 1.5).last_scale == 1.0


def test_the_scale_settles_because_returns_are_booked_free_of_it():
    """Strategies of 30% volatility against a target of 15%: the scale stays at one half, it does not swing."""
    target, window = 0.15, 20
    pattern = np.tile([0.3, -0.3], 200) / math.sqrt(252)
    pattern *= math.sqrt((window - 1) / window)  # the sample deviation of a window is then exactly 30%
    state, nlv, scales = new_volatility(window), 100.0, []
    state = close_session(state, nlv, target, 1.5)
    for unscaled in pattern:
        nlv *= 1.0 + unscaled * state.last_scale
        state = close_session(state, nlv, target, 1.5)
        scales.append(state.last_scale)
    np.testing.assert_allclose(scales[window:], 0.5, rtol=1e-6)


@pytest.mark.parametrize("nlv", [NAN, math.inf, 0.0, -1.0])
def test_a_session_whose_value_is_unknown_is_passed_over(nlv):
    state = volatility_after([100.0, 101.0, 102.0], 5, 0.15, 1.5)
    after = close_session(state, nlv, 0.15, 1.5)
    assert (after.sessions, after.last_nlv, after.last_scale) == (2, 102.0, state.last_scale)


@pytest.mark.parametrize("moves", [[], [1.0], [1.01, 0.98, 1.03], [1.2, 0.7, 1.1, 1.0, 1.4, 0.9, 1.3]])
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 6, 13])
@pytest.mark.parametrize("target", [0.02, 0.15, 3.0])
def test_sessions_without_a_move_are_booked_at_once_as_one_by_one(moves, count, target):
    state, nlv = new_volatility(5), 100_000.0
    for move in [1.0, *moves]:
        nlv *= move
        state = close_session(state, nlv, target, 1.5)
    ring = state.returns.copy()
    at_once = book_still_sessions(ring, VolatilitySums(*state[1:]), count, target, 1.5)
    for _ in range(count):
        state = close_session(state, nlv, target, 1.5)
    assert at_once == VolatilitySums(*state[1:])
    np.testing.assert_array_equal(ring, state.returns)


@given(
    returns=st.lists(st.integers(-(2**27), 2**27), min_size=2, max_size=20),
    full=st.booleans(),
    target=st.floats(0.01, 3.0),
    leverage=st.floats(0.2, 4.0),
)
def test_the_scale_is_target_over_realised_whichever_way_it_is_found(returns, full, target, leverage):
    """The sums are asked first without a division; what they say must be what the division says."""
    total, squares, held = sum(returns), sum(one * one for one in returns), len(returns)
    window = held if full else held + 1
    sums = VolatilitySums(0, total, squares, held, 1.0, 1.0)
    deviations = max(float(squares) - float(total) * float(total) / held, 0.0)
    ceiling = leverage if full else min(1.0, leverage)
    scaled = target * RETURN_STEPS
    allowed = scaled * scaled / SESSIONS_PER_YEAR * (held - 1)
    expected = min(1.0, leverage)
    if deviations > 0.0:
        expected = ceiling
        if deviations * ceiling * ceiling > allowed:
            expected = min(math.sqrt(allowed / deviations), ceiling)
    assert volatility_scale(sums, window, target, leverage) == expected
