"""Monte Carlo around a run: resampled bars, other parameters, other costs, round trips, and the summary."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from backtester.batch import Window
from backtester.market import align
from backtester.run import run_backtest
from backtester.validation import monte_carlo as mc
from backtester.validation.bootstrap import CIRCULAR, Draw, simulate_paths
from backtester.validation.resampling import Resampler, last_closes
from core.config_schema import Settings
from data.corporate_actions import ActionKind, CorporateAction
from data.packaged import load_packaged, packaged_calendar
from strategy.registry import create
from tests.backtester.cases import make_market, quiet_bars, walk, with_splits

pytestmark = pytest.mark.timeout(
    600
)  # in a fresh checkout this file comes first and compiles the backtester's kernels
SETTINGS = Settings()
STRATEGY = create("momentum", {"fast_window": 5, "slow_window": 30})


@pytest.fixture(scope="module")
def market():
    return align(load_packaged(("AAPL", "IBM")), packaged_calendar(), settlement_days=1).head(600)


@pytest.fixture(scope="module")
def base(market):
    return run_backtest(SETTINGS, market, [STRATEGY], [1.0], first_bar=40)


def steps_of(bars: np.ndarray) -> np.ndarray:
    """Open, high, low and close over the close before."""
    return np.asarray(bars[1:, :, :4] / bars[:-1, :, 3:4])


def test_resampled_bars_are_the_markets_own_steps_in_the_same_order_for_all_symbols(market):
    made = Resampler(market, 40, Draw(block=10, seed=2)).market(3)
    assert np.array_equal(made.bars[:40], market.bars[:40])
    assert made.sha256 != market.sha256
    own, other = steps_of(market.bars)[39:], steps_of(made.bars)[39:]
    # Which session each row was is told by its two volumes.
    sessions = {tuple(pair): place for place, pair in enumerate(market.bars[40:, :, 4].tolist())}
    rows = np.array([sessions[tuple(pair)] for pair in made.bars[40:, :, 4].tolist()])
    assert len(np.unique(rows)) > 100
    assert other == pytest.approx(own[rows], abs=2e-4)
    blocks = (np.diff(rows) == 1).mean()
    assert 0.8 < blocks < 0.97  # 1 - 1 / 10 of the sessions go on with the next one


def test_correlation_between_symbols_survives_and_each_path_differs(market):
    resampler = Resampler(market, 40, Draw(block=5, seed=1))

    def correlation(bars: np.ndarray) -> float:
        return float(np.corrcoef(np.diff(np.log(bars[40:, :, 3]), axis=0).T)[0, 1])

    own = correlation(market.bars)
    others = [correlation(resampler.market(path).bars) for path in range(20)]
    assert np.mean(others) == pytest.approx(own, abs=0.05)
    assert len({float(resampler.market(path).bars[-1, 0, 3]) for path in range(20)}) == 20
    assert np.array_equal(resampler.market(7).bars, resampler.market(7).bars)


def test_sessions_are_replaced_by_sessions_of_as_many_bars_and_holes_stay_holes():
    full = walk(1, 390, decimals=2, holes=0.0, gaps=0.1, volume=10**12)
    holey = walk(2, 390, decimals=2, holes=0.05, gaps=0.1, volume=10**12)
    base = make_market({"A": full, "B": holey}, size_s=1800)
    made = Resampler(base, 13, Draw(kind=CIRCULAR, block=3, seed=1)).market(0)
    rows = {value: place for place, value in enumerate(full[:, 4].tolist()) if value}
    for row, value in enumerate(made.bars[:, 0, 4].tolist()):
        if value:
            assert rows[value] % 13 == row % 13
            assert np.isnan(made.bars[row, 1]).all() == np.isnan(base.bars[rows[value], 1]).all()
    with pytest.raises(ValueError, match="before the first one"):
        Resampler(base, 0, Draw())


def test_the_strategy_runs_again_on_every_resampled_market(market):
    resampler = Resampler(market, 40, Draw(block=10, seed=2))
    done: list[int] = []
    window = Window(first=40, end=600)
    outcomes, returns = mc.run_prices(SETTINGS, resampler, 4, [STRATEGY], [1.0], window, done.append)
    assert sum(done) == 4
    assert outcomes.fills is not None
    for path in range(4):
        alone = run_backtest(SETTINGS, resampler.market(path), [STRATEGY], [1.0], first_bar=40)
        assert outcomes.total_return[path] == pytest.approx(alone.total_return, abs=1e-12)
        assert outcomes.max_drawdown[path] == alone.max_drawdown
        assert outcomes.fills[path] == len(alone.fill_table)
    assert returns.shape == (4, 560)


def test_parameters_move_within_their_reach_and_their_bounds():
    drawn = mc.jittered_parameters(STRATEGY, 200, 0.2, seed=1)
    fast = np.array([one.parameters.fast_window for one in drawn])
    slow = np.array([one.parameters.slow_window for one in drawn])
    assert (fast.min(), fast.max()) == (4, 6)  # a whole number moves by at least one
    assert 24 <= slow.min() < 28
    assert 32 < slow.max() <= 36
    assert [one.parameters for one in mc.jittered_parameters(STRATEGY, 5, 0.2, seed=1)] == [
        one.parameters for one in drawn[:5]
    ]


def test_costs_move_and_more_of_them_leaves_less(market):
    drawn = mc.jittered_costs(SETTINGS, 50, 0.5, seed=1)
    spreads = np.array([one.backtest.half_spread_bps for one in drawn]) / SETTINGS.backtest.half_spread_bps
    assert 0.5 <= spreads.min() < 0.6
    assert 1.4 < spreads.max() <= 1.5
    dear = SETTINGS.model_copy(
        update={"backtest": SETTINGS.backtest.model_copy(update={"half_spread_bps": 50.0})}
    )
    outcomes, _returns = mc.run_costs(
        [SETTINGS, dear], market, [STRATEGY], [1.0], Window(first=40, end=600), lambda _n: None
    )
    assert outcomes.total_return[1] < outcomes.total_return[0]


def test_round_trips_earn_what_their_fills_earned(base, market):
    trips = mc.round_trip_returns(base, market)
    closed = sum(profit_of(base, symbol) for symbol in base.symbols)
    # Each is a fraction of the equity of its time, which stays near the opening cash here.
    assert len(trips) > 5
    assert float(trips.sum()) * float(base.opening_cash) == pytest.approx(closed, rel=0.1)


def test_round_trips_through_splits_are_those_of_adjusted_prices():
    free = SETTINGS.model_copy(
        update={"backtest": SETTINGS.backtest.model_copy(update={"commission": "none"})}
    )
    smooth = make_market(
        {
            name: walk(seed, 300, decimals=2, holes=0.0, gaps=0.15, volume=10**9)
            for seed, name in ((7, "A"), (8, "B"))
        }
    )
    expecting = run_backtest(free, smooth, [STRATEGY], [1.0])
    raw = with_splits(smooth, dict(zip(quiet_bars(expecting), cycle([2.0, 1.5, 1 / 3]), strict=False)))
    trips = mc.round_trip_returns(run_backtest(free, raw, [STRATEGY], [1.0]), raw)
    expected = mc.round_trip_returns(expecting, smooth)
    assert len(expected) > 5
    assert trips == pytest.approx(expected, abs=2e-4)


def profit_of(result, symbol: str) -> float:
    """Cash flow of one symbol's fills up to the last time that nothing was held."""
    held, cash, closed = 0, 0.0, 0.0
    for fill in result.fills():
        if fill.symbol == symbol:
            signed = fill.side.sign * fill.quantity
            held += signed
            cash -= signed * float(fill.price) + float(fill.commission)
            closed = cash if held == 0 else closed
    return closed


