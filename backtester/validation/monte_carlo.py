"""Monte Carlo: what else might have come of a run, and how its figures are spread.

``stationary``, ``circular``
    Session returns drawn anew in blocks (`backtester.validation.bootstrap`). Says how much the order and choice of days mattered.
``trades``
    Round trips in another order. What they earn together stays; drawdowns don't. They are taken one after the other, by their ends,
    each as a fraction of the equity before it, so that round trips that overlapped are not overlapping here.
``parameters``
    The strategy runs again with each parameter moved at random by up to ``jitter`` of its value.
``costs``
    It runs again with each cost multiplied at random by 1 - jitter to 1 + jitter.
``prices``
    It runs again on bars drawn anew (`backtester.validation.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.batch import Scores, Window, score
from backtester.end_shares import fills_by_symbol
from backtester.market import Market
from backtester.result import BacktestResult
from backtester.validation.bootstrap import Paths
from backtester.validation.figures import figures_of
from backtester.validation.resampling import Resampler
from core.config_schema import Settings
from performance.drawdowns import mean_of_largest
from portfolio.risk_manager import SESSIONS_PER_YEAR
from strategy.base import Number, Strategy

FloatArray = npt.NDArray[np.float64]
SHARES = (1, 5, 25, 50, 75, 95, 99)
"""Percentiles that are told."""
COSTS = ("half_spread_bps", "slippage_bps", "impact_bps")
_STEP_TRIES = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """What the paths did; arrays of shape (paths,), NaN where a path can't tell.

    ``total_return``, ``cagr`` and ``max_drawdown`` are fractions, ``under_water`` is in sessions (or round trips), ``lowest`` the
    smallest equity on the way, from 1.
    """

    total_return: FloatArray
    cagr: FloatArray
    max_drawdown: FloatArray
    under_water: FloatArray
    lowest: FloatArray
    sharpe: FloatArray | None = None
    fills: FloatArray | None = None

    @classmethod
    def of_paths(cls, paths: Paths, sessions: int) -> Outcomes:
        """From drawn paths that stand for so many sessions."""
        with np.errstate(divide="ignore"):
            growth = np.expm1(np.log(paths.final) * SESSIONS_PER_YEAR / sessions)
        return cls(
            total_return=paths.final - 1.0,
            cagr=growth,
            max_drawdown=paths.max_drawdown,
            under_water=paths.under_water.astype(np.float64),
            lowest=paths.lowest,
        )


def summarise_outcomes(outcomes: Outcomes, ruin: float) -> dict[str, object]:
    """Percentiles, value at risk, and the probabilities of a loss and of ruin.

    Parameters
    ----------
    outcomes
        Of the paths.
    ruin
        Loss of the opening equity that counts as ruin, touched at any session's end.

    Notes
    -----
    ``value_at_risk_95`` is the loss over the whole horizon that 95% of the paths stay within (negative: a gain);
    ``conditional_value_at_risk_95`` the mean loss of the others. Both as `performance.risk` takes them of returns.
    """
    found: dict[str, object] = {"paths": len(outcomes.total_return)}
    for name in ("total_return", "cagr", "max_drawdown", "under_water", "sharpe", "fills"):
        values = getattr(outcomes, name)
        if values is not None:
            found[name] = percentiles(values)
    losses = -outcomes.total_return[np.isfinite(outcomes.total_return)]
    for confidence in (95, 99):
        share = 1.0 - confidence / 100.0
        found[f"value_at_risk_{confidence}"] = (
            float(np.quantile(losses, 1.0 - share)) if len(losses) else None
        )
        found[f"conditional_value_at_risk_{confidence}"] = (
            mean_of_largest(losses, share) if len(losses) else None
        )
    found["probability_of_loss"] = float((losses > 0).mean()) if len(losses) else None
    found["ruin_at_loss_of"] = ruin
    found["probability_of_ruin"] = float((outcomes.lowest <= 1.0 - ruin).mean())
    return found


def percentiles(values: FloatArray) -> dict[str, float]:
    """``p1`` to ``p99`` of the values that are known, and their mean."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    cuts = np.percentile(known, SHARES)
    return {
        **{f"p{share}": float(cut) for share, cut in zip(SHARES, cuts, strict=True)},
        "mean": float(known.mean()),
    }


def round_trip_returns(result: BacktestResult, market: Market) -> FloatArray:
    """Profit of each round trip as a fraction of the equity at the close before its last fill, in the order of their ends.

    What is still open at the end is none. The market is the one that the run traded: its splits are between fills.
    """
    found: list[tuple[int, float]] = []
    nlv = np.concatenate([[float(result.opening_cash)], result.nlv])
    first = len(result.market_end_ns) - len(result.end_ns)
    for group in fills_by_symbol(result, market):
        for trip in group.trips():
            bar = int(group.bars[trip.last_fill]) - first
            found.append((bar, trip.profit / nlv[bar]))
    found.sort(key=lambda pair: pair[0])
    return np.array([value for _bar, value in found])


