"""The research bench on its parts: prices, kernels and the table. The works themselves are timed by ``make bench``."""

from __future__ import annotations

import numpy as np

from tests.bench.research import kernels
from tests.bench.research.bench_research import WORKS, ResearchRow, table
from tests.bench.research.prices import random_bars


def test_the_made_up_prices_are_bars_and_always_the_same():
    bars = random_bars(500, 3, volatility_annual=0.2, bars_per_year=252, seed=5)
    begin, high, low, close, volume = np.moveaxis(bars, 2, 0)
    assert (high >= np.maximum(begin, close)).all()
    assert (low <= np.minimum(begin, close)).all()
    assert (low > 0).all()
    assert (volume >= 1).all()
    assert np.array_equal(bars, random_bars(500, 3, volatility_annual=0.2, bars_per_year=252, seed=5))


def test_the_bare_grid_is_what_numpy_finds():
    bars = random_bars(400, 2, volatility_annual=0.3, bars_per_year=252, seed=6)
    found = kernels.grid(bars, range(5, 7), range(20, 22))
    close = bars[:, :, 3]
    totals = []
    for fast in (5, 6):
        for slow in (20, 21):
            for symbol in range(2):
                series = close[:, symbol]
                quick = np.array([series[max(0, n - fast + 1) : n + 1].mean() for n in range(len(series))])
                calm = np.array([series[max(0, n - slow + 1) : n + 1].mean() for n in range(len(series))])
                above = (quick > calm) & (np.arange(len(series)) >= slow - 1)
                gains = np.zeros(len(series))
                gains[1:] = above[:-1] * (series[1:] / series[:-1] - 1)
                gains -= np.abs(np.diff(above.astype(float), prepend=0.0)) * kernels.FEE
                totals.append(np.prod(1 + gains) - 1)
    assert np.isclose(found["total_return"], np.mean(totals), rtol=1e-9)


def test_the_bare_paths_have_the_histories_mean_growth():
    history = np.random.default_rng(7).normal(0.0005, 0.01, 500)
    found = kernels.monte_carlo(history)
    expected = (
        np.exp(np.log1p(history).mean() * 500) ** 0.1 - 1
    )  # the median path, by its own clock of ten years
    assert np.isclose(found["cagr_median"], expected, atol=0.005)
    assert found["cvar_95"] >= found["var_95"]


def test_a_target_is_met_by_the_ratio_that_was_asked():
    slow = ResearchRow(
        work="grid_daily", system="vectorbt", seconds_median=50.0, runs=1, peak_rss_mb=1.0, cold_s=1.0,
        slower_than_us=19.9, at_least=20.0,
    )  # fmt: skip
    assert slow.verdict == "MISSED"
    assert "19.9x" in table([slow])
    assert all(any(system.at_least for system in systems) for systems in WORKS.values())
