"""The bootstrap against exact values, against itself in plain Python, and whatever the number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtester.validation.block_length import optimal_block_length
from backtester.validation.bootstrap import (
    CIRCULAR,
    SHUFFLE,
    STATIONARY,
    Draw,
    Paths,
    block_rule,
    draw_indices,
    simulate_paths,
)
from backtester.validation.figures import curve_of, figures_of

RETURNS = np.random.default_rng(1).normal(0.0005, 0.01, 300)
FIELDS = ("final", "lowest", "max_drawdown", "under_water", "levels")


def indices(draw: Draw, count: int, path: int) -> np.ndarray:
    renew, block = block_rule(draw)
    out = np.empty(draw.horizon, dtype=np.int64)
    draw_indices(count, np.uint64(draw.seed), path, renew, block, out)
    return out


@pytest.mark.parametrize("kind", [STATIONARY, CIRCULAR])
def test_each_path_is_the_curve_of_the_returns_that_it_drew(kind):
    draw = Draw(kind=kind, block=7, horizon=250, paths=20, seed=3)
    found = simulate_paths(RETURNS, draw, checkpoints=5)
    assert found.checkpoints.tolist() == [50, 100, 150, 200, 250]
    for path in range(draw.paths):
        curve = curve_of(RETURNS[indices(draw, len(RETURNS), path)])
        figures = figures_of(curve[1:] / curve[:-1] - 1.0)
        assert found.final[path] == pytest.approx(curve[-1], rel=1e-12)
        assert found.max_drawdown[path] == pytest.approx(figures.max_drawdown, abs=1e-12)
        assert found.lowest[path] == pytest.approx(curve.min(), rel=1e-12)
        assert found.levels[path] == pytest.approx(curve[found.checkpoints], rel=1e-12)
        # Sums of logarithms may differ from products in the last digit, where a curve comes back to its peak.
        assert abs(found.under_water[path] - figures.longest_under_water) <= 1


@pytest.mark.parametrize("kind", [STATIONARY, CIRCULAR, SHUFFLE])
def test_the_result_does_not_depend_on_the_number_of_threads(kind):
    draw = Draw(kind=kind, block=5, horizon=100, paths=301, seed=-9)
    one, three = (simulate_paths(RETURNS, draw, checkpoints=4, workers=workers) for workers in (1, 3))
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(three, name))


def test_another_seed_is_another_draw_and_progress_counts_every_path():
    done: list[int] = []
    first = simulate_paths(RETURNS, Draw(paths=50, seed=1), on_done=done.append)
    second = simulate_paths(RETURNS, Draw(paths=50, seed=2))
    assert sum(done) == 50
    assert not np.array_equal(first.final, second.final)


@pytest.mark.parametrize("kind", [STATIONARY, CIRCULAR])
def test_every_return_is_drawn_equally_often(kind):
    draw = Draw(kind=kind, block=8, horizon=1_000, paths=1, seed=5)
    counts = np.zeros(len(RETURNS))
    for path in range(600):
        counts += np.bincount(indices(draw, len(RETURNS), path), minlength=len(RETURNS))
    expected = counts.sum() / len(RETURNS)
    # Blocks make neighbours alike: the variance of a count is about the block length (twice, for geometric ones) as large.
    spread = math.sqrt(expected * (2 * draw.block - 1 if kind == STATIONARY else draw.block))
    assert np.abs(counts - expected).max() < 4.5 * spread


def block_lengths(draw: Draw, count: int) -> np.ndarray:
    found = []
    for path in range(200):
        places = indices(draw, count, path)
        breaks = np.flatnonzero((places[1:] - places[:-1]) % count != 1) + 1
        found.append(np.diff(breaks))  # the first and the last block are cut
    return np.concatenate(found)


def test_stationary_blocks_have_geometric_lengths():
    # So many values that a new block hardly ever happens to go on where the last one ended.
    lengths = block_lengths(Draw(block=10, horizon=2_000), 100_000)
    assert lengths.mean() == pytest.approx(10.0, rel=0.03)
    assert lengths.std() == pytest.approx(math.sqrt(0.9) * 10.0, rel=0.05)
    for length in (1, 2, 5, 20):
        assert (lengths >= length).mean() == pytest.approx(0.9 ** (length - 1), abs=0.01)


def test_circular_blocks_have_one_length():
    assert set(block_lengths(Draw(kind=CIRCULAR, block=10, horizon=2_000), 100_000).tolist()) == {10}


def log_finals(paths: Paths) -> np.ndarray:
    return np.log(paths.final)


def test_mean_and_variance_of_single_draws_are_the_samples_own():
    draw = Draw(block=1.0, horizon=250, paths=40_000, seed=11)
    finals = log_finals(simulate_paths(RETURNS, draw))
    logs = np.log1p(RETURNS)
    exact = draw.horizon * logs.var()
    assert finals.mean() == pytest.approx(draw.horizon * logs.mean(), abs=4 * math.sqrt(exact / draw.paths))
    assert finals.var() == pytest.approx(exact, rel=0.03)


def test_the_variance_of_a_stationary_bootstraps_sum_is_the_papers():
    # Politis and Romano (1994), lemma 1: circular autocovariances with weights (1 - 1 / block) ** lag, here of a finite sum.
    series = np.zeros(400)
    noise = np.random.default_rng(2).normal(0.0, 0.01, 400)
    for place in range(1, 400):
        series[place] = 0.5 * series[place - 1] + noise[place]
    logs = np.log1p(series)
    block, horizon = 20.0, 100
    centred = logs - logs.mean()
    covariance = np.array([(centred * np.roll(centred, -lag)).mean() for lag in range(horizon)])
    lags = np.arange(1, horizon)
    exact = (
        horizon * covariance[0] + 2.0 * ((horizon - lags) * (1 - 1 / block) ** lags * covariance[1:]).sum()
    )
    found = log_finals(simulate_paths(series, Draw(block=block, horizon=horizon, paths=60_000, seed=4)))
    assert found.var() == pytest.approx(exact, rel=0.03)
    alone = log_finals(simulate_paths(series, Draw(block=1.0, horizon=horizon, paths=20_000, seed=4)))
    assert found.var() > 1.5 * alone.var()  # what single draws lose of the memory


def test_intervals_cover_the_true_mean_as_often_as_they_say():
    random = np.random.default_rng(6)
    covered = 0
    for trial in range(300):
        sample = random.normal(0.001, 0.01, 100)
        draw = Draw(block=1.0, horizon=100, paths=1_000, seed=trial)
        low, high = np.quantile(log_finals(simulate_paths(np.expm1(sample), draw, workers=1)), [0.05, 0.95])
        covered += low <= 0.1 <= high
    assert 0.84 < covered / 300 < 0.94  # 0.9 and a little less, as percentile intervals of 100 values have


def test_a_shuffle_takes_every_value_once():
    found = simulate_paths(RETURNS, Draw(kind=SHUFFLE, paths=4_000, seed=8), checkpoints=3)
    assert found.final == pytest.approx(np.full(4_000, curve_of(RETURNS)[-1]), rel=1e-12)
    assert found.max_drawdown.std() > 0.0
    # Each value is as likely in the first third as anywhere.
    third = np.log(found.levels[:, 0])
    assert third.mean() == pytest.approx(
        np.log1p(RETURNS).sum() / 3.0, abs=4 * third.std() / math.sqrt(4_000)
    )


def test_a_loss_of_everything_stays_lost():
    found = simulate_paths(np.array([0.1, -1.0, 0.1]), Draw(horizon=50, paths=20, seed=1), checkpoints=2)
    assert (found.final == 0.0).all()
    assert (found.max_drawdown == 1.0).all()


@pytest.mark.parametrize(
    ("returns", "draw"),
    [
        ([], Draw()),
        ([np.nan, 0.1], Draw()),
        ([-1.5, 0.1], Draw()),
        ([0.1], Draw(kind="other")),
        ([0.1], Draw(paths=0)),
        ([0.1], Draw(block=0.5)),
        ([0.1], Draw(horizon=0)),
    ],
)
def test_draws_that_cannot_be_are_refused(returns, draw):
    with pytest.raises(ValueError, match=r"returns|unknown kind|at least 1"):
        simulate_paths(np.array(returns), draw)


@pytest.mark.parametrize(
    ("seed", "memory", "count", "stationary", "circular"),
    [
        (1, 0.0, 500, 3.1897088592453056, 3.651305160776643),
        (2, 0.3, 1000, 6.392275658459471, 7.317328988565533),
        (3, 0.7, 2520, 23.2221509729625, 26.582726961473888),
        (4, -0.4, 800, 8.318521084514549, 9.522329562423991),
        (5, 0.9, 300, 21.523352269557048, 24.638087890454536),
    ],
)
def test_block_lengths_are_those_of_arch(seed, memory, count, stationary, circular):
    # The figures are what arch 8.0's `optimal_block_length` finds for the same series.
    noise = np.random.default_rng(seed).normal(size=count)
    series = np.zeros(count)
    for place in range(count):
        series[place] = memory * (series[place - 1] if place else 0.0) + noise[place]
    assert optimal_block_length(series) == pytest.approx((stationary, circular), rel=1e-9)


def test_a_series_that_tells_nothing_is_drawn_one_by_one():
    assert optimal_block_length(np.zeros(100)) == (1.0, 1.0)
    assert optimal_block_length(np.array([0.1, 0.2])) == (1.0, 1.0)
