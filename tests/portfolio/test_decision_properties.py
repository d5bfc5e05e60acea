"""What the decision keeps to for any input at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config_schema import CapSettings, SizingSettings
from core.reasons import Reason
from portfolio.decision import decide
from portfolio.decision_setup import decision_parameters
from portfolio.decision_types import (
    AccountRow,
    DecisionInputs,
    DecisionParameters,
    DecisionState,
    new_decision_state,
)
from portfolio.market_rows import MarketRows
from portfolio.risk_manager import drawdown_of, throttle_scale

STRATEGIES, SYMBOLS = 2, 4
CELLS = STRATEGIES * SYMBOLS
TOLERANCE = 1.0 + 1e-9

maybe = st.sampled_from([math.nan, 0.0, math.inf])
signal = st.one_of(st.sampled_from([-1.0, 0.0, 1.0, math.nan]), st.floats(-1.0, 1.0))
position = st.one_of(st.just(0.0), st.integers(-5_000, 5_000).map(float))
price = st.floats(0.5, 2_000.0)


def matrix(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    cells = st.lists(elements, min_size=CELLS, max_size=CELLS)
    return cells.map(lambda values: np.array(values).reshape(STRATEGIES, SYMBOLS))


def column(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return st.lists(elements, min_size=SYMBOLS, max_size=SYMBOLS).map(np.array)


def all_inputs(*, known: bool) -> st.SearchStrategy[DecisionInputs]:
    """Inputs; with ``known`` False anything may be NaN, zero or infinite."""
    hole = st.nothing() if known else maybe
    money = st.one_of(st.floats(1_000.0, 1e7), hole)
    return st.builds(
        DecisionInputs,
        signals=matrix(signal),
        positions=matrix(position),
        rows=st.builds(
            MarketRows,
            close=column(st.one_of(price, hole)),
            atr=column(st.one_of(st.floats(0.01, 50.0), hole)),
            average_volume=column(st.one_of(st.floats(0.0, 1e6), hole)),
        ),
        account=st.builds(
            AccountRow,
            nlv=money,
            peak_nlv=money,
            settled_cash=st.one_of(st.floats(-1e5, 1e6), hole),
            fills_this_month=st.integers(0, 50),
        ),
    )


cap_values = {
    "max_gross_exposure": st.floats(0.05, 4.0),
    "max_symbol_exposure": st.floats(0.01, 1.0),
    "max_positions": st.integers(1, 6),
    "max_participation": st.floats(0.001, 1.0),
    "monthly_fill_budget": st.integers(1, 60),
}
limits = st.builds(
    lambda caps, sizing, kind: (
        SizingSettings(**sizing),
        CapSettings(account_type=kind, **caps),
    ),
    st.fixed_dictionaries(cap_values),
    st.fixed_dictionaries({"allow_short": st.booleans(), "max_leverage": st.floats(0.2, 4.0)}),
    st.sampled_from(["margin", "cash"]),
)


def _state(directions: np.ndarray, scale: float) -> DecisionState:
    empty = new_decision_state(STRATEGIES, SYMBOLS, 5)
    return DecisionState(
        directions=directions.astype(np.int64), volatility=empty.volatility._replace(last_scale=scale)
    )


states = st.builds(
    _state,
    matrix(st.sampled_from([-1.0, 0.0, 1.0])),
    st.floats(0.05, 4.0),
)


def kernel_parameters(settings_pair: tuple[SizingSettings, CapSettings]) -> DecisionParameters:
    return decision_parameters(*settings_pair, [0.6, 0.4])


def throttle(parameters: DecisionParameters, given_inputs: DecisionInputs) -> float:
    drawdown = drawdown_of(given_inputs.account.nlv, given_inputs.account.peak_nlv)
    return throttle_scale(parameters.drawdown_levels, parameters.drawdown_scales, drawdown)


@given(limits, states, all_inputs(known=False))
def test_no_position_ever_grows_or_changes_sign_in_one_decision(pair, state, given_inputs):
    targets = decide(kernel_parameters(pair), state, given_inputs).targets
    held = given_inputs.positions
    assert np.isfinite(targets).all()
    assert (targets[held != 0] * held[held != 0] >= 0).all()
    assert (np.abs(targets[held != 0]) <= np.abs(held[held != 0])).all()


@given(limits, states, all_inputs(known=False))
def test_an_exit_is_always_allowed(pair, state, given_inputs):
    leaving = given_inputs._replace(signals=np.zeros_like(given_inputs.signals))
    assert not decide(kernel_parameters(pair), state, leaving).targets.any()


@given(limits, states, all_inputs(known=False))
def test_entries_are_whole_shares_on_the_side_of_their_signal(pair, state, given_inputs):
    targets = decide(kernel_parameters(pair), state, given_inputs).targets
    entered = (given_inputs.positions == 0) & (targets != 0)
    assert (targets[entered] == np.floor(targets[entered])).all()
    assert (np.sign(targets[entered]) == np.sign(given_inputs.signals[entered])).all()


@given(limits, states, all_inputs(known=True))
def test_after_the_decision_the_book_stands_within_the_exposure_caps(pair, state, given_inputs):
    parameters = kernel_parameters(pair)
    targets = decide(parameters, state, given_inputs).targets
    nlv, scale = given_inputs.account.nlv, throttle(parameters, given_inputs)
    value = np.abs(targets) * given_inputs.rows.close
    assert (value.sum(axis=0) <= parameters.max_symbol_exposure * nlv * scale * TOLERANCE).all()
    assert value.sum() <= parameters.max_gross_exposure * nlv * scale * TOLERANCE


@given(limits, states, all_inputs(known=True))
def test_entries_stay_within_positions_participation_cash_and_budget(pair, state, given_inputs):
    parameters = kernel_parameters(pair)
    targets = decide(parameters, state, given_inputs).targets
    held, account, rows = given_inputs.positions, given_inputs.account, given_inputs.rows
    entries = np.where(held == 0, targets, 0.0)
    bought = np.abs(entries)
    assert (bought.sum(axis=0) <= parameters.max_participation * rows.average_volume * TOLERANCE).all()
    assert np.count_nonzero(entries) <= max(parameters.monthly_fill_budget - account.fills_this_month, 0)
    was_held, is_entered = (held != 0).any(axis=0), (entries != 0).any(axis=0)
    if np.any(is_entered & ~was_held):
        occupied = was_held | is_entered
        assert np.count_nonzero(occupied) <= parameters.max_positions
    if parameters.cash_account:
        assert (bought * rows.close).sum() <= max(account.settled_cash, 0.0)
        assert (entries >= 0).all()


@pytest.mark.parametrize("key", sorted(cap_values))
@settings(max_examples=60)
@given(data=st.data())
def test_tightening_a_limit_never_enlarges_any_position(key, data):
    sizing, caps = data.draw(limits)
    other = data.draw(cap_values[key])
    tight, loose = sorted([getattr(caps, key), other])
    state, given_inputs = data.draw(states), data.draw(all_inputs(known=False))
    small, large = (
        np.abs(
            decide(
                kernel_parameters((sizing, caps.model_copy(update={key: value}))), state, given_inputs
            ).targets
        )
        for value in (tight, loose)
    )
    assert (small <= large).all()


@given(limits, states, all_inputs(known=True), st.floats(0.0, 0.3), st.floats(0.0, 0.3))
def test_a_deeper_drawdown_never_enlarges_any_position(pair, state, given_inputs, one, other):
    parameters = kernel_parameters(pair)
    small, large = (
        np.abs(
            decide(
                parameters,
                state,
                given_inputs._replace(
                    account=given_inputs.account._replace(peak_nlv=given_inputs.account.nlv / (1 - drawdown))
                ),
            ).targets
        )
        for drawdown in sorted([one, other], reverse=True)
    )
    assert (small <= large).all()


@given(limits, states, all_inputs(known=True), st.permutations(range(SYMBOLS)))
def test_the_order_of_the_symbols_does_not_matter_while_there_are_places(pair, state, given_inputs, order):
    sizing, caps = pair
    many = caps.model_copy(update={"max_positions": 100, "monthly_fill_budget": 1_000})
    parameters = kernel_parameters((sizing, many))
    shuffled = DecisionInputs(
        signals=given_inputs.signals[:, order].copy(),
        positions=given_inputs.positions[:, order].copy(),
        rows=MarketRows(*(field[order] for field in given_inputs.rows)),
        account=given_inputs.account,
    )
    turned = state._replace(directions=state.directions[:, order].copy())
    straight = decide(parameters, state, given_inputs).targets[:, order]
    # Sums in another order may differ in the last bit, and so by one share.
    assert (np.abs(decide(parameters, turned, shuffled).targets - straight) <= 1.0).all()


@given(limits, states, all_inputs(known=False))
def test_a_reduction_or_refusal_always_has_a_reason(pair, state, given_inputs):
    result = decide(kernel_parameters(pair), state, given_inputs)
    held, targets, signals = given_inputs.positions, result.targets, given_inputs.signals
    same_side = (held != 0) & (np.sign(signals) == np.sign(held))
    cut = same_side & (targets != held)
    refused = (held == 0) & (np.nan_to_num(signals) != 0) & (targets == 0)
    assert (result.reasons[cut | refused] != Reason.NONE).all()
    assert (result.reasons[same_side & ~cut] == Reason.NONE).all()


@given(limits, states, all_inputs(known=True))
def test_a_book_that_was_cut_is_left_alone_by_the_next_decision(pair, state, given_inputs):
    parameters = kernel_parameters(pair)
    quiet = given_inputs._replace(signals=np.sign(given_inputs.positions))  # hold, enter nothing
    first = decide(parameters, state, quiet)
    again = decide(parameters, first.state, quiet._replace(positions=first.targets))
    np.testing.assert_array_equal(again.targets, first.targets)
