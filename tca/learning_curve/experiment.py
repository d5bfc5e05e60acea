"""One simulated life of the wheel: it chooses, pays, learns, and is judged by its own log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from portfolio.algo_wheel.learning import BATCH, learn
from portfolio.algo_wheel.model import METHODS, CostModel, Evidence, FloatArray, IntArray, ModelSettings
from portfolio.algo_wheel.off_policy import ChoiceLog, evaluate
from portfolio.algo_wheel.wheel import AlgoWheel, WheelSettings
from tca.simulated_market import Orders, draw_orders, expected_costs, realised_costs

JUDGED: Final = 2_000
"""Orders after which a candidate, trained on the first half, is judged on the second."""

_FRESH: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one seed gave. Regrets are in basis points an order, per batch, shape (batches,)."""

    seed: int
    regret: FloatArray
    """The wheel's expected cost above the best method's."""
    uniform: FloatArray
    """The same of a uniform choice among the admissible methods."""
    fixed: FloatArray
    """The same of each single method, with a uniform choice where it isn't admissible; shape (batches, K)."""
    covered: dict[str, bool]
    """Whether each off-policy interval of the candidate held its true cost."""
    widths: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Step:
    regret: float
    uniform: float
    fixed: FloatArray
    log: ChoiceLog


def live(seed: int, before: int, after: int, *, settings: WheelSettings | None = None) -> Life:
    """Let the wheel work from nothing.

    Parameters
    ----------
    seed
        Of the orders, of the noise and of the wheel's choices.
    before, after
        Orders before and after the market changes, multiples of `BATCH`.
    settings
        The wheel's.
    """
    rng = np.random.default_rng(seed)
    model_settings, wheel_settings = ModelSettings(), settings or WheelSettings()
    evidence, steps = Evidence.none(), []
    candidate: AlgoWheel | None = None
    for start in range(0, before + after, BATCH):
        wheel = AlgoWheel(model=CostModel.fit(evidence, _no_prior(), model_settings), settings=wheel_settings)
        if start == JUDGED // 2:
            candidate = wheel
        step = _work(wheel, rng, changed=start >= before)
        steps.append(step)
        log = step.log
        evidence = learn(
            evidence, log.rows, log.methods, log.costs, prior_mean=_no_prior(), settings=model_settings
        )
    covered, widths = _judge(candidate, steps, seed) if candidate is not None else ({}, {})
    return Life(
        seed=seed,
        regret=np.array([step.regret for step in steps]),
        uniform=np.array([step.uniform for step in steps]),
        fixed=np.array([step.fixed for step in steps]),
        covered=covered,
        widths=widths,
    )


def _no_prior() -> FloatArray:
    return np.zeros((len(METHODS), Evidence.none().moment.shape[1]))


def _work(wheel: AlgoWheel, rng: np.random.Generator, *, changed: bool) -> _Step:
    orders = draw_orders(BATCH, rng)
    expected = expected_costs(orders, changed=changed)
    chances = wheel.probabilities(orders.rows, orders.mask)
    methods: IntArray = (chances.cumsum(axis=1) > rng.random((BATCH, 1))).argmax(axis=1)
    costs = realised_costs(orders, methods, expected, rng)
    best = expected.min(axis=1)
    each = np.arange(BATCH)
    average = _mean_cost(orders, expected)
    return _Step(
        regret=float((expected[each, methods] - best).mean()),
        uniform=float((average - best).mean()),
        fixed=(np.where(orders.mask, expected, average[:, None]) - best[:, None]).mean(axis=0),
        log=ChoiceLog(
            rows=orders.rows,
            mask=orders.mask,
            methods=methods,
            propensities=chances[each, methods],
            costs=costs,
        ),
    )


def _mean_cost(orders: Orders, expected: FloatArray) -> FloatArray:
    result: FloatArray = np.where(orders.mask, expected, 0.0).sum(axis=1) / orders.mask.sum(axis=1)
    return result


def _judge(candidate: AlgoWheel, steps: list[_Step], seed: int) -> tuple[dict[str, bool], dict[str, float]]:
    """Hold the off-policy estimates of a candidate against its true cost.

    The log is the second half of the first `JUDGED` orders, on which the candidate was not trained.
    """
    logs = [step.log for step in steps[JUDGED // 2 // BATCH : JUDGED // BATCH]]
    log = ChoiceLog(
        rows=np.concatenate([one.rows for one in logs]),
        mask=np.concatenate([one.mask for one in logs]),
        methods=np.concatenate([one.methods for one in logs]),
        propensities=np.concatenate([one.propensities for one in logs]),
        costs=np.concatenate([one.costs for one in logs]),
    )
    fresh = draw_orders(_FRESH, np.random.default_rng((seed, 1)))
    chances = candidate.probabilities(fresh.rows, fresh.mask)
    truth = float((chances * np.where(fresh.mask, expected_costs(fresh), 0.0)).sum(axis=1).mean())
    found = evaluate(log, candidate.probabilities(log.rows, log.mask))
    estimates = {
        "inverse_propensity": found.inverse_propensity,
        "self_normalised": found.self_normalised,
        "doubly_robust": found.doubly_robust,
    }
    return (
        {name: one.covers(truth) for name, one in estimates.items()},
        {name: one.high - one.low for name, one in estimates.items()},
    )
