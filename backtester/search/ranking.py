"""The best combinations, and whether they stand alone: the median of the figure over each one's neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from backtester.search.ranges import Value
from backtester.search.space import Space
from backtester.search.work import METRICS, SMALL_IS_GOOD
from core.errors import ConfigError
from strategy.base import nearest

STEADY_AMONG = 100
"""How many of the best are looked at for the one with the best neighbourhood."""

_NEEDED_NEIGHBOURS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A figure and which way is better."""

    metric: str
    maximise: bool

    @classmethod
    def of(cls, text: str, option: str = "--metric") -> Objective:
        """Read ``sharpe`` or ``max_drawdown:min``.

        Raises
        ------
        ConfigError
            For a figure or a direction that there isn't.
        """
        metric, colon, direction = text.partition(":")
        if metric not in METRICS:
            raise ConfigError([f"{option} {text}: there is no figure {metric}{nearest(metric, METRICS)}"])
        if colon and direction not in {"max", "min"}:
            raise ConfigError([f"{option} {text}: the direction must be max or min"])
        return cls(metric=metric, maximise=direction == "max" if colon else metric not in SMALL_IS_GOOD)

    @property
    def order(self) -> str:
        """As SQL says it."""
        return "DESC" if self.maximise else "ASC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A combination with its figures; ``around`` is the median over its neighbours, None with fewer than two."""

    number: int
    values: Mapping[str, Value]
    figures: Mapping[str, float]
    around: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What a search found.

    Attributes
    ----------
    scored, ranked
        Combinations, and those of them that have the figure and enough fills.
    best
        The best ones, best first.
    steadiest
        Of the best hundred, the one whose neighbours do best; None when none has neighbours.
    median
        Of the figure over all that were ranked.
    trials, sharpe_deviation
        How many have a Sharpe ratio (those that never traded have none), and the standard deviation of the annual ones.
    """

    objective: Objective
    min_fills: int
    scored: int
    ranked: int
    best: Sequence[Ranked]
    steadiest: Ranked | None
    median: float | None
    trials: int
    sharpe_deviation: float | None


def rank(
    database: duckdb.DuckDBPyConnection, space: Space, objective: Objective, *, top: int, min_fills: int
) -> Ranking:
    """Rank what `TrialStore.connect` shows; equals come in the order of their numbers."""
    metric = objective.metric
    good = f"NOT isnan({metric}) AND fills >= {min_fills:d}"
    scored, ranked, middle = database.execute(
        f"SELECT count(*), count(*) FILTER ({good}), median({metric}) FILTER ({good}) FROM trials"  # noqa: S608 (names of ours)
    ).fetchone() or (0, 0, None)
    trials, spread = database.execute(
        "SELECT count(*), stddev_samp(sharpe) FROM trials WHERE NOT isnan(sharpe)"
    ).fetchone() or (0, None)
    rows = database.execute(
        f"SELECT trial, {', '.join(METRICS)} FROM trials WHERE {good} "  # noqa: S608
        f"ORDER BY {metric} {objective.order}, trial LIMIT {max(top, STEADY_AMONG):d}"
    ).fetchall()
    around = _around(database, space, [row[0] for row in rows], metric)
    best = [
        Ranked(
            number=number,
            values=space.values(number),
            figures=dict(zip(METRICS, figures, strict=True)),
            around=around.get(number),
        )
        for number, *figures in rows
    ]
    sign = 1.0 if objective.maximise else -1.0
    steady = [one for one in best[:STEADY_AMONG] if one.around is not None]
    return Ranking(
        objective=objective,
        min_fills=min_fills,
        scored=scored,
        ranked=ranked,
        best=best[:top],
        steadiest=max(steady, key=lambda one: sign * (one.around or 0.0), default=None),
        median=middle,
        trials=trials,
        sharpe_deviation=spread,
    )


def _around(
    database: duckdb.DuckDBPyConnection, space: Space, numbers: Sequence[int], metric: str
) -> dict[int, float]:
    """Median of the figure over the neighbours that were scored, for each combination that has enough of them."""
    pairs = [(number, one) for number in numbers for one in space.neighbours(number)]
    if not pairs:
        return {}
    centre, beside = np.array(pairs, dtype=np.int64).T
    database.register("pairs", pa.table({"centre": centre, "beside": beside}))
    rows = database.execute(
        f"SELECT centre, median({metric}) FROM pairs JOIN trials ON trial = beside WHERE NOT isnan({metric}) "  # noqa: S608
        f"GROUP BY centre HAVING count(*) >= {_NEEDED_NEIGHBOURS}"
    ).fetchall()
    database.unregister("pairs")
    return dict(rows)
