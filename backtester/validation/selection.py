"""Choosing among candidates on a training window: the best one, or the one in the best neighbourhood.

A candidate is a point of a grid, one value of each parameter. Its neighbours differ from it by one step in one
parameter. A peak whose neighbours are poor is more likely luck than a plateau, so ``plateau`` scores each point by the median over itself
and its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from backtester.batch import Scores
from core.errors import ConfigError
from strategy.base import Number, Pairs, Strategy, StrategyKind

FloatArray = npt.NDArray[np.float64]
NO_CHOICE = -1
"""Where no candidate can be chosen."""

METRICS = {
    "sharpe": "annual Sharpe ratio",
    "cagr": "compound growth a year",
    "total_return": "total return",
    "calmar": "compound growth a year over the largest drawdown",
    "max_drawdown": "the smallest largest drawdown",
    "volatility_annual": "the smallest volatility",
}
"""What a choice can go by."""
_SMALLER_IS_BETTER = frozenset({"max_drawdown", "volatility_annual"})

RULES = ("best", "plateau")
"""How a choice goes by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Candidates of one strategy.

    Attributes
    ----------
    kind
        The strategy.
    names
        The parameters that are searched.
    points
        Shape (candidates, parameters): place of each value in the parameter's list.
    values
        Values of each candidate, by name.
    strategies
        The candidates.
    """

    kind: StrategyKind
    names: tuple[str, ...]
    points: npt.NDArray[np.int64]
    values: tuple[dict[str, Number], ...]
    strategies: tuple[Strategy, ...]

    def __len__(self) -> int:
        return len(self.strategies)

    @property
    def warmup_bars(self) -> int:
        """The longest warm-up of any candidate."""
        return max(one.warmup_bars for one in self.strategies)


def make_grid(
    kind: StrategyKind,
    space: Mapping[str, Sequence[Number]],
    fixed: Mapping[str, Number] | None = None,
    pairs: Pairs | None = None,
) -> Grid:
    """All combinations of the values that fit together.

    Parameters
    ----------
    kind
        The strategy.
    space
        Values to try, by parameter; empty for the parameters as they are.
    fixed
        Values of the others; without them their defaults.
    pairs
        For a strategy that trades pairs; None for those that it trades by itself.

    Raises
    ------
    ConfigError
        When a value isn't allowed, or no combination is left.
    """
    names = tuple(space)
    known = {spec.name: spec for spec in kind.specs}
    problems = [
        f"{kind.name}.{name}: {value!r} {problem}"
        for name in names
        if name in known
        for value in space[name]
        if (problem := known[name].problem(value)) is not None
    ]
    problems += [f"{kind.name}.{name}: unknown parameter" for name in names if name not in known]
    if problems:
        raise ConfigError(problems)
    points, chosen, strategies = [], [], []
    for point in product(*(range(len(space[name])) for name in names)):
        values = {name: space[name][place] for name, place in zip(names, point, strict=True)}
        everything = {**(fixed or {}), **values}
        if not kind.validate(everything):
            points.append(point)
            chosen.append(values)
            strategies.append(kind.create(everything, pairs))
    if not strategies:
        raise ConfigError([f"{kind.name}: no combination of the values fits together"])
    return Grid(
        kind=kind,
        names=names,
        points=np.array(points, dtype=np.int64).reshape(len(points), len(names)),
        values=tuple(chosen),
        strategies=tuple(strategies),
    )


def neighbours(points: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Numbers of each candidate's neighbours, itself included: at most one step away in at most one parameter."""
    return [
        np.flatnonzero(
            np.abs(points - point).sum(axis=1) <= 1
        )  # one step in one parameter: a sum of at most 1
        for point in points
    ]


def merit(scores: Scores, metric: str) -> FloatArray:
    """Figure to maximise, shape (candidates, windows, accounts); NaN where a candidate traded nothing.

    Raises
    ------
    ValueError
        For an unknown metric.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric}")
    if metric == "calmar":
        with np.errstate(divide="ignore", invalid="ignore"):
            found = scores.cagr / scores.max_drawdown
    else:
        found = getattr(scores, metric)
    found = np.where((scores.fills > 0) & np.isfinite(found), found, np.nan)
    return np.asarray(-found if metric in _SMALLER_IS_BETTER else found)


def smoothed(values: FloatArray, near: Sequence[npt.NDArray[np.int64]]) -> FloatArray:
    """Median over each candidate's neighbours that have a value, along the first axis; NaN where it has none itself."""
    result = np.full_like(values, np.nan)
    for candidate, others in enumerate(near):
        rows = values[others]
        known = ~np.isnan(values[candidate])
        if known.any():
            result[candidate, known] = np.nanmedian(rows[:, known], axis=0)
    return result


def choose(values: FloatArray, near: Sequence[npt.NDArray[np.int64]] | None) -> npt.NDArray[np.int64]:
    """Best candidate of each window and account, the first of equals.

    Parameters
    ----------
    values
        Shape (candidates, ...), from `merit`.
    near
        Neighbours, for the rule ``plateau``; None for ``best``.

    Returns
    -------
    ndarray
        Shape (...), `NO_CHOICE` where no candidate has a value.
    """
    rated = values if near is None else smoothed(values, near)
    known = ~np.isnan(rated)
    best = np.where(known, rated, -np.inf).argmax(axis=0)
    return np.where(known.any(axis=0), best, NO_CHOICE)