def jittered_parameters(strategy: Strategy, count: int, jitter: float, seed: int) -> list[Strategy]:
    """Strategies with every parameter moved evenly by up to ``jitter`` of its value, inside its bounds; at least one step of whole numbers.

    Raises
    ------
    ValueError
        When hardly any draw fits together.
    """
    random = np.random.default_rng(seed)
    found: list[Strategy] = []
    for _ in range(count * _STEP_TRIES):
        if len(found) == count:
            break
        values = {
            spec.name: _moved(getattr(strategy.parameters, spec.name), spec.low, spec.high, jitter, random, whole=spec.is_integer)
            for spec in strategy.kind.specs
        }  # fmt: skip
        if not strategy.kind.validate(values):
            found.append(strategy.kind.create(values, strategy.pairs))
    if len(found) < count:
        raise ValueError(f"{strategy.name}: hardly any parameters within {jitter:.0%} fit together")
    return found


def _moved(
    value: Number, low: Number, high: Number, jitter: float, random: np.random.Generator, *, whole: bool
) -> Number:
    reach = max(abs(value) * jitter, 1.0) if whole else abs(value) * jitter
    moved = min(max(value + random.uniform(-reach, reach), low), high)
    return round(moved) if whole else float(moved)


def jittered_costs(settings: Settings, count: int, jitter: float, seed: int) -> list[Settings]:
    """Make configurations with half the spread, slippage and impact each multiplied evenly by 1 - jitter to 1 + jitter."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        factors = random.uniform(1.0 - jitter, 1.0 + jitter, len(COSTS))
        costs = {
            name: getattr(settings.backtest, name) * factor
            for name, factor in zip(COSTS, factors.tolist(), strict=True)
        }
        found.append(settings.model_copy(update={"backtest": settings.backtest.model_copy(update=costs)}))
    return found


def run_parameters(
    settings: Settings,
    market: Market,
    drawn: Sequence[Strategy],
    weight: float,
    window: Window,
    on_done: Callable[[int], None],
) -> tuple[Outcomes, FloatArray]:
    """Trade each strategy; return the outcomes, and session returns of shape (paths, sessions)."""
    scores = score(
        settings,
        market,
        [[one] for one in drawn],
        [weight],
        windows=[window],
        session_returns=True,
        on_done=on_done,
    )
    return _outcomes([scores]), scores.session_returns[0][:, 0, :]


def run_costs(
    drawn: Sequence[Settings],
    market: Market,
    strategies: Sequence[Strategy],
    weights: Sequence[float],
    window: Window,
    on_done: Callable[[int], None],
) -> tuple[Outcomes, FloatArray]:
    """Trade under each configuration; as `run_parameters`."""
    return _many(
        lambda path: score(
            drawn[path], market, [strategies], weights, windows=[window], session_returns=True, workers=1
        ),
        len(drawn),
        on_done,
    )


def run_prices(
    settings: Settings,
    resampler: Resampler,
    paths: int,
    strategies: Sequence[Strategy],
    weights: Sequence[float],
    window: Window,
    on_done: Callable[[int], None],
) -> tuple[Outcomes, FloatArray]:
    """Trade each resampled market; as `run_parameters`."""

    def work(path: int) -> Scores:
        market = resampler.market(path)
        return score(
            settings, market, [strategies], weights, windows=[window], session_returns=True, workers=1
        )

    return _many(work, paths, on_done)


def _many(
    work: Callable[[int], Scores], paths: int, on_done: Callable[[int], None]
) -> tuple[Outcomes, FloatArray]:
    scores: list[Scores] = []
    with ThreadPoolExecutor() as pool:
        for one in pool.map(work, range(paths)):
            scores.append(one)
            on_done(1)
    return _outcomes(scores), np.concatenate([one.session_returns[0][:, 0, :] for one in scores])


def _outcomes(scores: Sequence[Scores]) -> Outcomes:
    returns = np.concatenate([one.session_returns[0][:, 0, :] for one in scores])
    figures = [figures_of(row) for row in returns]
    curves = np.cumprod(1.0 + returns, axis=1)
    return Outcomes(
        total_return=np.array([one.total_return for one in figures]),
        cagr=np.array([one.cagr for one in figures]),
        max_drawdown=np.concatenate([one.max_drawdown[:, 0, 0] for one in scores]),
        under_water=np.array([one.longest_under_water for one in figures]),
        lowest=np.minimum(curves.min(axis=1), 1.0),
        sharpe=np.array([one.sharpe for one in figures]),
        fills=np.concatenate([one.fills[:, 0, 0] for one in scores]),
    )
