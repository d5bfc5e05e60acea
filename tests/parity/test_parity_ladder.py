"""The parity ladder: what research scans, what live steps, what is compiled and what is not are one and the same."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kernel import PROJECT_ROOT, kernel
from core.reasons import Reason
from strategy.base import BarRow, scan
from tests.parity.simulation import STRATEGIES, SYMBOLS, Recording, market, simulate
from tests.strategy.quick import SINGLE

BARS = 400


def assert_same(left: Recording, right: Recording, bars: int = BARS) -> None:
    """Bit for bit, NaN equal to NaN, over the first ``bars`` bars."""
    for column in fields(Recording):
        ours, theirs = getattr(left, column.name)[:bars], getattr(right, column.name)[:bars]
        np.testing.assert_array_equal(
            ours.view(np.int64), theirs.view(np.int64), err_msg=f"{column.name} differs"
        )


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_a_scan_equals_the_steps_one_by_one_bitwise(strategy):
    rows = market(1, BARS)
    for symbol in range(SYMBOLS):
        state, stepped = strategy.new_state(), []
        for bar in rows[:, symbol].tolist():
            state, weight = strategy.step(state, BarRow(*bar))
            stepped.append(weight)
        np.testing.assert_array_equal(scan(strategy, rows[:, symbol]), stepped)


def test_compiled_equals_uncompiled_bitwise(tmp_path: Path):
    out = tmp_path / "uncompiled.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.parity.simulation", "4", str(BARS), str(out)],
        cwd=PROJECT_ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
        timeout=120,
    )
    with np.load(out) as saved:
        uncompiled = Recording(**saved)
    assert_same(simulate(market(4, BARS)), uncompiled)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, BARS - 1))
def test_altering_future_bars_leaves_past_decisions_unchanged(seed, cut):
    rows = market(seed, BARS)
    altered = rows.copy()
    altered[cut:] *= np.random.default_rng(seed).uniform(0.2, 5.0, altered[cut:].shape)
    assert_same(simulate(rows), simulate(altered), bars=cut)


def test_the_same_input_gives_the_same_decisions():
    assert_same(simulate(market(3, BARS)), simulate(market(3, BARS)))


def test_the_simulation_exercises_what_it_is_meant_to_compare():
    recording = simulate(market(4, BARS))
    seen = {Reason(code) for code in np.unique(recording.reasons)}
    assert {
        Reason.NONE,
        Reason.FLIP_VIA_FLAT,
        Reason.POSITIONS_CAP,
        Reason.VOLATILITY_TARGET,
        Reason.DRAWDOWN_THROTTLE,
    } <= seen
    assert (recording.targets > 0).any()
    assert (recording.targets < 0).any()


def scan_in_one(step, parameters, state, bars, weights):
    """Step over all bars; compiled, it is the inner loop of a backtest."""
    for t in range(bars.shape[0]):
        bar = BarRow(bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3], bars[t, 4])
        state, weights[t] = step(parameters, state, bar)


compiled_scan = kernel(scan_in_one)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_a_compiled_loop_over_the_step_gives_what_the_scan_does_bitwise(strategy):
    rows = market(5, BARS)[:, 0].copy()
    weights = np.empty(BARS)
    compiled_scan(strategy.kind.step, strategy.parameters, strategy.new_state(), rows, weights)
    np.testing.assert_array_equal(weights.view(np.int64), scan(strategy, rows).view(np.int64))
    assert np.unique(weights[~np.isnan(weights)]).size > 1 or strategy.name == "buy_and_hold"


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
@pytest.mark.parametrize("cut", [1, 60, 399])
def test_altering_future_bars_leaves_past_weights_unchanged(strategy, cut):
    rows = market(6, BARS)[:, 0]
    altered = rows.copy()
    altered[cut:] *= np.random.default_rng(cut).uniform(0.2, 5.0, altered[cut:].shape)
    np.testing.assert_array_equal(scan(strategy, rows)[:cut], scan(strategy, altered)[:cut])


def test_every_strategy_of_the_registry_stands_on_the_ladder():
    assert {strategy.name for strategy in STRATEGIES} == set(SINGLE)
