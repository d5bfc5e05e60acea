"""Choosing: the best of those that traded, or the one whose neighbours do well too."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.batch import FIGURES, Scores
from backtester.validation.selection import NO_CHOICE, choose, make_grid, merit, neighbours, smoothed
from core.errors import ConfigError
from strategy.momentum import MOMENTUM


def scores(**columns: list[float]) -> Scores:
    """Scores of candidates in one window and one account."""
    count = len(next(iter(columns.values())))
    table = {name: np.full((count, 1, 1), 1.0) for name in FIGURES}
    table |= {name: np.array(values).reshape(count, 1, 1) for name, values in columns.items()}
    return Scores(session_returns=(), **table)


def test_the_grid_holds_the_combinations_that_fit_together_and_keeps_what_is_fixed():
    grid = make_grid(MOMENTUM, {"fast_window": (10, 30), "slow_window": (20, 40)})
    assert [one.parameters for one in grid.strategies] == [(10, 20), (10, 40), (30, 40)]
    assert grid.points.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert grid.warmup_bars == 40
    fixed = make_grid(MOMENTUM, {"fast_window": (5, 7)}, {"slow_window": 50})
    assert [one.parameters for one in fixed.strategies] == [(5, 50), (7, 50)]
    assert len(make_grid(MOMENTUM, {}, {"fast_window": 5})) == 1


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"fast_window": (1,)}, "fast_window: 1 is out of range"),
        ({"quick": (1,)}, "quick: unknown parameter"),
        ({"fast_window": (50,), "slow_window": (20,)}, "no combination"),
    ],
)
def test_values_that_cannot_be_are_refused(space, words):
    with pytest.raises(ConfigError, match=words):
        make_grid(MOMENTUM, space)


def test_neighbours_are_one_step_away_in_one_parameter():
    points = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2]])
    assert [one.tolist() for one in neighbours(points)] == [
        [0, 1, 2],
        [0, 1, 3, 4],
        [0, 2, 3],
        [1, 2, 3],
        [1, 4],
    ]


def test_a_lonely_peak_loses_against_a_plateau():
    points = np.arange(8).reshape(-1, 1)
    values = np.array([0.0, 0.0, 3.0, 0.0, 1.0, 1.2, 1.1, 0.9]).reshape(-1, 1, 1)
    assert choose(values, None).item() == 2
    assert choose(values, neighbours(points)).item() == 5


def test_a_candidate_without_fills_is_never_chosen():
    table = scores(sharpe=[2.0, 1.0, np.nan], fills=[0.0, 5.0, 5.0])
    assert choose(merit(table, "sharpe"), None).item() == 1
    nothing = scores(sharpe=[2.0, np.nan], fills=[0.0, 3.0])
    assert choose(merit(nothing, "sharpe"), None).item() == NO_CHOICE
    assert np.isnan(smoothed(merit(nothing, "sharpe"), neighbours(np.array([[0], [1]])))).all()


def test_small_drawdowns_and_small_volatility_are_better():
    table = scores(max_drawdown=[0.3, 0.1], volatility_annual=[0.2, 0.4], cagr=[0.3, 0.2])
    assert choose(merit(table, "max_drawdown"), None).item() == 1
    assert choose(merit(table, "volatility_annual"), None).item() == 0
    assert merit(table, "calmar").ravel().tolist() == pytest.approx([1.0, 2.0])
    with pytest.raises(ValueError, match="unknown metric"):
        merit(table, "luck")


def test_a_growth_without_any_drawdown_has_no_ratio():
    assert np.isnan(merit(scores(cagr=[0.1], max_drawdown=[0.0]), "calmar")).all()
