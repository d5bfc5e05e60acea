from __future__ import annotations

from decimal import Decimal

from core.config_schema import CapSettings, SizingSettings
from core.events import Bar
from core.reasons import Reason
from data.bar_assembler import MarketRow
from portfolio.decision_types import AccountRow
from portfolio.live_manager.decision_cycle import CycleResult, DecisionCycle
from strategy.registry import create

ACCOUNT = AccountRow(nlv=1_000_000.0, peak_nlv=1_000_000.0, settled_cash=1_000_000.0, fills_this_month=0)


def bar(number: int, close: float) -> Bar:
    return Bar(
        symbol="IBM",
        end_ns=number,
        open=close,
        high=close + 1,
        low=close - 1,
        close=close,
        volume=1_000_000.0,
    )


def new_cycle(closes: list[float]) -> DecisionCycle:
    cycle = DecisionCycle(
        strategies=[create("momentum", {"fast_window": 2, "slow_window": 4})],
        weights=[1.0],
        symbols=["IBM"],
        sizing=SizingSettings(atr_window=3),
        caps=CapSettings(),
    )
    for number, close in enumerate(closes):
        cycle.warm(MarketRow(end_ns=number, bars={"IBM": bar(number, close)}))
    return cycle


def decide(cycle: DecisionCycle, number: int, close: float) -> CycleResult:
    return cycle.decide(
        end_ns=number,
        bars={"IBM": bar(number, close)},
        positions=lambda _strategy, _symbol: Decimal(0),
        account=ACCOUNT,
    )


RISING = [100.0 + number for number in range(60)]


def test_a_signal_that_stood_when_trading_began_is_told_once_because_it_is_acted_on() -> None:
    cycle = new_cycle(RISING)
    first = decide(cycle, 60, 160.0)
    assert [(signal.strategy, signal.symbol, signal.weight) for signal in first.signals] == [
        ("momentum", "IBM", 1.0)
    ]
    assert first.decisions[0].target > 0
    assert decide(cycle, 61, 161.0).signals == ()


def test_a_signal_is_told_again_when_it_changes() -> None:
    cycle = new_cycle(RISING)
    decide(cycle, 60, 160.0)
    told = [decide(cycle, 61 + number, 155.0 - 5 * number).signals for number in range(6)]
    weights = [signal.weight for signals in told for signal in signals]
    assert len(weights) == 1
    assert weights[0] < 1.0


def test_before_the_strategy_is_warm_nothing_is_told() -> None:
    assert decide(new_cycle([]), 0, 100.0).signals == ()


def test_a_restriction_scales_entries_from_the_next_decision_on_and_is_told_when_it_forbids_them() -> None:
    free = decide(new_cycle(RISING), 60, 160.0).decisions[0].target
    halved = new_cycle(RISING)
    halved.restrict({"momentum": 0.5})
    assert decide(halved, 60, 160.0).decisions[0].target == free // 2
    closed = new_cycle(RISING)
    closed.restrict({"momentum": 0.0})
    refused = decide(closed, 60, 160.0).decisions[0]
    assert refused.target == 0
    assert refused.reason is Reason.RESTRICTED
    closed.restrict({"momentum": 1.0, "another": 0.0})
    assert decide(closed, 61, 161.0).decisions[0].target > 0
