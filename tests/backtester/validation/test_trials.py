"""How much the best of many trials says, on trials whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtester.validation.overfitting import Overfitting, assess, independent_trials
from performance.overfitting import deflated_sharpe_ratio, probability_of_overfitting

NOISE = np.random.default_rng(1).normal(0.0, 0.01, (40, 1_000))


def told(returns: np.ndarray, *, earlier_trials: int = 0) -> Overfitting:
    found = assess(returns, earlier_trials=earlier_trials)
    assert found is not None
    return found


def test_the_best_of_trials_without_skill_is_told_to_be_luck():
    found = told(NOISE)
    assert found.best == int((NOISE.mean(axis=1) / NOISE.std(axis=1)).argmax())
    assert found.best_sharpe == pytest.approx(found.sharpe_by_luck, abs=0.5)
    assert found.probabilistic_sharpe > 0.9 > found.deflated_sharpe
    assert found.overfitting_probability > 0.3
    assert found.independent_trials == pytest.approx(40, abs=1.0)


def test_the_best_of_trials_one_of_which_has_skill_is_not():
    skilled = NOISE.copy()
    skilled[7] += 0.003
    found = told(skilled)
    assert found.best == 7
    assert found.deflated_sharpe > 0.95
    assert found.overfitting_probability < 0.02
    assert found.minimum_track_record_sessions < 1_000


def test_the_figures_are_those_of_the_formulas():
    found = told(NOISE)
    sharpes = NOISE.mean(axis=1) / NOISE.std(axis=1, ddof=1) * math.sqrt(252)
    assert found.deflated_sharpe == pytest.approx(deflated_sharpe_ratio(NOISE[found.best], sharpes))
    assert found.overfitting_probability == probability_of_overfitting(np.ascontiguousarray(NOISE.T))


def test_earlier_trials_deflate_further():
    chances = [told(NOISE, earlier_trials=count).deflated_sharpe for count in (0, 100, 10_000)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > chances[2]


def test_trials_that_move_together_count_as_few():
    common = np.random.default_rng(2).normal(0.0, 0.01, 1_000)
    assert independent_trials(np.tile(common, (50, 1)) * np.linspace(1, 2, 50)[:, None]) == pytest.approx(1.0)
    assert independent_trials(common + NOISE) == pytest.approx(0.5 + 0.5 * 40, rel=0.15)
    assert independent_trials(common[None, :]) == 1.0


def test_trials_that_never_traded_count_as_trials():
    idle = np.vstack([NOISE, np.zeros((60, 1_000))])
    found = told(idle)
    assert found.trials == 100
    assert found.sharpe_by_luck > told(NOISE).sharpe_by_luck


def test_where_nothing_can_be_told_nothing_is():
    assert assess(np.zeros((3, 100))) is None
    assert assess(NOISE[:, :5]) is None
    one = told(NOISE[:1])
    assert one.sharpe_by_luck == 0.0
    assert math.isnan(one.overfitting_probability)
