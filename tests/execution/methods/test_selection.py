"""Which method an order gets: the configured one as far as it is possible, or the wheel's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from core.config_schema import ExecutionSettings
from core.vocabulary import ExecutionMethod, Purpose
from execution.methods.admissibility import admit
from execution.methods.selection import FALLBACK_CHAIN, MethodSelector
from execution.ticks import PriceGrid
from portfolio.algo_wheel import MethodChoice, OrderContext
from portfolio.algo_wheel.model import CostModel, Evidence, ModelSettings
from portfolio.algo_wheel.rules import rule_coefficients
from portfolio.algo_wheel.wheel import AlgoWheel, WheelSettings
from tests.execution.desk import OPEN, Desk
from tests.execution.methods.cases import situation

M = ExecutionMethod


def selector(policy: object = None, problem: str = "", **execution: object) -> MethodSelector:
    settings = ExecutionSettings.model_validate(execution)
    return MethodSelector(settings, PriceGrid({}), policy=policy, problem=problem)  # type: ignore[arg-type]


def wheel(**settings: float) -> AlgoWheel:
    model = CostModel.fit(Evidence.none(), rule_coefficients(), ModelSettings())
    return AlgoWheel(model=model, settings=WheelSettings(unproven_cap=1.0, **settings))  # type: ignore[arg-type]


class Watching:
    """A policy that remembers what it was shown and takes the first."""

    def __init__(self) -> None:
        self.seen: list[tuple[OrderContext, tuple[M, ...]]] = []

    def choose(
        self, context: OrderContext, admissible: Sequence[M], rng: np.random.Generator
    ) -> MethodChoice:
        del rng
        self.seen.append((context, tuple(admissible)))
        return MethodChoice(method=admissible[0], propensity=0.25, why="the first")


@pytest.mark.parametrize("method", list(M))
def test_a_configured_method_is_taken_where_it_is_possible(method: M) -> None:
    chosen = selector(method=str(method)).select(situation(), "BS-1").choice
    assert (chosen.method, chosen.propensity, chosen.why) == (method, 1.0, "configured")


def test_entries_and_exits_have_a_method_each() -> None:
    both = selector(method="MOC", exit_method="ADAPTIVE_URGENT")
    assert both.select(situation(purpose=Purpose.EXIT), "BS-1").choice.method is M.ADAPTIVE_URGENT
    assert both.select(situation(), "BS-1").choice.method is M.MOC


def test_what_is_not_possible_falls_back_by_the_chain_and_says_why() -> None:
    late = situation(before_close_s=300)
    chosen = selector(method="MOC").select(late, "BS-1").choice
    assert chosen.method is FALLBACK_CHAIN[0]
    assert "takes none in the last 600" in chosen.why
    blind = situation(before_close_s=300, bid=math.nan, ask=math.nan)
    assert selector(method="MOC").select(blind, "BS-1").choice.method is M.MKT


def test_a_configured_market_order_is_always_tried() -> None:
    closed = situation(is_open=False, is_short_restricted=True)
    assert selector(method="MKT").select(closed, "BS-1").choice.why == "configured"


def test_the_chain_ends_behind_the_market_order() -> None:
    chain = selector()
    assert chain.next_after(M.MKT, situation(), "refused") is None
    after = chain.next_after(M.ADAPTIVE_NORMAL, situation(), "refused")
    assert after is not None
    assert after.choice.method is M.MKT


def test_the_wheel_sees_the_quotes_spread_and_only_what_is_admissible_for_its_urgency() -> None:
    policy = Watching()
    now = situation(urgency=0.8)
    told = selector(policy, method="wheel").select(now, "BS-1")
    context, admissible = policy.seen[0]
    assert context.spread_bps == pytest.approx(1.0526, abs=1e-4)
    assert now.context is not None
    assert math.isnan(now.context.spread_bps)
    assert not {M.MOC, M.LOC} & set(admissible)  # two hours are more than a fifth of the longest wait
    assert told.admissible == admissible
    assert told.choice.propensity == 0.25


def test_the_wheel_decides_the_same_again_under_its_seed_and_otherwise_under_another() -> None:
    def choices(seed: int) -> list[M]:
        turned = selector(wheel(exploration=1.0), method="wheel", wheel={"seed": seed})
        return [turned.select(situation(), f"BS-{number}").choice.method for number in range(40)]

    assert choices(1) == choices(1)
    assert choices(1) != choices(2)


def test_the_logged_propensity_is_the_frequency_of_the_choice() -> None:
    turned = selector(wheel(exploration=0.5), method="wheel")
    told = [turned.select(situation(), f"BS-{number}") for number in range(3000)]
    counts = Counter(one.choice.method for one in told)
    for one in {one.choice.method: one for one in told}.values():
        expected = one.choice.propensity
        deviation = math.sqrt(expected * (1 - expected) / len(told))
        assert abs(counts[one.choice.method] / len(told) - expected) < 4.5 * deviation


@pytest.mark.parametrize("problem", ["there is no model", "the model can't be used"])
def test_without_a_model_the_wheel_takes_its_safe_default_and_says_so(problem: str) -> None:
    told = selector(problem=problem, method="wheel").select(situation(), "BS-1")
    assert told.choice.method is M.ADAPTIVE_NORMAL
    assert (told.choice.propensity, told.choice.why) == (1.0, f"default: {problem}")


def test_every_order_of_the_wheel_logs_what_it_could_have_had() -> None:
    desk = Desk(method="wheel", policy=Watching())
    desk.executor.submit([desk.entry(300)], OPEN)
    arrival = next(payload for kind, payload in desk.journal.records if kind == "arrival")
    assert arrival["propensity"] == 1.0  # no context, so the safe default
    assert arrival["why"] == "default: the session isn't known"
    assert arrival["method"] in arrival["admissible"]  # type: ignore[operator]


def test_the_method_is_chosen_among_what_the_exchange_would_take() -> None:
    turned = selector(wheel(exploration=1.0), method="wheel")
    late = situation(before_close_s=400)
    allowed = set(admit(late, ExecutionSettings()).methods)
    assert {turned.select(late, f"BS-{n}").choice.method for n in range(200)} <= allowed
    assert not {M.MOC, M.LOC} & allowed
