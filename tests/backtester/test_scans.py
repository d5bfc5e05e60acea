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

from backtester.columns import Columns
from backtester.orders import stop_on_grid
from backtester.scan import scan_market, scan_signals
from backtester.tape import NEVER, SIZEABLE_CHANGES, list_news
from core.indicators import FIXED_POINT, channel_step, new_channel, new_sma, sma_step
from core.vocabulary import Side
from execution.ticks import PriceGrid
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from strategy.base import BarRow, Column, Indicator
from strategy.registry import STRATEGIES
from tests.backtester.cases import walk
from tests.backtester.recorded import backtest, tables
from tests.strategy.quick import SINGLE

ROOT = Path(__file__).resolve().parents[2]
BARS = {
    kind: np.stack(
        [walk(seed, 700, decimals=2, holes=holes, gaps=0.1, volume=10_000) for seed in (1, 2)], axis=1
    )
    for kind, holes in (("whole", 0.0), ("with holes", 0.1))
}
ODD = BARS["whole"].copy()
ODD[300, 0, 1:3] = ODD[300, 0, 2:0:-1]  # high below low
ODD[301, 0, 4] = np.nan
ODD[302, 1, 4] = 2.0**52
ODD[303, 1, 0] = -1.0
ODD[304, 1, 3] = np.inf
BARS["odd"] = ODD
BARS["whole but for a volume"] = BARS["whole"].copy()
BARS["whole but for a volume"][300, 0, 4] = np.nan
BARS["short"] = BARS["whole"][:15]


def every_bar_kind(test):
    return pytest.mark.parametrize("bars", BARS.values(), ids=BARS)(test)


@every_bar_kind
@pytest.mark.parametrize("name", SINGLE)
def test_scanned_signals_are_those_of_the_steps_bar_by_bar(name, bars):
    strategy = STRATEGIES[name].create({})
    signals = scan_signals((strategy,), bars)
    assert signals.shape == (len(bars), 1, 2)
    for symbol in range(2):
        state, weight, stepped = strategy.new_state(), math.nan, []
        for row in bars[:, symbol].tolist():
            if not math.isnan(row[3]):
                state, weight = strategy.step(state, BarRow(*row))
            stepped.append(weight)
        np.testing.assert_array_equal(signals[:, 0, symbol], stepped)
    assert np.isfinite(signals[-1]).all() or len(bars) < 700


@every_bar_kind
@pytest.mark.parametrize("atr_window", [14, 20])
def test_scanned_market_rows_are_those_of_the_steps_bar_by_bar(bars, atr_window):
    scan = scan_market(bars, atr_window)
    for symbol in range(2):
        state, rows = new_market_state(), new_market_rows(1)
        for bar, row in enumerate(bars[:, symbol].tolist()):
            if not math.isnan(row[3]):
                state = market_step(state, rows, 0, BarRow(*row), atr_window)
            for ours, theirs in zip(scan, rows, strict=True):
                np.testing.assert_array_equal(ours[bar, symbol], theirs[0])


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 9, 64, 200, 699, 700, 701])
def test_indicators_of_whole_bars_are_those_of_their_steps_for_any_window(window):
    bars = BARS["whole"]
    columns = Columns(bars)
    assert columns.is_whole
    upper, lower, average = (
        columns.column(Column(one, window), whole_bars=True)[1]
        for one in (Indicator.HIGHEST_HIGH, Indicator.LOWEST_LOW, Indicator.SMA_OF_CLOSE)
    )
    channel, mean, stepped = new_channel(window), new_sma(window), []
    for row in bars[:, 1].tolist():
        channel, top, bottom = channel_step(channel, row[1], row[2])
        mean, middle = sma_step(mean, row[3], FIXED_POINT)
        stepped.append((top, bottom, middle))
    np.testing.assert_array_equal(np.stack([upper, lower, average], axis=1), stepped)


WEIGHTS = st.sampled_from([0.0, 1.0, -1.0, 0.5, math.nan])


@settings(deadline=None)
@given(
    runs=st.lists(st.tuples(WEIGHTS, st.integers(1, 150)), min_size=1, max_size=12),
    others=st.lists(st.tuples(WEIGHTS, st.integers(1, 150)), min_size=1, max_size=12),
    turning=st.sets(st.integers(0, 400), max_size=3),
)
def test_news_are_the_bars_at_which_a_side_changes_or_what_can_be_sized(runs, others, turning):
    series = [[weight for weight, count in one for _bar in range(count)] for one in (runs, others)]
    bars = min(map(len, series))
    signals = np.array([one[:bars] for one in series])[:, None]
    turns = np.ones(bars, dtype=np.uint8)
    turns[[bar for bar in turning if bar < bars]] |= SIZEABLE_CHANGES
    news = np.empty(bars + 1, dtype=np.int64)
    is_steady = list_news(signals, turns, np.empty(bars, dtype=np.uint8), news)
    expected, steady = [], True
    for bar in range(bars):
        now = signals[:, 0, bar].tolist()
        before = signals[:, 0, bar - 1].tolist() if bar else [0.0, 0.0]
        sides = [repr(np.sign(weight)) for weight in now] != [repr(np.sign(weight)) for weight in before]
        if sides or bar in turning:
            expected.append(bar)
        for one, other in zip(now, before, strict=True):
            same = one == other or (math.isnan(one) and math.isnan(other))
            steady &= same or repr(np.sign(one)) != repr(np.sign(other))
    assert news[: len(expected) + 1].tolist() == [*expected, NEVER]
    assert is_steady == steady


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
