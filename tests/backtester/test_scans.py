"""Scans give what stepping gives, and compiled code gives what plain Python gives."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.orders import stop_on_grid
from backtester.scan import scan_market, scan_signals
from core.vocabulary import Side
from execution.ticks import PriceGrid
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from strategy.base import BarRow
from strategy.registry import STRATEGIES
from tests.backtester.cases import walk
from tests.backtester.recorded import backtest, tables
from tests.strategy.quick import SINGLE

ROOT = Path(__file__).resolve().parents[2]
BARS = np.stack([walk(seed, 700, decimals=2, holes=0.1, gaps=0.1, volume=10_000) for seed in (1, 2)], axis=1)


@pytest.mark.parametrize("name", SINGLE)
def test_scanned_signals_are_those_of_the_steps_bar_by_bar(name):
    strategy = STRATEGIES[name].create({})
    signals = scan_signals((strategy,), BARS)
    assert signals.shape == (len(BARS), 1, 2)
    for symbol in range(2):
        state, weight, stepped = strategy.new_state(), math.nan, []
        for row in BARS[:, symbol].tolist():
            if not math.isnan(row[3]):
                state, weight = strategy.step(state, BarRow(*row))
            stepped.append(weight)
        np.testing.assert_array_equal(signals[:, 0, symbol], stepped)
    assert np.isfinite(signals[-1]).all()


def test_scanned_market_rows_are_those_of_the_steps_bar_by_bar():
    scan = scan_market(BARS, 14)
    for symbol in range(2):
        state, rows = new_market_state(), new_market_rows(1)
        for bar, row in enumerate(BARS[:, symbol].tolist()):
            if not math.isnan(row[3]):
                state = market_step(state, rows, 0, BarRow(*row), 14)
            for ours, theirs in zip(scan, rows, strict=True):
                np.testing.assert_array_equal(ours[bar, symbol], theirs[0])


def test_compiled_equals_uncompiled_to_the_last_digit(tmp_path: Path):
    out = tmp_path / "uncompiled.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.backtester.recorded", "320", str(out)],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
        timeout=150,
    )
    compiled = tables(backtest(320))
    assert len(compiled["fills"]) > 50
    with np.load(out) as plain:
        for name, table in compiled.items():
            np.testing.assert_array_equal(table, plain[name], err_msg=name)


@settings(deadline=None)
@given(
    price=st.one_of(
        st.floats(0.01, 5_000.0),
        st.integers(1, 500_000).map(lambda cents: cents / 100),
        st.tuples(st.integers(1, 500_000), st.floats(-1e-13, 1e-13)).map(
            lambda pair: pair[0] / 100 * (1 + pair[1])
        ),
    ),
    side=st.sampled_from([1, -1]),
)
def test_a_stop_stands_where_the_live_price_grid_puts_it(price, side):
    expected = PriceGrid({}).stop("AAA", Side.SELL if side > 0 else Side.BUY, price)
    assert stop_on_grid(price, side) == int(expected * 1_000_000)


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_none_gives_no_stop(price):
    assert stop_on_grid(price, 1) == 0
