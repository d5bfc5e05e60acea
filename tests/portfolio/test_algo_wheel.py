"""The wheel's choices: what it may never do, and that they can be repeated."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.vocabulary import ExecutionMethod, Side
from portfolio.algo_wheel import OrderContext, order_rng
from portfolio.algo_wheel.context import FEATURES, features
from portfolio.algo_wheel.model import COLUMN, METHODS, CostModel, Evidence, ModelSettings
from portfolio.algo_wheel.rules import expected_cost_bps, rule_coefficients
from portfolio.algo_wheel.wheel import AlgoWheel, WheelSettings, admissible_mask, safe_default

M = ExecutionMethod
CONTEXT = OrderContext(
    side=Side.BUY, spread_bps=5.0, volatility_bps=150.0, adv_share=0.01, day_fraction=0.5, urgency=0.5
)
NO_PRIOR = np.zeros((len(METHODS), len(FEATURES)))


def wheel_of(fills: dict[ExecutionMethod, tuple[int, float]], **settings: float) -> AlgoWheel:
    """A wheel that has seen so many fills of each method, at that cost."""
    evidence = Evidence.none()
    for method, (count, cost) in fills.items():
        rows = np.repeat(features(CONTEXT)[None, :], count, axis=0)
        columns = np.full(count, COLUMN[method])
        evidence = evidence.after(rows, columns, np.full(count, cost), memory=1.0)
    model = CostModel.fit(evidence, NO_PRIOR, ModelSettings())
    return AlgoWheel(model=model, settings=WheelSettings(**settings))  # type: ignore[arg-type]


def chances(wheel: AlgoWheel, admissible: list[ExecutionMethod]) -> dict[ExecutionMethod, float]:
    found = wheel.probabilities(features(CONTEXT)[None, :], admissible_mask([admissible]))[0]
    return {method: float(found[COLUMN[method]]) for method in METHODS}


def test_the_cheapest_proven_method_is_chosen_most_and_the_rest_keep_the_floor() -> None:
    wheel = wheel_of({M.MKT: (200, 12.0), M.VWAP: (200, 4.0), M.MOC: (200, 9.0)}, exploration=0.06)
    found = chances(wheel, [M.MKT, M.VWAP, M.MOC])
    assert found[M.VWAP] == pytest.approx(0.96)
    assert found[M.MKT] == pytest.approx(0.02)
    assert found[M.MOC] == pytest.approx(0.02)


def test_an_unproven_method_gets_its_cap_at_most_however_cheap_it_looks() -> None:
    wheel = wheel_of({M.MKT: (100, 10.0), M.VWAP: (19, -80.0)}, exploration=0.0)
    assert chances(wheel, [M.MKT, M.VWAP])[M.VWAP] == pytest.approx(0.10)
    proven = wheel_of({M.MKT: (100, 10.0), M.VWAP: (20, -80.0)}, exploration=0.0)
    assert chances(proven, [M.MKT, M.VWAP])[M.VWAP] == pytest.approx(1.0)


def test_before_the_first_fill_the_rest_goes_to_the_safe_default() -> None:
    found = chances(wheel_of({}, exploration=0.0), list(METHODS))
    assert max(share for method, share in found.items() if method is not M.ADAPTIVE_NORMAL) <= 0.10
    assert max(found, key=lambda method: found[method]) in {M.ADAPTIVE_NORMAL, *METHODS}
    assert chances(wheel_of({}, exploration=0.0), [M.MKT, M.LMT])[M.MKT] == pytest.approx(0.9)


contexts = st.builds(
    OrderContext,
    side=st.sampled_from(Side),
    spread_bps=st.floats(0, 1_000),
    volatility_bps=st.floats(0, 5_000),
    adv_share=st.floats(0, 1),
    day_fraction=st.floats(0, 1),
    urgency=st.floats(0, 1),
)
offers = st.lists(st.sampled_from(METHODS), min_size=1, unique=True)
WHEEL = wheel_of({M.MKT: (40, 12.0), M.VWAP: (25, 4.0), M.LMT: (5, 1.0)})


@settings(max_examples=60, deadline=None)
@given(context=contexts, admissible=offers, seed=st.integers(0, 10**9))
def test_every_choice_is_admissible_and_its_propensity_is_the_true_one(
    context: OrderContext, admissible: list[ExecutionMethod], seed: int
) -> None:
    choice = WHEEL.choose(context, admissible, order_rng(seed, "ref"))
    assert choice == WHEEL.choose(context, admissible, order_rng(seed, "ref"))
    assert choice.method in admissible
    found = WHEEL.probabilities(features(context)[None, :], admissible_mask([admissible]))[0]
    assert found.sum() == pytest.approx(1.0)
    assert set(np.flatnonzero(found)) <= {COLUMN[method] for method in admissible}
    floor = WHEEL.settings.exploration / len(admissible)
    assert all(found[COLUMN[method]] >= floor * (1 - 1e-9) for method in admissible)
    assert choice.propensity == pytest.approx(1.0 if len(admissible) == 1 else found[COLUMN[choice.method]])


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(["spread_bps", "volatility_bps", "adv_share", "day_fraction", "urgency"]),
    value=st.sampled_from([math.nan, math.inf, -0.01, 1e9]),
    admissible=offers,
)
def test_any_doubt_about_the_context_ends_in_the_safe_default(
    name: str, value: float, admissible: list[ExecutionMethod]
) -> None:
    doubtful = replace(CONTEXT, **{name: value})  # type: ignore[arg-type]
    choice = WHEEL.choose(doubtful, admissible, order_rng(1, "ref"))
    assert (choice.method, choice.propensity) == (safe_default(admissible), 1.0)
    assert choice.why.startswith(f"default: {name} is ")


def test_a_model_of_nan_ends_in_the_safe_default() -> None:
    broken = replace(WHEEL.model, mean=np.full_like(WHEEL.model.mean, np.nan))
    choice = replace(WHEEL, model=broken).choose(CONTEXT, [M.VWAP, M.MKT], order_rng(1, "r"))
    assert (choice.method, choice.why) == (M.MKT, "default: no sound model")


def test_safe_defaults() -> None:
    assert safe_default([M.MOC, M.MKT, M.ADAPTIVE_NORMAL]) is M.ADAPTIVE_NORMAL
    assert safe_default([M.MOC, M.MKT]) is M.MKT
    assert safe_default([M.MOC, M.LOC]) is M.MOC


def test_no_method_at_all_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no method is admissible"):
        WHEEL.choose(CONTEXT, [], order_rng(1, "r"))


@pytest.mark.parametrize("name", ["exploration", "unproven_cap", "boldness"])
def test_settings_name_what_is_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is 1\.5, not in 0\.\.1"):
        WheelSettings(**{name: 1.5})  # type: ignore[arg-type]


def test_orders_have_random_numbers_of_their_own() -> None:
    first, second = order_rng(1, "a").random(), order_rng(1, "b").random()
    assert first != second
    assert first == order_rng(1, "a").random() != order_rng(2, "a").random()


def test_the_rules_by_hand() -> None:
    # Half of 5 bps, and 0.9 of an impact of 150 sqrt(0.01) = 15 bps.
    assert expected_cost_bps(CONTEXT, M.MKT) == pytest.approx(2.5 + 13.5)
    # A quarter of 5, 0.35 of 15, 0.06 of the urgency 0.5 times 150.
    assert expected_cost_bps(CONTEXT, M.VWAP) == pytest.approx(1.25 + 5.25 + 4.5)
    model = CostModel.fit(Evidence.none(), rule_coefficients(), ModelSettings())
    assert expected_cost_bps(CONTEXT, M.VWAP, model) == pytest.approx(11.0)
    with pytest.raises(ValueError, match="urgency is 2"):
        expected_cost_bps(replace(CONTEXT, urgency=2.0), M.MKT)
