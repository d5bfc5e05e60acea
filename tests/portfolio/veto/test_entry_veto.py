"""What a denied entry does to the decision, and what it doesn't: exits, other symbols, what was stopped out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.config_schema import CapSettings, SizingSettings
from core.events import Bar
from core.reasons import Reason
from core.vocabulary import Side
from data.bar_assembler import MarketRow
from portfolio.decision_types import AccountRow
from portfolio.live_manager.decision_cycle import CycleResult, DecisionCycle
from portfolio.live_manager.entry_veto import EntryVeto
from portfolio.veto.verdict import Outcome, Verdict, unknown
from strategy.registry import create

ACCOUNT = AccountRow(nlv=1_000_000.0, peak_nlv=1_000_000.0, settled_cash=1_000_000.0, fills_this_month=0)
APPROVED = Verdict(outcome=Outcome.APPROVED, probability=0.6, threshold=0.5)
VETOED = Verdict(outcome=Outcome.VETOED, probability=0.4, threshold=0.5)
SYMBOLS = ("AAA", "BBB")
FLAT: dict[str, int] = {}


class Bench:
    """A cycle over two symbols, led bar by bar."""

    def __init__(
        self,
        judge: Callable[[str, str, int], Verdict],
        *,
        enforces: bool = True,
        judged: tuple[str, ...] = ("momentum",),
        caps: CapSettings | None = None,
    ) -> None:
        self.cycle = DecisionCycle(
            strategies=[create("momentum", {"fast_window": 2, "slow_window": 4})],
            weights=[1.0],
            symbols=SYMBOLS,
            sizing=SizingSettings(atr_window=3),
            caps=caps or CapSettings(),
        )
        self.asked: list[tuple[str, int]] = []

        def ask(strategy: str, symbol: str, at_ns: int) -> Verdict:
            self.asked.append((symbol, at_ns))
            return judge(strategy, symbol, at_ns)

        self.cycle.veto = EntryVeto(
            strategies=["momentum"],
            symbols=SYMBOLS,
            judged=judged,
            shorts=False,
            judge=ask,
            enforces=enforces,
        )
        self.number = 0
        self.price = 100.0
        for _ in range(40):
            row = MarketRow(end_ns=self.number, bars=self._bars(0.0))
            self.cycle.warm(row)

    def _bars(self, change: float) -> dict[str, Bar]:
        self.number += 1
        self.price += change
        return {
            symbol: Bar(
                symbol=symbol,
                end_ns=self.number,
                open=self.price,
                high=self.price + 1,
                low=self.price - 1,
                close=self.price,
                volume=1_000_000.0,
            )
            for symbol in SYMBOLS
        }

    def decide(self, change: float, held: dict[str, int] = FLAT) -> CycleResult:
        bars = self._bars(change)
        return self.cycle.decide(
            end_ns=self.number,
            bars=bars,
            positions=lambda _strategy, symbol: Decimal(held.get(symbol, 0)),
            account=ACCOUNT,
        )


def targets(result: CycleResult) -> dict[str, int]:
    return {one.symbol: int(one.target) for one in result.decisions if one.target != one.position}


def outcomes(result: CycleResult) -> list[tuple[str, str]]:
    return [(one.symbol, str(one.verdict.outcome)) for one in result.rulings]


def only_aaa(_strategy: str, symbol: str, _at_ns: int) -> Verdict:
    return APPROVED if symbol == "AAA" else VETOED


def test_a_vetoed_entry_is_not_made_and_its_ruling_says_what_it_would_have_been() -> None:
    free, bench = Bench(lambda *_: APPROVED), Bench(only_aaa)
    wanted = targets(free.decide(1.0))
    result = bench.decide(1.0)
    assert set(wanted) == {"AAA", "BBB"}
    assert targets(result) == {"AAA": wanted["AAA"]}
    assert outcomes(result) == [("AAA", "approved"), ("BBB", "vetoed")]
    denied = result.rulings[1]
    assert (int(denied.quantity), denied.price, denied.denies) == (wanted["BBB"], 101.0, True)
    assert denied.stop_distance == pytest.approx(result.decisions[0].stop_distance)


def test_a_veto_takes_no_room_from_others_under_the_caps() -> None:
    caps = CapSettings(max_positions=1)
    first = Bench(lambda *_: APPROVED, caps=caps)
    assert set(targets(first.decide(1.0))) == {"AAA"}
    other = Bench(lambda _s, symbol, _t: VETOED if symbol == "AAA" else APPROVED, caps=caps)
    assert set(targets(other.decide(1.0))) == {"BBB"}


def test_a_veto_stands_until_its_signal_changes_and_is_told_once() -> None:
    bench = Bench(lambda *_: VETOED)
    assert len(bench.decide(1.0).rulings) == 2
    asked = len(bench.asked)
    for _ in range(5):
        again = bench.decide(1.0)
        assert (targets(again), again.rulings) == ({}, ())
    assert len(bench.asked) == asked
    for _ in range(8):
        bench.decide(-2.0)
    found = [bench.decide(2.0) for _ in range(8)]
    assert sum(len(one.rulings) for one in found) == 2


def test_what_is_unknown_is_asked_again_on_every_bar_and_ends_when_something_is_known() -> None:
    answers = {1: unknown("no model"), 2: unknown("no model"), 3: unknown("old"), 4: APPROVED}
    start = 40
    bench = Bench(lambda _s, _y, at_ns: answers.get(at_ns - start, APPROVED))
    results = [bench.decide(1.0) for _ in range(4)]
    assert [targets(one) == {} for one in results] == [True, True, True, False]
    told = [{one.verdict.detail for one in result.rulings} for result in results]
    assert told == [{"no model"}, set(), {"old"}, {""}]
    assert {one.verdict.reason for one in results[0].rulings} == {Reason.VETO_UNKNOWN}


def test_exits_are_never_asked_about_and_never_held_up() -> None:
    bench = Bench(lambda *_: unknown("nothing is known"))
    held = {"AAA": 100, "BBB": 50}
    for _ in range(3):
        assert targets(bench.decide(1.0, held)) == {}
    exits = [targets(bench.decide(-2.0, held)) for _ in range(6)]
    assert exits[-1] == {"AAA": 0, "BBB": 0}
    assert bench.asked == []


def test_shadow_mode_tells_and_lets_everything_go() -> None:
    bench, free = Bench(lambda *_: VETOED, enforces=False), Bench(lambda *_: APPROVED)
    result = bench.decide(1.0)
    assert targets(result) == targets(free.decide(1.0))
    assert [one.denies for one in result.rulings] == [False, False]
    assert outcomes(result) == [("AAA", "vetoed"), ("BBB", "vetoed")]


def test_strategies_that_are_not_judged_are_not_asked() -> None:
    bench = Bench(lambda *_: VETOED, judged=("mean_reversion",))
    assert set(targets(bench.decide(1.0))) == {"AAA", "BBB"}
    assert bench.asked == []


def test_a_position_that_was_stopped_out_stays_out_although_a_veto_fell_while_its_entry_was_under_way() -> (
    None
):
    answers = iter([APPROVED, APPROVED, VETOED, VETOED])
    bench = Bench(lambda *_: next(answers, VETOED))
    assert set(targets(bench.decide(1.0))) == {"AAA", "BBB"}
    assert targets(bench.decide(1.0)) == {}  # vetoed meanwhile, the orders still work
    for symbol in SYMBOLS:
        bench.cycle.note_entry("momentum", symbol, Side.BUY)
    held = {"AAA": 100, "BBB": 100}
    assert targets(bench.decide(1.0, held)) == {}
    stopped = bench.decide(1.0)
    assert {one.reason for one in stopped.decisions} == {Reason.STOPPED_OUT}
    assert targets(bench.decide(1.0)) == {}
