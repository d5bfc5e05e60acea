"""Passing over quiet bars changes nothing, and is done."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.types.containers import BaseTuple

from backtester.engine import Outcome, Start, run_account, simulate
from backtester.money import MICRO
from backtester.run import rules_of, tape_of
from backtester.scan import scan_signals
from core.config_schema import Settings
from core.kernel import KERNEL_PACKAGES
from data.corporate_actions import ActionKind, CorporateAction
from strategy.registry import create
from tests.backtester.cases import make_market, walk
from tests.backtester.test_against_the_reference import worlds


def simulated(settings, market, strategies, weights, first_bar, *, passes: bool) -> Outcome:
    signals = scan_signals(strategies, market.signal_bars(), market.symbols)
    tape = tape_of(settings, market, np.ascontiguousarray(signals.transpose(2, 1, 0)))
    names = [strategy.name for strategy in strategies]
    rules = rules_of(settings, market, names, weights)._replace(passes_quiet_bars=passes)
    start = Start(first_bar, len(market.end_ns), int(settings.backtest.cash * MICRO))
    return simulate(tape, rules, start, settings.sizing.volatility_window_sessions)


def tables(outcome: Outcome) -> dict[str, np.ndarray]:
    fills, denials, flows, counts = outcome.records
    used = {"fills": fills[: counts[0]], "denials": denials[: counts[1]], "flows": flows[: counts[2]]}
    return used | outcome.curve._asdict() | outcome.book._asdict()


@st.composite
def worlds_with_actions(draw):
    """Worlds in which splits, dividends (some larger than the price) and delistings fall on any day."""
    settings, market, strategies, weights, first = draw(worlds())
    values = {
        ActionKind.SPLIT: [2.0, 1.5, 0.1, 0.001, 7.0],
        ActionKind.DIVIDEND: [0.5, 3.0, 900.0],
        ActionKind.DELISTING: [0.0, 12.5],
    }
    actions = [
        CorporateAction(
            symbol=draw(st.sampled_from(market.symbols)),
            day=draw(st.sampled_from(market.sessions)).date,
            kind=kind,
            value=draw(st.sampled_from(values[kind])),
        )
        for kind in draw(st.lists(st.sampled_from(list(ActionKind)), max_size=6))
    ]
    return settings, replace(market, actions=tuple(actions)), strategies, weights, first


@options(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds_with_actions())
def test_an_account_is_the_same_with_every_bar_decided_and_with_quiet_ones_passed_over(world):
    passed, decided = (tables(simulated(*world, passes=passes)) for passes in (True, False))
    for name, table in decided.items():
        np.testing.assert_array_equal(passed[name], table, err_msg=name)


@pytest.mark.skipif(not isinstance(run_account, Dispatcher), reason="the compiler is switched off")
def test_kernels_that_count_no_references_return_no_arrays():
    """Such an array would be freed once too often."""
    market = make_market({"AAA": walk(1, 60, decimals=2, holes=0.0, gaps=0.2, volume=100_000)})
    simulated(
        Settings(),
        market,
        (create("momentum", {"fast_window": 2, "slow_window": 5}),),
        (1.0,),
        0,
        passes=True,
    )
    borrowing = [
        kernel
        for name, module in sys.modules.items()
        if name.partition(".")[0] in KERNEL_PACKAGES
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher) and kernel.targetoptions.get("_nrt") is False
    ]
    assert len(borrowing) > 20
    for kernel in borrowing:
        for signature in kernel.nopython_signatures:
            assert not holds_array(signature.return_type), str(kernel)


def holds_array(kind: types.Type) -> bool:
    if isinstance(kind, BaseTuple):
        return any(holds_array(one) for one in kind)
    return isinstance(kind, types.Array)
