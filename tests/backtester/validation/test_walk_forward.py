"""Walk-forward: the choice knows its training only, and the curve is that of one account that trades on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester.batch import score
from backtester.book import FillColumn
from backtester.market import align
from backtester.run import run_backtest
from backtester.validation.nested import Rule, all_rules
from backtester.validation.overfitting import assess
from backtester.validation.selection import NO_CHOICE, make_grid
from backtester.validation.walk_forward import Method, session_returns_in, walk_forward
from backtester.validation.walk_forward_report import fold_frame, summarise, verdict, warnings_of
from backtester.validation.windows import Plan, make_folds
from core.config_schema import Settings
from core.errors import ConfigError
from data.packaged import load_packaged, packaged_calendar
from strategy.momentum import MOMENTUM

SETTINGS = Settings()
GRID = make_grid(MOMENTUM, {"fast_window": (5, 10, 20), "slow_window": (30, 60)})
PLAN = Plan(train=250, test=100)
METHOD = Method(rule=Rule("sharpe"), fold_end="carry")
FIRST = 60


@pytest.fixture(scope="module")
def market():
    return align(load_packaged(("AAPL", "IBM")), packaged_calendar(), settlement_days=1).head(760)


@pytest.fixture(scope="module")
def done(market):
    return walk_forward(SETTINGS, market, GRID, PLAN, METHOD, first_bar=FIRST)


def test_each_choice_is_the_best_of_its_training_window(market, done):
    folds = make_folds(market, PLAN, first_bar=FIRST)
    scores = score(
        SETTINGS, market, [[one] for one in GRID.strategies], [1.0], windows=[fold.train for fold in folds]
    )
    assert [one.candidate for one in done.choices] == scores.sharpe[:, :, 0].argmax(axis=0).tolist()
    assert done.choices[0].in_sample["sharpe"] == scores.sharpe[:, 0, 0].max()


def test_the_first_test_window_is_what_a_run_over_it_finds(market, done):
    fold, choice = done.folds[0], done.choices[0]
    alone = run_backtest(
        SETTINGS,
        market.head(fold.test.end),
        [GRID.strategies[choice.candidate]],
        [1.0],
        first_bar=fold.test.first,
    )
    assert choice.out_of_sample.total_return == pytest.approx(alone.total_return, abs=1e-12)
    assert choice.fills == len(alone.fill_table) > 0


def test_the_curve_compounds_over_the_folds_and_goes_on_with_their_capital(done):
    growth = np.prod([1.0 + one.out_of_sample.total_return for one in done.choices])
    assert done.equity[-1] == pytest.approx(done.opening * growth, rel=1e-12)
    assert len(done.returns) == sum(fold.test_sessions[1] - fold.test_sessions[0] for fold in done.folds)
    assert sum(one.fills for one in done.choices) == len(done.results[0].fill_table)
    joined = np.concatenate([session_returns_in(done.results[0], fold) for fold in done.folds])
    assert np.array_equal(joined, done.returns)


def test_later_prices_change_no_earlier_choice_and_no_earlier_result(market, done):
    fold = done.folds[1]
    bars = market.bars.copy()
    bars[fold.test.end :, :, :4] *= np.linspace(1.0, 3.0, len(bars) - fold.test.end)[:, None, None]
    changed = walk_forward(
        SETTINGS, replace(market, bars=bars, sha256="changed"), GRID, PLAN, METHOD, first_bar=FIRST
    )
    for before, after in zip(done.choices[:2], changed.choices[:2], strict=True):
        assert (before.candidate, before.out_of_sample) == (after.candidate, after.out_of_sample)
    test_only = market.bars.copy()
    test_only[fold.test.first : fold.test.end, :, :4] *= 0.5
    again = walk_forward(
        SETTINGS, replace(market, bars=test_only, sha256="test"), GRID, PLAN, METHOD, first_bar=FIRST
    )
    assert again.choices[1].candidate == done.choices[1].candidate
    assert again.choices[1].out_of_sample != done.choices[1].out_of_sample


def positions_at(result, bar: int) -> np.ndarray:
    held = np.zeros(len(result.symbols))
    for row in result.fill_table:
        if row[FillColumn.BAR] <= bar:
            held[row[FillColumn.SYMBOL]] += row[FillColumn.QUANTITY]
    return held


def test_positions_are_carried_over_or_closed_by_orders_at_the_end_of_a_fold(market, done):
    closed = walk_forward(SETTINGS, market, GRID, PLAN, replace(METHOD, fold_end="close"), first_bar=FIRST)
    ends = [fold.test.end - 1 for fold in done.folds]
    assert any(positions_at(done.results[0], bar).any() for bar in ends)
    assert not any(positions_at(closed.results[0], bar).any() for bar in ends)


def max_drawdown_of(curve: np.ndarray) -> float:
    return float((1.0 - curve / np.maximum.accumulate(curve)).max())


def test_accounts_that_restart_go_on_with_the_capital_and_nothing_else(market):
    throttle = {"drawdown_levels": (0.02,), "drawdown_scales": (0.0,)}
    strict = SETTINGS.model_copy(update={"sizing": SETTINGS.sizing.model_copy(update=throttle)})
    carried = walk_forward(strict, market, GRID, PLAN, METHOD, first_bar=FIRST)
    again = walk_forward(strict, market, GRID, PLAN, replace(METHOD, fold_end="restart"), first_bar=FIRST)
    assert [one.candidate for one in again.choices] == [one.candidate for one in carried.choices]
    # A throttle that stops for good has stopped the one account; the others begin anew.
    assert again.choices[-1].fills > carried.choices[-1].fills == 0
    assert again.dates == carried.dates
    growth = np.prod([1.0 + one.out_of_sample.total_return for one in again.choices])
    assert again.equity[-1] == pytest.approx(again.opening * growth, rel=1e-9)
    result = again.results[0]
    curve = np.concatenate([[float(result.opening_cash)], result.nlv])
    assert result.max_drawdown == pytest.approx(max_drawdown_of(curve))
    assert result.max_drawdown > max_drawdown_of(
        curve[again.folds[-1].test.first - again.folds[0].test.first :]
    )
    assert not any(positions_at(result, fold.test.end - 1).any() for fold in again.folds)
    assert np.array_equal(result.end_ns, carried.results[0].end_ns)
    summary = summarise(carried)
    assert any("drawdown throttle" in note for note in warnings_of(carried, summary, market))


def test_symbols_may_choose_for_themselves(market):
    own = walk_forward(SETTINGS, market, GRID, PLAN, replace(METHOD, per_symbol=True), first_bar=FIRST)
    assert len(own.choices) == 2 * len(own.folds)
    for account in range(2):
        alone = walk_forward(SETTINGS, market.only(account), GRID, PLAN, METHOD, first_bar=FIRST)
        mine = [one for one in own.choices if one.account == account]
        assert [one.candidate for one in mine] == [one.candidate for one in alone.choices]
        assert np.array_equal(own.results[account].nlv_micros, alone.results[0].nlv_micros)
    assert own.opening == 2_000_000
    assert own.equity[-1] == pytest.approx(sum(float(one.final_nlv) for one in own.results))
    assert set(fold_frame(own, market, GRID).columns["account"]) == {"AAPL", "IBM"}


def test_a_nested_choice_takes_its_rule_from_inside_the_training(market):
    nested = walk_forward(SETTINGS, market, GRID, PLAN, replace(METHOD, inner_folds=2), first_bar=FIRST)
    assert {one.rule for one in nested.choices} <= set(all_rules())
    fold = nested.folds[0]
    bars = market.bars.copy()
    bars[fold.test.first :, :, :4] *= np.linspace(1.0, 0.3, len(bars) - fold.test.first)[:, None, None]
    changed = walk_forward(
        SETTINGS,
        replace(market, bars=bars, sha256="changed"),
        GRID,
        PLAN,
        replace(METHOD, inner_folds=2),
        first_bar=FIRST,
    )
    assert changed.choices[0].rule == nested.choices[0].rule
    assert changed.choices[0].candidate == nested.choices[0].candidate
    with pytest.raises(ConfigError, match="too short"):
        walk_forward(
            SETTINGS, market, GRID, Plan(train=20, test=100), replace(METHOD, inner_folds=15), first_bar=FIRST
        )


def test_windows_in_which_nothing_can_be_chosen_stay_flat_and_are_told(market):
    never = SETTINGS.model_copy(update={"caps": SETTINGS.caps.model_copy(update={"max_positions": 0})})
    nothing = walk_forward(never, market, GRID, PLAN, METHOD, first_bar=FIRST)
    assert all(one.candidate == NO_CHOICE and not one.values for one in nothing.choices)
    assert not nothing.returns.any()
    summary = summarise(nothing)
    assert summary.empty == len(nothing.choices)
    assert verdict(nothing, summary, None).startswith("no candidate traded")
    assert any("no candidate traded" in note for note in warnings_of(nothing, summary, market))


def test_the_summary_compares_promise_and_delivery(market, done):
    summary = summarise(done)
    assert summary.in_sample_sharpe == pytest.approx(
        np.mean([one.in_sample["sharpe"] for one in done.choices])
    )
    assert summary.sharpe_efficiency == pytest.approx(done.figures.sharpe / summary.in_sample_sharpe)
    assert 0.0 <= summary.median_rank <= 1.0
    assert any("last test window" in note for note in warnings_of(done, summary, market))
    noise = np.random.default_rng(1).normal(0.0, 0.01, (40, 500))
    assert "can't be told from luck" in verdict(done, summary, assess(noise))
