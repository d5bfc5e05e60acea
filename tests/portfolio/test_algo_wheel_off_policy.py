"""Off-policy estimates: by hand, without bias, honest about their doubt."""

from __future__ import annotations

import numpy as np
import pytest

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.context import FEATURES
from portfolio.algo_wheel.model import COLUMN, METHODS, FloatArray
from portfolio.algo_wheel.off_policy import ChoiceLog, compare, evaluate
from tca.simulated_market import draw_orders, expected_costs, realised_costs

K = len(METHODS)
MKT, VWAP = COLUMN[ExecutionMethod.MKT], COLUMN[ExecutionMethod.VWAP]


def two_methods(costs: list[float], methods: list[int], propensities: list[float]) -> ChoiceLog:
    count = len(costs)
    mask = np.zeros((count, K), dtype=np.bool_)
    mask[:, [MKT, VWAP]] = True
    rows = np.zeros((count, len(FEATURES)))
    rows[:, 0] = 1.0
    rows[:, FEATURES.index("volatility")] = 1.0
    return ChoiceLog(
        rows=rows,
        mask=mask,
        methods=np.array(methods),
        propensities=np.array(propensities),
        costs=np.array(costs),
    )


def always(log: ChoiceLog, method: int) -> FloatArray:
    target = np.zeros((len(log), K))
    target[:, method] = 1.0
    return target


def test_weights_by_hand() -> None:
    # Five VWAPs of probability 0.25 that cost 4, six MKTs of probability 0.75 that cost 10.
    log = two_methods([4.0] * 5 + [10.0] * 6, [VWAP] * 5 + [MKT] * 6, [0.25] * 5 + [0.75] * 6)
    found = evaluate(log, always(log, VWAP))
    assert found.inverse_propensity.value == pytest.approx(4.0 * 5 * 4 / 11)
    assert found.self_normalised.value == pytest.approx(4.0)
    assert found.doubly_robust.effective_orders == pytest.approx(5.0)


def test_the_same_policy_saves_nothing_for_certain() -> None:
    log = two_methods([4.0] * 6 + [10.0] * 6, [VWAP] * 6 + [MKT] * 6, [0.5] * 12)
    target = always(log, VWAP)
    saving = compare(log, target, target)
    assert (saving.value, saving.low, saving.high) == (0.0, 0.0, 0.0)


def logged(seed: int, count: int = 1_500) -> tuple[ChoiceLog, FloatArray, float]:
    """A log of a skewed policy, a target, and the target's true cost."""
    rng = np.random.default_rng(seed)
    orders = draw_orders(count, rng)
    expected = expected_costs(orders)
    liking = np.where(orders.mask, 1.0 + np.arange(K), 0.0)
    chances = liking / liking.sum(axis=1, keepdims=True)
    methods = (chances.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    log = ChoiceLog(
        rows=orders.rows,
        mask=orders.mask,
        methods=methods,
        propensities=chances[np.arange(count), methods],
        costs=realised_costs(orders, methods, expected, rng),
    )
    target = orders.mask / orders.mask.sum(axis=1, keepdims=True)
    return log, target, float((target * np.where(orders.mask, expected, 0.0)).sum(axis=1).mean())


def test_the_estimates_are_near_the_truth_and_the_robust_one_is_the_sharpest() -> None:
    widths = []
    for seed in range(12):
        log, target, truth = logged(seed)
        found = evaluate(log, target)
        for one in (found.inverse_propensity, found.self_normalised, found.doubly_robust):
            half = (one.high - one.low) / 2
            assert abs(one.value - truth) < 2.5 * half, seed
        widths.append([one.high - one.low for one in (found.inverse_propensity, found.doubly_robust)])
    plain, robust = np.mean(widths, axis=0)
    assert robust < plain


def test_a_wrong_propensity_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        two_methods([1.0], [MKT], [0.0])


def test_too_few_orders_judge_nobody() -> None:
    log = two_methods([1.0] * 9, [MKT] * 9, [0.5] * 9)
    with pytest.raises(ValueError, match="9 orders are too few"):
        evaluate(log, always(log, MKT))
