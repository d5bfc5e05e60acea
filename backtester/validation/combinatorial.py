"""Combinatorial purged cross-validation: many out-of-sample paths instead of one.

The sessions are cut into ``groups`` of equal length. Every choice of ``test_groups`` of them is once the test, the
others are the training, so that each group is tested under many trainings and ``paths`` whole curves can be put together.
Training sessions next to a test are left out: ``purge`` on both its sides, ``embargo`` behind it.

Every candidate is traded once over each group, in an account that begins there with the opening cash (bars before it warm up),
and its returns are put together. So a training figure is that of the joined returns of its groups.

M. Lopez de Prado, "Advances in Financial Machine Learning" (2018), chapter 12. Splits and paths are those of
``skfolio.model_selection.CombinatorialPurgedCV``, which the tests compare; here they are cut per group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from backtester.batch import score
from backtester.market import Market
from backtester.validation.figures import Figures, figures_of
from backtester.validation.selection import NO_CHOICE, Grid, choose, neighbours
from backtester.validation.windows import SMALLEST_TEST, session_starts, window_of
from core.config_schema import Settings
from core.errors import ConfigError
from portfolio.risk_manager import SESSIONS_PER_YEAR

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CPCV_METRICS = ("sharpe", "cagr", "total_return")
"""Metrics of joined returns that don't depend on the order of the groups."""
MOST_SPLITS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Groups that are tested; the others are trained on."""

    tests: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Combinations:
    """How the sessions are cut."""

    groups: int
    test_groups: int
    purge: int = 0
    embargo: int = 0

    def problems(self) -> list[str]:
        """Every value that can't be, in the words of the command line."""
        text = f"--cpcv {self.groups}:{self.test_groups}"
        if self.groups < 3:
            return [f"{text}: needs at least 3 groups"]
        if not 1 <= self.test_groups < self.groups:
            return [f"{text}: the test groups must be 1 to {self.groups - 1}"]
        if comb(self.groups, self.test_groups) > MOST_SPLITS:
            return [f"{text}: makes {comb(self.groups, self.test_groups):,} splits; at most {MOST_SPLITS:,}"]
        if self.purge < 0 or self.embargo < 0:
            return [f"--purge {self.purge} --embargo {self.embargo}: must not be negative"]
        return []

    @property
    def paths(self) -> int:
        """Whole curves that can be put together: each group is tested this often."""
        return comb(self.groups - 1, self.test_groups - 1)

    def splits(self) -> list[Split]:
        """Every choice of test groups, in lexicographic order."""
        return [Split(tests=tests) for tests in combinations(range(self.groups), self.test_groups)]

    def edges(self, sessions: int) -> list[tuple[int, int]]:
        """First and end of each group; the last one takes what is left over."""
        size = sessions // self.groups
        return [
            (number * size, (number + 1) * size if number < self.groups - 1 else sessions)
            for number in range(self.groups)
        ]

    def kept(self, split: Split, group: int, length: int) -> tuple[int, int]:
        """First and end of the sessions of a training group that are trained on, counted from the group's first."""
        first = self.purge + self.embargo if group - 1 in split.tests else 0
        last = length - self.purge if group + 1 in split.tests else length
        return min(first, length), max(last, min(first, length))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossValidation:
    """What was chosen in each split, and the paths.

    Attributes
    ----------
    combinations
        How it was cut.
    spans
        First and end session of each group, from the market's first session.
    splits, chosen
        Splits, and the candidate of each (`NO_CHOICE` where nothing was traded in training).
    in_sample
        Figure that decided, of each split; NaN without a choice.
    returns
        Shape (paths, sessions).
    figures
        Of each path.
    """

    combinations: Combinations
    spans: tuple[tuple[int, int], ...]
    splits: tuple[Split, ...]
    chosen: IntArray
    in_sample: FloatArray
    returns: FloatArray
    figures: tuple[Figures, ...]


