"""The fast lane finds what single runs find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options

from backtester.batch import FIGURES, Window, score
from backtester.market import align
from backtester.report import annual_measures
from backtester.result import BacktestResult
from backtester.run import run_backtest
from core.config_schema import Settings
from core.errors import ConfigError
from data.packaged import load_packaged, packaged_calendar
from performance.measures import max_drawdown
from strategy.registry import create
from tests.backtester.test_quiet_bars import worlds_with_actions

SYMBOLS = ("AAPL", "IBM")


@pytest.fixture(scope="module")
def market():
    return align(load_packaged(SYMBOLS), packaged_calendar(), settlement_days=1).head(900)


@pytest.fixture(scope="module")
def settings():
    return Settings()


CANDIDATES = [
    [create("momentum", {"fast_window": fast, "slow_window": slow})] for fast, slow in ((5, 20), (10, 60))
]
WINDOWS = [Window(first=0, end=500), Window(first=400, end=900)]


def deepest(result: BacktestResult) -> float:
    """Largest drawdown by the curve of all bars."""
    curve = np.concatenate([[float(result.opening_cash)], result.nlv])
    return max_drawdown(curve) if (curve > 0).all() else 1.0


def test_each_score_is_that_of_a_single_run(market, settings):
    scores = score(settings, market, CANDIDATES, [1.0], windows=WINDOWS, session_returns=True)
    for number, strategies in enumerate(CANDIDATES):
        for place, window in enumerate(WINDOWS):
            cut = market.head(window.end)
            result = run_backtest(settings, cut, strategies, [1.0], first_bar=window.first)
            cell = (number, place, 0)
            assert result.fill_table.size > 0
            assert scores.total_return[cell] == result.total_return
            assert scores.max_drawdown[cell] == result.max_drawdown == deepest(result)
            assert scores.fills[cell] == len(result.fills())
            assert scores.commission[cell] == pytest.approx(float(result.commission), abs=1e-9)
            for name, value in annual_measures(result).items():
                assert getattr(scores, name)[cell] == pytest.approx(value, rel=1e-12)
            closes = np.concatenate([[float(result.opening_cash)], result.session_closes()])
            assert np.allclose(
                scores.session_returns[place][number, 0], closes[1:] / closes[:-1] - 1, atol=1e-15
            )


def test_each_symbol_may_have_an_account_of_its_own(market, settings):
    scores = score(settings, market, CANDIDATES, [1.0], windows=WINDOWS, per_symbol=True)
    for column in range(len(SYMBOLS)):
        alone = score(settings, market.only(column), CANDIDATES, [1.0], windows=WINDOWS)
        for name in FIGURES:
            assert np.array_equal(getattr(scores, name)[..., column], getattr(alone, name)[..., 0])


def test_progress_counts_every_candidate_and_workers_change_nothing(market, settings):
    done: list[int] = []
    one = score(settings, market, CANDIDATES, [1.0], windows=WINDOWS, workers=1, on_done=done.append)
    two = score(settings, market, CANDIDATES, [1.0], windows=WINDOWS, workers=2)
    assert sum(done) == len(CANDIDATES)
    for name in FIGURES:
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)


def test_windows_beyond_the_bars_and_candidates_of_another_size_are_refused(market, settings):
    with pytest.raises(ConfigError, match="bar 901"):
        score(settings, market, CANDIDATES, [1.0], windows=[Window(first=0, end=901)])
    pair = [*CANDIDATES[0], create("buy_and_hold", {})]
    for candidates in ([pair, CANDIDATES[0]], [CANDIDATES[0], pair]):
        with pytest.raises(ConfigError):
            score(settings, market, candidates, [0.5, 0.5], windows=WINDOWS)


@options(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds_with_actions())
def test_scores_are_those_of_single_runs_in_any_world(world):
    settings, market, strategies, weights, first = world
    bars = len(market.end_ns)
    windows = [Window(first=first, end=bars), Window(first=bars // 3, end=bars - 1)]
    together = score(settings, market, [strategies] * 2, weights, windows=windows)
    apart = score(settings, market, [strategies], weights, windows=windows, per_symbol=True)
    for place, window in enumerate(windows):
        cut = market.head(window.end)
        for scores, account, traded in [
            (together, 0, cut),
            *((apart, column, cut.only(column)) for column in range(len(market.symbols))),
        ]:
            result = run_backtest(settings, traded, strategies, weights, first_bar=window.first)
            for candidate in range(len(scores.fills)):
                cell = (candidate, place, account)
                assert scores.total_return[cell] == result.total_return
                assert scores.max_drawdown[cell] == result.max_drawdown == deepest(result)
                assert scores.fills[cell] == len(result.fill_table)
                assert scores.commission[cell] == pytest.approx(float(result.commission), abs=1e-9)
