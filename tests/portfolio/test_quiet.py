"""A decision that stands says the same again: the proof of `portfolio.quiet`, tried on the decision itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.reasons import Reason
from portfolio.decision import decide
from portfolio.decision_types import DecisionInputs, DecisionState, new_decision_state
from portfolio.quiet import decision_stands, holdings_fit, is_sizeable, quiet_limits, surely_unthrottled
from tests.portfolio.scenes import inputs, parameters
from tests.portfolio.test_decision_properties import (
    all_inputs,
    kernel_parameters,
    limits,
    matrix,
    states,
    throttle,
)

Decided = tuple[DecisionState, DecisionInputs, np.ndarray, np.ndarray]


def settled(given_parameters, state, given_inputs) -> Decided:
    """Decide and fill everything until nothing changes any more, as an account does within a few bars."""
    for _ in range(4):
        result = decide(given_parameters, state, given_inputs)
        directions = np.where(result.targets != 0, np.sign(result.targets), result.state.directions)
        state = result.state._replace(directions=directions.astype(np.int64))
        given_inputs = given_inputs._replace(positions=result.targets)
    result = decide(given_parameters, state, given_inputs)
    return result.state, given_inputs, result.targets, result.reasons


def is_quiet(given_parameters, before: Decided, after: DecisionInputs, first_throttle: float) -> bool:
    """What `backtester.quiet_bars` looks at, here in dollars."""
    _state, given_inputs, targets, reasons = before
    if not decision_stands(first_throttle, given_inputs.signals, given_inputs.positions, targets, reasons):
        return False
    nlv, peak = after.account.nlv, after.account.peak_nlv
    values = np.abs(after.positions).sum(axis=0) * after.rows.close
    held = values[after.positions.any(axis=0)]
    quiet, now = quiet_limits(given_parameters), throttle(given_parameters, after)
    if surely_unthrottled(quiet, nlv, peak):
        assert now == 1.0
    return now == first_throttle and holdings_fit(quiet, now, nlv, held.max(initial=0.0), held.sum())


@settings(max_examples=400, deadline=None)
@given(
    pair=limits,
    state=states,
    first=all_inputs(known=True),
    later=all_inputs(known=True),
    sizes=matrix(st.floats(0.01, 1.0)),
    moved=st.lists(st.floats(0.8, 1.25), min_size=4, max_size=4),
)
def test_a_decision_that_stands_is_made_again_whatever_prices_and_account_do(
    pair, state, first, later, sizes, moved
):
    given_parameters = kernel_parameters(pair)
    before = settled(given_parameters, state, first)
    state, first = before[0], before[1]
    # The same sides and positions; sizes, prices, volumes and the account are others.
    after = later._replace(
        signals=np.sign(first.signals) * sizes,
        positions=first.positions,
        rows=later.rows._replace(close=first.rows.close * np.array(moved)),
        account=later.account._replace(nlv=first.account.nlv * moved[0], peak_nlv=first.account.peak_nlv),
    )
    assume(is_quiet(given_parameters, before, after, throttle(given_parameters, first)))
    again = decide(given_parameters, state, after)
    np.testing.assert_array_equal(again.targets, first.positions)
    np.testing.assert_array_equal(again.reasons, before[3])
    np.testing.assert_array_equal(again.state.directions, state.directions)
    assert again.state.volatility is state.volatility


def test_a_position_at_rest_stands_and_one_above_its_cap_does_not_fit():
    given_parameters = parameters(max_symbol_exposure=0.25)
    quiet = quiet_limits(given_parameters)
    held = inputs([[1.0]], [[200.0]], close=100.0)
    result = decide(given_parameters, new_decision_state(1, 1, 5), held)
    assert decision_stands(1.0, held.signals, held.positions, result.targets, result.reasons)
    assert holdings_fit(quiet, 1.0, 100_000.0, 20_000.0, 20_000.0)
    assert not holdings_fit(quiet, 1.0, 100_000.0, 25_001.0, 25_001.0)
    assert not holdings_fit(quiet, 0.5, 100_000.0, 20_000.0, 20_000.0)
    assert not holdings_fit(quiet, 1.0, -1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("reason", "stands"),
    [
        (Reason.STOPPED_OUT, True),
        (Reason.SHORT_NOT_ALLOWED, True),
        (Reason.GROSS_CAP, False),
        (Reason.FILL_BUDGET, False),
        (Reason.NO_ATR, False),
        (Reason.ZERO_QUANTITY, False),
        (Reason.DRAWDOWN_THROTTLE, False),
    ],
)
def test_only_refusals_that_outlast_prices_stand(reason, stands):
    flat, wanted = np.zeros((1, 1)), np.ones((1, 1))
    assert decision_stands(1.0, wanted, flat, flat, np.full((1, 1), reason, dtype=np.int64)) is stands


def test_a_closed_throttle_stands_while_it_is_closed():
    flat, refused = np.zeros((1, 1)), np.full((1, 1), Reason.DRAWDOWN_THROTTLE, dtype=np.int64)
    assert decision_stands(0.0, np.ones((1, 1)), flat, flat, refused)


@pytest.mark.parametrize("signal", [0.0, math.nan])
def test_what_is_not_wanted_stands(signal):
    flat, none = np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64)
    assert decision_stands(1.0, np.full((1, 1), signal), flat, flat, none)


@pytest.mark.parametrize(("close", "atr"), [(math.nan, 1.0), (10.0, 0.0), (10.0, math.nan), (math.inf, 1.0)])
def test_what_cannot_be_sized(close, atr):
    assert not is_sizeable(close, atr)
    assert is_sizeable(10.0, 1.0)
