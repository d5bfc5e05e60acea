"""What the decision needs at start: kernels compiled once, directions restored from the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from core.config_schema import CapSettings, Settings, SizingSettings
from core.events import Bar
from core.kernel import PROJECT_ROOT, _kernel_sources
from core.reasons import Reason
from core.vocabulary import Side
from data.bar_assembler import MarketRow
from portfolio import decision, kernel_side, risk_manager
from portfolio.decision_setup import compile_kernels, decision_parameters, last_fills, observe_warmup_bar
from portfolio.decision_types import AccountRow, new_decision_state
from portfolio.ledger import Ledger
from portfolio.live_manager.decision_cycle import DecisionCycle
from strategy.registry import create_enabled
from tests.parity.simulation import market, simulate
from tests.portfolio.executions import execution
from tests.portfolio.scenes import inputs, parameters, reasons, run

ENTRY_POINTS = (
    decision.observe_signals,
    risk_manager.close_session,
    kernel_side._decide,
    kernel_side._keep,
    kernel_side._keep_another,
    kernel_side._take_bars,
    *(kernel_side.step_of(strategy.kind.step) for strategy in create_enabled(Settings().strategies)),
)

COUNT_SIGNATURES = """
from core.config_schema import Settings
from portfolio.decision_setup import compile_kernels
from strategy.registry import create_enabled
from tests.portfolio.test_decision_setup import ENTRY_POINTS, live_rows
s = Settings()
compile_kernels(create_enabled(s.strategies), s.sizing, s.caps)
first = [len(k.signatures) for k in ENTRY_POINTS]
live_rows(s, 60)
print(first == [len(k.signatures) for k in ENTRY_POINTS], min(first))
"""


def live_rows(settings: Settings, rows: int) -> None:
    """Take rows as the live engine does: a restart's warm-up, sessions, decisions."""
    cycle = DecisionCycle(
        strategies=create_enabled(settings.strategies),
        weights=[0.5, 0.5],
        symbols=["AAPL", "IBM", "MSFT"],
        sizing=settings.sizing,
        caps=settings.caps,
    )
    account = AccountRow(nlv=1e6, peak_nlv=1e6, settled_cash=1e6, fills_this_month=0)
    for number in range(rows):
        bars = {
            one: Bar(
                symbol=one,
                end_ns=number,
                open=100.0,
                high=102.0,
                low=99.0,
                close=100.0 + number % 2,
                volume=1e6,
            )
            for one in ("AAPL", "IBM", "MSFT")
        }
        if number < rows // 2:
            cycle.warm(MarketRow(end_ns=number, bars=bars))
        else:
            cycle.decide(
                end_ns=number, bars=bars, positions=lambda _strategy, _symbol: Decimal(0), account=account
            )
        cycle.close_session(1e6)


@pytest.mark.skipif(not isinstance(decision.decide_into, Dispatcher), reason="the compiler is switched off")
def test_compiling_at_start_leaves_nothing_to_compile_on_the_first_bar():
    done = subprocess.run(
        [sys.executable, "-c", COUNT_SIGNATURES],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "True 1"


def test_compiling_changes_no_decision():
    before = simulate(market(4, 50)).targets
    settings = Settings()
    assert compile_kernels(create_enabled(settings.strategies), settings.sizing, settings.caps) > 0.0
    np.testing.assert_array_equal(simulate(market(4, 50)).targets, before)


def test_parameters_have_the_kernels_types_whatever_the_file_wrote():
    one = decision_parameters(SizingSettings(max_leverage=1), CapSettings(max_gross_exposure=2), [1])
    other = decision_parameters(SizingSettings(), CapSettings(account_type="cash"), (0.5,))
    assert [type(value) for value in one] == [type(value) for value in other]
    assert one.strategy_weights.dtype == other.strategy_weights.dtype == np.float64


def stopped_ledger() -> Ledger:
    """Momentum was long AAPL and is flat since time 2; it holds IBM."""
    ledger = Ledger()
    ledger.apply(execution(1, Side.BUY, 100, 10), "momentum")
    ledger.apply(execution(2, Side.SELL, 100, 9), "momentum")
    ledger.apply(execution(3, Side.BUY, 100, 9, symbol="IBM"), "momentum")
    return ledger


def test_the_ledger_tells_directions_and_times_of_the_last_fills():
    directions, times = last_fills(stopped_ledger(), ["momentum", "mean_reversion"], ["AAPL", "GOOG", "IBM"])
    assert directions.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert times.tolist() == [[2, 0, 3], [0, 0, 0]]


@pytest.mark.parametrize(
    ("signal_since", "expected"), [(1.0, (0.0, Reason.STOPPED_OUT)), (0.0, (100.0, Reason.NONE))]
)
def test_a_restart_remembers_that_a_stop_has_ended_the_present_signal(signal_since, expected):
    directions, times = last_fills(stopped_ledger(), ["momentum"], ["AAPL"])
    flat = np.zeros((1, 1))
    observe_warmup_bar(
        directions, times, np.array([[-1.0]]), flat, bar_end_ns=1
    )  # before the fill: says nothing
    assert directions.tolist() == [[1]]
    observe_warmup_bar(directions, times, np.array([[signal_since]]), flat, bar_end_ns=2)
    state = new_decision_state(1, 1, 5)._replace(directions=directions)
    result = run(parameters(), inputs([[1.0]]), state)
    assert (float(result.targets[0, 0]), reasons(result)[0][0]) == expected


def test_the_schema_and_the_ledger_are_no_part_of_the_kernels():
    """Were they kernel sources, every edit there would compile everything anew."""
    names = {Path(path).relative_to(PROJECT_ROOT).as_posix() for path in _kernel_sources(PROJECT_ROOT, ())}
    assert {"portfolio/decision.py", "core/reasons.py", "strategy/momentum.py"} <= names
    assert not names & {"core/config_schema.py", "portfolio/ledger.py", "portfolio/decision_setup.py"}
