"""The catalogue says of every measure what a reader needs, and takes all of them at once."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from core.kernel import PROJECT_ROOT
from data.packaged import load_packaged
from performance.measures import CATALOGUE, FAMILIES, Conventions, PerformanceData, describe, evaluate
from performance.ratios import sharpe_ratio
from performance.returns import equity_curve, period_returns


@pytest.fixture(scope="module")
def apple() -> PerformanceData:
    """Holding AAPL on real prices, with IBM as the benchmark."""
    tables = load_packaged(["AAPL", "IBM"])
    returns = period_returns(tables["AAPL"].close)
    dates = np.arange("2000-03-02", "2099-01-01", dtype="datetime64[D]")[: len(returns)]
    return PerformanceData(
        returns=returns,
        equity=equity_curve(returns, 1e5),
        dates=dates,
        benchmark=period_returns(tables["IBM"].close),
        profits=[100.0, -40.0, 60.0],
        exposure=np.ones(len(returns)),
        traded=np.full(len(returns), 10.0),
        costs=np.full(len(returns), 0.01),
        trial_sharpes_annual=[0.1, 0.5, 0.9],
    )


def test_there_are_eighty_measures_and_more_each_under_one_name():
    assert len(CATALOGUE) >= 80
    assert {one.family for one in CATALOGUE.values()} == set(FAMILIES)
    assert len(CATALOGUE) == sum(len(module.MEASURES) for module in FAMILIES.values()), "a name stands twice"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_says_what_it_is_how_it_is_reckoned_and_where_it_comes_from(name):
    one = CATALOGUE[name]
    assert one.summary.endswith("."), one.summary
    assert "``" in one.formula or one.formula.startswith("probabilistic"), one.formula
    assert one.result, "no unit and no rule for data that can't tell"
    assert one.source


@pytest.mark.parametrize("name", CATALOGUE)
def test_annual_figures_know_the_periods_of_a_year(name):
    one = CATALOGUE[name]
    if name.endswith("_annual"):
        assert "periods_per_year" in one.settings
    if "risk_free_annual" in one.settings:
        assert "periods_per_year" in one.settings


def test_everything_is_known_of_real_prices(apple):
    values = evaluate(apple)
    assert values.keys() == CATALOGUE.keys()
    assert all(math.isfinite(value) for value in values.values())
    assert all(isinstance(value, float) for value in values.values())


def test_what_there_is_no_data_for_is_left_out(apple):
    values = evaluate(PerformanceData(returns=apple.returns, equity=apple.equity))
    assert {CATALOGUE[name].family for name in values} == {
        "returns",
        "drawdowns",
        "risk",
        "ratios",
        "overfitting",
    }
    assert "best_month" not in values
    assert "deflated_sharpe_ratio" not in values


def test_the_conventions_reach_the_measures(apple):
    values = evaluate(apple, Conventions(periods_per_year=12.0, risk_free_annual=0.02, confidence=0.9))
    expected = sharpe_ratio(apple.returns, periods_per_year=12.0, risk_free_annual=0.02)
    assert values["sharpe_ratio"] == expected
    assert values["value_at_risk"] < evaluate(apple)["value_at_risk"]


def test_the_catalogue_is_printed_on_request():
    done = subprocess.run(
        [sys.executable, "-m", "performance"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == describe().strip()
    assert all(f"\n{name}(" in done.stdout for name in CATALOGUE)