def test_the_summary_holds_percentiles_risk_and_ruin():
    outcomes = mc.Outcomes(
        total_return=np.linspace(-0.6, 0.39, 100),
        cagr=np.linspace(-0.6, 0.39, 100),
        max_drawdown=np.full(100, 0.25),
        under_water=np.full(100, 10.0),
        lowest=np.minimum(np.linspace(0.4, 1.39, 100), 1.0),
    )
    found = mc.summarise_outcomes(outcomes, ruin=0.5)
    assert found["probability_of_loss"] == 0.6
    assert found["probability_of_ruin"] == pytest.approx(0.11)
    assert found["value_at_risk_95"] == pytest.approx(np.quantile(-outcomes.total_return, 0.95))
    assert found["conditional_value_at_risk_95"] == pytest.approx(np.mean([0.6, 0.59, 0.58, 0.57, 0.56]))
    assert mc.percentiles(outcomes.total_return)["p50"] == pytest.approx(-0.105)
    assert found["total_return"] == mc.percentiles(outcomes.total_return)
    assert "sharpe" not in found


def test_growth_a_year_is_told_for_the_horizon_of_the_paths():
    paths = simulate_paths(np.full(50, 0.001), Draw(horizon=504, paths=3))
    outcomes = mc.Outcomes.of_paths(paths, 504)
    assert outcomes.cagr == pytest.approx(np.full(3, 1.001**252 - 1.0))


def test_splits_are_no_steps_of_resampled_prices():
    smooth = walk(5, 120, decimals=2, holes=0.0, gaps=0.0, volume=1_000_000)
    raw = smooth.copy()
    raw[:60, :4] *= 2.0
    base = make_market({"A": raw})
    split = CorporateAction(symbol="A", day=base.sessions[60].date, kind=ActionKind.SPLIT, value=2.0)
    draw = Draw(block=10, seed=2)
    made = Resampler(replace(base, actions=(split,)), 40, draw).market(0)
    assert not made.actions
    np.testing.assert_allclose(
        made.bars[:, :, :4], Resampler(make_market({"A": smooth}), 40, draw).market(0).bars[:, :, :4]
    )


def test_the_last_close_of_a_session_is_that_of_its_last_bar():
    rows = walk(3, 39, decimals=2, holes=0.0, gaps=0.0, volume=10**6)
    rows[12] = np.nan
    hole = walk(4, 39, decimals=2, holes=0.0, gaps=0.0, volume=10**6)
    hole[13:26] = np.nan
    closes = last_closes(make_market({"A": rows, "B": hole}, size_s=1800), 5)
    assert closes[:, 0].tolist() == [rows[11, 3], rows[25, 3], rows[38, 3]]
    np.testing.assert_array_equal(closes[:, 1], [hole[12, 3], np.nan, hole[38, 3]])
