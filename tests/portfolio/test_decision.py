"""Golden examples of the decision, each worked by hand.

Where not said otherwise: NLV 100,000, price 100, ATR 5, risk 1% at a stop of 2 ATR. The risk sizing is then
100,000 * 0.01 / (2 * 5) = 100 shares.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.reasons import Reason
from portfolio.decision import observe_signals
from portfolio.decision_types import new_decision_state
from tests.portfolio.scenes import account, inputs, parameters, reasons, run

NAN = math.nan
NONE = Reason.NONE


def only(result) -> tuple[float, Reason]:
    """Target and reason of the single cell."""
    return float(result.targets[0, 0]), Reason(int(result.reasons[0, 0]))


# --- sizing at entry ---


def test_an_entry_risks_its_share_of_equity_at_the_stop():
    assert only(run(parameters(), inputs([[1.0]]))) == (100.0, NONE)


def test_a_strategy_sizes_on_its_own_share_of_equity():
    result = run(parameters([0.6, 0.4]), inputs([[1.0], [1.0]]))
    assert result.targets.tolist() == [[60.0], [40.0]]


def test_a_weight_below_one_scales_the_entry_and_one_above_does_not():
    assert only(run(parameters(), inputs([[0.5]]))) == (50.0, NONE)
    assert only(run(parameters(), inputs([[7.0]]))) == (100.0, NONE)


def test_a_short_is_the_mirror_image():
    assert only(run(parameters(allow_short=True), inputs([[-1.0]]))) == (-100.0, NONE)


def test_quantities_are_rounded_down_to_whole_shares():
    assert only(run(parameters(), inputs([[1.0]], atr=3.0))) == (166.0, NONE)  # 1000 / 6 = 166.7


def test_an_entry_is_at_most_the_strategys_own_capital():
    # ATR 0.1: 500 / 0.2 = 2500 shares = 250,000; the capital buys 500.
    assert only(run(parameters([0.5]), inputs([[1.0]], atr=0.1))) == (500.0, Reason.STRATEGY_CAPITAL)


def test_an_entry_of_less_than_one_share_is_refused():
    assert only(run(parameters(), inputs([[1.0]], atr=600.0))) == (0.0, Reason.ZERO_QUANTITY)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"close": NAN}, Reason.NO_PRICE),
        ({"close": 0.0}, Reason.NO_PRICE),
        ({"close": math.inf}, Reason.NO_PRICE),
        ({"atr": NAN}, Reason.NO_ATR),
        ({"atr": 0.0}, Reason.NO_ATR),
        ({"account_row": account(nlv=NAN)}, Reason.NO_NLV),
        ({"account_row": account(peak_nlv=NAN)}, Reason.NO_NLV),
        ({"account_row": account(peak_nlv=0.0)}, Reason.NO_NLV),
    ],
)
def test_what_an_entry_needs_to_know_it_needs_to_know(changes, reason):
    assert only(run(parameters(), inputs([[1.0]], **changes))) == (0.0, reason)


def test_a_short_needs_permission_and_a_margin_account():
    assert only(run(parameters(), inputs([[-1.0]]))) == (0.0, Reason.SHORT_NOT_ALLOWED)
    cash = parameters(allow_short=True, account_type="cash")
    assert only(run(cash, inputs([[-1.0]]))) == (0.0, Reason.SHORT_NOT_ALLOWED)


# --- holding and leaving ---


@pytest.mark.parametrize("atr", [1.0, 5.0, 50.0, NAN])
@pytest.mark.parametrize("signal", [1.0, 0.2, NAN])
def test_a_position_is_held_unchanged_while_its_signal_stands_or_is_unknown(atr, signal):
    assert only(run(parameters(), inputs([[signal]], [[37.0]], atr=atr))) == (37.0, NONE)


@pytest.mark.parametrize("position", [37.0, -37.0])
@pytest.mark.parametrize(
    "changes",
    [
        {"close": NAN},
        {"atr": NAN},
        {"volume": 0.0},
        {"account_row": account(nlv=NAN)},
        {"account_row": account(nlv=1.0)},
        {"account_row": account(fills_this_month=10**9)},
        {"account_row": account(settled_cash=-1e9)},
    ],
)
def test_an_exit_is_allowed_whatever_else_is_wrong(position, changes):
    limits = parameters(account_type="cash", monthly_fill_budget=1)
    assert only(run(limits, inputs([[0.0]], [[position]], **changes)))[0] == 0.0


def test_a_flip_goes_through_flat_and_enters_on_the_next_bar():
    limits = parameters(allow_short=True)
    first = run(limits, inputs([[-1.0]], [[37.0]]))
    assert only(first) == (0.0, Reason.FLIP_VIA_FLAT)
    assert only(run(limits, inputs([[-1.0]], [[0.0]]), first.state)) == (-100.0, NONE)


def test_an_opposite_signal_is_a_plain_exit_where_shorts_are_not_allowed():
    assert only(run(parameters(), inputs([[-1.0]], [[37.0]]))) == (0.0, NONE)


def test_a_position_whose_stop_was_hit_is_not_entered_again_until_the_signal_has_changed():
    limits = parameters()
    held = run(limits, inputs([[1.0]], [[100.0]]))
    stopped = run(limits, inputs([[1.0]], [[0.0]]), held.state)
    assert only(stopped) == (0.0, Reason.STOPPED_OUT)
    still = run(limits, inputs([[NAN]], [[0.0]]), stopped.state)  # unknown is no change
    assert only(run(limits, inputs([[1.0]], [[0.0]]), still.state)) == (0.0, Reason.STOPPED_OUT)
    ended = run(limits, inputs([[0.0]], [[0.0]]), still.state)
    assert only(run(limits, inputs([[1.0]], [[0.0]]), ended.state)) == (100.0, NONE)


def test_an_entry_that_never_filled_is_asked_for_again():
    limits = parameters()
    first = run(limits, inputs([[1.0]]))
    assert only(run(limits, inputs([[1.0]]), first.state)) == (100.0, NONE)


# --- throttle and volatility ---


@pytest.mark.parametrize(
    ("nlv", "target", "reason"),
    [
        (96_000.0, 96.0, NONE),
        (95_000.0, 47.0, Reason.DRAWDOWN_THROTTLE),  # 95 * 0.5
        (90_000.0, 22.0, Reason.DRAWDOWN_THROTTLE),  # 90 * 0.25
        (85_000.0, 0.0, Reason.DRAWDOWN_THROTTLE),
    ],
)
def test_the_drawdown_throttle_is_a_staircase(nlv, target, reason):
    assert only(run(parameters(), inputs([[1.0]], account_row=account(nlv=nlv)))) == (target, reason)


def test_a_throttle_of_zero_closes_what_is_held_even_without_a_price():
    row = account(nlv=85_000.0)
    assert only(run(parameters(), inputs([[1.0]], [[10.0]], close=NAN, account_row=row))) == (
        0.0,
        Reason.DRAWDOWN_THROTTLE,
    )


def test_the_throttle_tightens_the_caps_of_what_is_held():
    # Throttle 0.5: a quarter of 95,000 becomes 11,875. 200 shares are 20,000: cut to 0.95 * 118.75 = 112.8.
    limits = parameters(max_symbol_exposure=0.25)
    row = account(nlv=95_000.0)
    assert only(run(limits, inputs([[1.0]], [[200.0]], account_row=row))) == (112.0, Reason.DRAWDOWN_THROTTLE)


@pytest.mark.parametrize(
    ("scale", "target", "reason"), [(0.5, 50.0, Reason.VOLATILITY_TARGET), (1.3, 130.0, NONE)]
)
def test_the_volatility_scale_of_the_session_sizes_entries(scale, target, reason):
    state = new_decision_state(1, 1, 5)
    state = state._replace(volatility=state.volatility._replace(last_scale=scale))
    assert only(run(parameters(), inputs([[1.0]]), state)) == (target, reason)


def test_the_volatility_scale_never_exceeds_the_maximum_leverage():
    state = new_decision_state(1, 1, 5)
    state = state._replace(volatility=state.volatility._replace(last_scale=1.5))
    assert only(run(parameters(max_leverage=1.2), inputs([[1.0]]), state))[0] == 120.0


# --- caps ---


def test_the_symbol_cap_cuts_an_entry():
    # The cap is 5,000; entries fill it to 95%.
    first = run(parameters(max_symbol_exposure=0.05), inputs([[1.0]]))
    assert only(first) == (47.0, Reason.SYMBOL_CAP)
    # So a rise of the price by 5% doesn't cut at once what has just been bought.
    higher = inputs([[1.0]], [[47.0]], close=[105.0])
    assert only(run(parameters(max_symbol_exposure=0.05), higher, first.state)) == (47.0, NONE)


def test_the_symbol_cap_is_shared_by_strategies_and_by_what_is_held():
    # Cap 8,000, filled to 7,600; 20 shares held, so 5,600 are left for 50 + 50 wanted shares: 56%.
    limits = parameters([0.5, 0.5, 0.0], max_symbol_exposure=0.08)
    result = run(limits, inputs([[1.0], [1.0], [1.0]], [[0.0], [0.0], [20.0]]))
    assert result.targets.tolist() == [[28.0], [28.0], [20.0]]
    assert reasons(result) == [[Reason.SYMBOL_CAP], [Reason.SYMBOL_CAP], [NONE]]


def test_the_gross_cap_cuts_all_entries_by_the_same_fraction():
    # 30,000 wanted, 95% of 15,000 allowed.
    result = run(parameters(max_gross_exposure=0.15), inputs([[1.0, 1.0, 1.0]]))
    assert result.targets.tolist() == [[47.0, 47.0, 47.0]]
    assert reasons(result) == [[Reason.GROSS_CAP] * 3]


def test_room_that_an_exit_will_free_is_not_given_away_before_it_is_free():
    limits = parameters(max_gross_exposure=0.1)
    result = run(limits, inputs([[0.0, 1.0]], [[100.0, 0.0]]))
    assert result.targets.tolist() == [[0.0, 0.0]]
    assert reasons(result) == [[NONE, Reason.GROSS_CAP]]


def test_longs_and_shorts_both_count_towards_gross():
    limits = parameters(max_gross_exposure=0.15, allow_short=True)
    result = run(limits, inputs([[-1.0, 1.0]], [[-100.0, 0.0]]))
    assert result.targets.tolist() == [[-100.0, 42.0]]


def test_a_held_position_that_grew_above_its_cap_is_cut_below_it_once():
    # 300 at 100 are 30,000; the cap is 25,000; 0.95 * 250 = 237.
    limits = parameters(max_symbol_exposure=0.25)
    first = run(limits, inputs([[1.0]], [[300.0]]))
    assert only(first) == (237.0, Reason.SYMBOL_CAP)
    assert only(run(limits, inputs([[1.0]], [[237.0]]), first.state)) == (237.0, NONE)


def test_a_book_above_the_gross_cap_is_cut_in_proportion():
    # 40,000 held, 30,000 allowed: 0.75 * 0.95 of each.
    result = run(parameters(max_gross_exposure=0.3), inputs([[1.0, 1.0]], [[100.0, 300.0]]))
    assert result.targets.tolist() == [[71.0, 213.0]]
    assert reasons(result) == [[Reason.GROSS_CAP] * 2]


def test_a_held_position_without_a_price_leaves_no_room_for_entries():
    result = run(parameters(), inputs([[1.0, 1.0]], [[10.0, 0.0]], close=[NAN, 100.0]))
    assert result.targets.tolist() == [[10.0, 0.0]]
    assert reasons(result) == [[NONE, Reason.GROSS_CAP]]


def test_participation_caps_an_entry_by_the_bars_average_volume():
    limits = parameters(max_participation=0.02)
    assert only(run(limits, inputs([[1.0]], volume=2_000.0))) == (40.0, Reason.PARTICIPATION_CAP)
    assert only(run(limits, inputs([[1.0]], volume=NAN))) == (0.0, Reason.PARTICIPATION_CAP)


def test_positions_are_counted_by_symbol_in_the_order_of_the_symbols():
    result = run(parameters(max_positions=2), inputs([[1.0, 1.0, 1.0]], [[0.0, 0.0, 5.0]]))
    assert result.targets.tolist() == [[100.0, 0.0, 5.0]]
    assert reasons(result) == [[NONE, Reason.POSITIONS_CAP, NONE]]


def test_a_second_strategy_in_a_held_symbol_takes_no_further_place():
    result = run(parameters([0.5, 0.5], max_positions=1), inputs([[1.0], [1.0]], [[5.0], [0.0]]))
    assert result.targets.tolist() == [[5.0], [50.0]]


def test_entries_stop_when_the_monthly_fill_budget_is_spent():
    limits = parameters(monthly_fill_budget=10)
    given = inputs([[1.0, 1.0, 0.0]], [[0.0, 0.0, 9.0]], account_row=account(fills_this_month=9))
    result = run(limits, given)
    assert result.targets.tolist() == [[100.0, 0.0, 0.0]]
    assert reasons(result) == [[NONE, Reason.FILL_BUDGET, NONE]]


def test_a_cash_account_spends_settled_cash_only_and_keeps_a_reserve():
    # 10,000 settled less 1% buys 99 of the 200 shares wanted: 49 each.
    limits = parameters(account_type="cash")
    result = run(limits, inputs([[1.0, 1.0]], account_row=account(settled_cash=10_000.0)))
    assert result.targets.tolist() == [[49.0, 49.0]]
    assert reasons(result) == [[Reason.SETTLED_CASH] * 2]
    assert only(run(limits, inputs([[1.0]], account_row=account(settled_cash=NAN)))) == (
        0.0,
        Reason.SETTLED_CASH,
    )


def test_a_margin_account_does_not_ask_for_settled_cash():
    assert only(run(parameters(), inputs([[1.0]], account_row=account(settled_cash=0.0)))) == (100.0, NONE)


def test_the_most_restrictive_cap_wins_and_gives_its_reason():
    limits = parameters(max_symbol_exposure=0.05, max_gross_exposure=0.04, max_participation=0.02)
    assert only(run(limits, inputs([[1.0]], volume=1_500.0))) == (30.0, Reason.PARTICIPATION_CAP)
    assert only(run(limits, inputs([[1.0]], volume=1e6))) == (38.0, Reason.GROSS_CAP)


# --- state ---


def test_decide_leaves_the_state_it_was_given_alone():
    state = new_decision_state(1, 1, 5)
    run(parameters(), inputs([[1.0]], [[10.0]]), state)
    assert state.directions.tolist() == [[0]]


def test_observing_signals_clears_what_has_changed():
    directions = np.array([[1, 1, 1, -1, 0]], dtype=np.int64)
    signals = np.array([[1.0, 0.0, NAN, 1.0, 1.0]])
    positions = np.array([[0.0, 0.0, 0.0, 0.0, -5.0]])
    observe_signals(directions, signals, positions)
    assert directions.tolist() == [[1, 0, 1, 0, 0]]


def test_zero_targets_carry_no_sign():
    limits = parameters(allow_short=True)
    result = run(limits, inputs([[-1.0]], account_row=account(nlv=85_000.0)))
    assert math.copysign(1.0, float(result.targets[0, 0])) == 1.0


def test_a_signal_that_ended_while_the_position_was_held_is_a_new_one_when_it_comes_back():
    entered = run(parameters(), inputs([[1.0]]))
    ended = run(parameters(), inputs([[0.0]], [[100.0]]), entered.state)
    assert only(ended) == (0.0, NONE)
    back = run(parameters(), inputs([[1.0]]), ended.state)
    assert back.targets[0, 0] > 0


# --- restrictions ---


def test_a_restricted_strategy_enters_nothing_holds_what_it_has_and_exits():
    restricted = parameters()._replace(permitted_risk=np.zeros(1))
    assert only(run(restricted, inputs([[1.0]]))) == (0.0, Reason.RESTRICTED)
    assert only(run(restricted, inputs([[1.0]], positions=[[100.0]]))) == (100.0, NONE)
    assert only(run(restricted, inputs([[0.0]], positions=[[100.0]]))) == (0.0, NONE)


def test_half_risk_is_half_of_what_the_limits_would_have_left():
    half = np.array([0.5])
    assert only(run(parameters()._replace(permitted_risk=half), inputs([[1.0]]))) == (50.0, Reason.RESTRICTED)
    # ATR 0.1: the symbol's cap is what counts, and it is the cap's position that is halved.
    loose = parameters(max_symbol_exposure=0.25)
    assert only(run(loose, inputs([[1.0]], atr=0.1))) == (237.0, Reason.SYMBOL_CAP)
    assert only(run(loose._replace(permitted_risk=half), inputs([[1.0]], atr=0.1)))[0] == 118.0
