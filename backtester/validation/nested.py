"""Nested choice: folds inside a training window choose the rule by which the whole window then chooses the parameters.

Which metric and whether a plateau is asked for are choices as well, and whoever makes them after looking at the test windows has
used the test windows. So they can be made inside: the training window is cut into ``inner_folds + 1`` equal parts; in fold ``i``
the parts up to ``i`` are trained on and part ``i + 1`` is the test. The rule whose choices had the highest mean
Sharpe ratio over the inner tests is taken; the outer test window has seen nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.batch import Scores, Window
from backtester.market import Market
from backtester.validation.selection import NO_CHOICE, choose, merit
from backtester.validation.windows import SMALLEST_TEST, Fold, Plan, session_starts, window_of
from core.errors import ConfigError

INNER_METRICS = ("sharpe", "calmar", "total_return")
"""Metrics that a nested walk-forward tries."""
JUDGE = "sharpe"
"""What the rules are compared by on the inner tests."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A metric, and whether a candidate is judged by the median over its neighbours."""

    metric: str
    plateau: bool = False

    def __str__(self) -> str:
        return f"{self.metric}{' plateau' if self.plateau else ''}"


def all_rules() -> tuple[Rule, ...]:
    """Every rule that is tried."""
    return tuple(Rule(metric, plateau) for metric in INNER_METRICS for plateau in (False, True))


def inner_windows(market: Market, fold: Fold, plan: Plan, inner_folds: int) -> list[tuple[Window, Window]]:
    """Training and test windows inside a fold's training window, with the plan's gap between them.

    Raises
    ------
    ConfigError
        When the training window is too short for them.
    """
    starts = session_starts(market)
    first, end = fold.train_sessions
    edges = np.linspace(first, end, inner_folds + 2).round().astype(np.int64).tolist()
    gap = plan.purge + plan.embargo
    if min(np.diff(edges)) - gap < SMALLEST_TEST:
        raise ConfigError(
            [
                f"--nested {inner_folds}: a training window of {end - first} sessions is too short for as many inner folds"
                + (f" with {gap} sessions left out before each test" if gap else "")
            ]
        )
    return [
        (
            window_of(starts, (first, edges[number] - gap)),
            window_of(starts, (edges[number], edges[number + 1])),
        )
        for number in range(1, inner_folds + 1)
    ]


def pick_rule(
    scores: Scores,
    places: Sequence[tuple[int, int]],
    near: Sequence[npt.NDArray[np.int64]],
    *,
    default: Rule,
) -> list[Rule]:
    """Rule for each account, from the scores on inner windows.

    Parameters
    ----------
    scores
        Of all candidates.
    places
        Numbers of the inner training and test windows among the scored ones.
    near
        Neighbours of each candidate.
    default
        The rule where no inner test tells anything, and the winner among equals.
    """
    judge = merit(scores, JUDGE)
    rules = (default, *(rule for rule in all_rules() if rule != default))
    accounts = judge.shape[2]
    worth = np.full((len(rules), accounts), -np.inf)
    trains = [train for train, _ in places]
    tests = np.array([test for _, test in places])
    for number, rule in enumerate(rules):
        chosen = choose(merit(scores, rule.metric)[:, trains], near if rule.plateau else None)
        found = judge[chosen, tests[:, None], np.arange(accounts)[None, :]]
        found = np.where(
            (chosen == NO_CHOICE) | np.isnan(found), 0.0, found
        )  # nothing was traded: neither good nor bad
        worth[number] = found.mean(axis=0)
    return [rules[place] for place in worth.argmax(axis=0).tolist()]
