"""Passing over quiet bars changes nothing, and is done."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.types.containers import BaseTuple

from backtester.engine import Desk, Outcome, Run, Start, new_desk, run_account, simulate
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


CALM = {
    "caps": {"monthly_fill_budget": 600, "max_symbol_exposure": 1.0},
    "execution": {"pretrade": {"max_order_notional": 1e9, "max_order_quantity": 10_000_000}},
}
CASES = {
    "daily": CALM,
    "five minutes": CALM,
    "throttled": CALM | {"sizing": {"drawdown_levels": (0.002, 0.01, 0.5), "risk_per_trade": 0.05}},
    "volatile": CALM | {"sizing": {"target_volatility_annual": 0.02, "volatility_window_sessions": 5}},
    "short": CALM | {"sizing": {"allow_short": True}, "backtest": {"borrow_fee_annual": 0.2}},
    "cash account": CALM
    | {"caps": {"account_type": "cash", "monthly_fill_budget": 600, "settlement_days": 2}},
    "trailing": CALM | {"sizing": {"stop_kind": "trailing"}},
    "interest": CALM | {"backtest": {"cash_interest_annual": 0.03}},
}


def long_run(case: str, seed: int, *, passes: bool) -> tuple[Run, Desk]:
    """Seven hundred bars of one symbol with long averages: signals stand for weeks, and spans are passed at once."""
    settings = Settings.model_validate(CASES[case])
    prices = walk(seed, 700, decimals=2, holes=0.02, gaps=0.05, volume=5_000_000)
    size_s = 300 if case == "five minutes" else 86_400
    start = date(2012, 1, 3) if size_s == 300 else date(2000, 1, 3)
    market = make_market({"AAA": prices}, size_s=size_s, settlement_days=2, start=start, first=start)
    strategies = (create("momentum", {"fast_window": 5 + seed, "slow_window": 40 + 3 * seed}),)
    signals = scan_signals(strategies, market.signal_bars(), market.symbols)
    tape = tape_of(settings, market, np.ascontiguousarray(signals.transpose(2, 1, 0)))
    rules = rules_of(settings, market, ["momentum"], (1.0,))._replace(passes_quiet_bars=passes)
    window = settings.sizing.volatility_window_sessions
    desk = new_desk(len(tape.clock.settles), len(market.end_ns), window)
    start_of = Start(3, len(market.end_ns), int(settings.backtest.cash * MICRO))
    return run_account(tape, rules, start_of, desk), desk


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("case", CASES)
def test_long_quiet_spans_change_nothing_either(case, seed):
    (passed, one), (decided, other) = (long_run(case, seed, passes=passes) for passes in (True, False))
    assert passed.day == decided.day
    assert passed.done == decided.done
    assert decided.records.counts[0] > 2
    for number in range(3):
        count = decided.records.counts[number]
        np.testing.assert_array_equal(passed.records[number][:count], decided.records[number][:count])
    for name in ("closes", "returns", "due"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name, column in one.curve._asdict().items():
        np.testing.assert_array_equal(column, getattr(other.curve, name), err_msg=name)


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