def cross_validate(
    settings: Settings,
    market: Market,
    grid: Grid,
    cut: Combinations,
    *,
    metric: str = "sharpe",
    plateau: bool = False,
    weight: float = 1.0,
    first_bar: int = 0,
    workers: int | None = None,
    on_done: Callable[[int], None] = lambda _candidates: None,
) -> CrossValidation:
    """Choose in every split by its training groups, and put the paths together.

    Parameters
    ----------
    settings, market, grid, weight, first_bar, workers, on_done
        As for `backtester.validation.walk_forward.walk_forward`.
    cut
        Groups.
    metric, plateau
        One of `CPCV_METRICS`; whether candidates are judged with their neighbours.

    Raises
    ------
    ConfigError
        Impossible groups, or a history too short for them.
    """
    problems = cut.problems()
    if metric not in CPCV_METRICS:
        problems.append(
            f"--metric {metric}: a combinatorial cross-validation knows {', '.join(CPCV_METRICS)}"
        )
    if problems:
        raise ConfigError(problems)
    starts = session_starts(market)
    first = int(np.searchsorted(starts[:-1], first_bar))
    spans = [(first + a, first + b) for a, b in cut.edges(len(starts) - 1 - first)]
    shortest = min(end - begin for begin, end in spans)
    if shortest - 2 * cut.purge - cut.embargo < SMALLEST_TEST:
        raise ConfigError(
            [
                f"--cpcv {cut.groups}:{cut.test_groups}: groups of {shortest} sessions are too short (purge and embargo included)"
            ]
        )
    scores = score(
        settings,
        market,
        [[one] for one in grid.strategies],
        [weight],
        windows=[window_of(starts, span) for span in spans],
        session_returns=True,
        workers=workers,
        on_done=on_done,
    )
    returns = [window[:, 0, :] for window in scores.session_returns]
    traded = scores.fills[:, :, 0] > 0
    splits = cut.splits()
    values = np.stack([_merit(returns, traded, cut, split, metric) for split in splits], axis=1)
    chosen = choose(values, neighbours(grid.points) if plateau else None)
    nothing = chosen == NO_CHOICE
    in_sample = np.where(nothing, np.nan, values[chosen, np.arange(len(splits))])
    paths = _paths(returns, splits, chosen, cut)
    return CrossValidation(
        combinations=cut,
        spans=tuple(spans),
        splits=tuple(splits),
        chosen=chosen,
        in_sample=in_sample,
        returns=paths,
        figures=tuple(figures_of(path) for path in paths),
    )


def _merit(
    returns: list[FloatArray], traded: npt.NDArray[np.bool_], cut: Combinations, split: Split, metric: str
) -> FloatArray:
    """Figure of every candidate over the training groups of a split; NaN where it traded in none of them."""
    count, total, squares, growth = 0, 0.0, 0.0, 0.0
    fills = np.zeros(len(traded), dtype=bool)
    for group, table in enumerate(returns):
        if group in split.tests:
            continue
        first, last = cut.kept(split, group, table.shape[1])
        part = table[:, first:last]
        count += part.shape[1]
        total = total + part.sum(axis=1)
        squares = squares + (part**2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = growth + np.log1p(part).sum(axis=1)
        fills |= traded[:, group]
    if metric == "sharpe":
        mean = np.asarray(total) / count
        variance = (np.asarray(squares) - count * mean**2) / (count - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(variance > 1e-24, mean / np.sqrt(variance), np.nan) * np.sqrt(SESSIONS_PER_YEAR)
    elif metric == "cagr":
        found = np.expm1(np.asarray(growth) * SESSIONS_PER_YEAR / count)
    else:
        found = np.expm1(growth)
    return np.where(fills & np.isfinite(found), found, np.nan)


def _paths(returns: list[FloatArray], splits: list[Split], chosen: IntArray, cut: Combinations) -> FloatArray:
    """Put the paths' returns together: path ``j`` takes each group from the ``j``-th split that tests it."""
    rows = []
    for group, table in enumerate(returns):
        testing = [number for number, split in enumerate(splits) if group in split.tests]
        rows.append(
            np.stack(
                [
                    table[chosen[number]] if chosen[number] != NO_CHOICE else np.zeros(table.shape[1])
                    for number in testing
                ]
            )
        )
    assert all(len(row) == cut.paths for row in rows)
    return np.concatenate(rows, axis=1)
