"""What has to be known to score any combination of a search, here or on another machine, and the scoring itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.batch import FIGURES, Scores, Window, score
from backtester.market import Market
from backtester.search.grid import change_settings
from backtester.search.ranges import Value
from backtester.search.space import Space
from backtester.strategy_files import StrategySource
from backtester.study import Study
from core.config_schema import Settings
from core.errors import ConfigError
from strategy.base import Number, Strategy, StrategyKind

FloatArray = npt.NDArray[np.float64]
Changes = tuple[tuple[str, Value], ...]

METRICS = (*FIGURES, "calmar")
"""Figures of a combination, each of which can rank."""

SMALL_IS_GOOD = frozenset({"max_drawdown", "volatility_annual", "turnover", "commission"})
"""Metrics that are better when they are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """A search without its order: what is traded, on which bars, and the space.

    ``base`` are the values of the parameters that no axis changes, for each strategy.
    """

    settings: Settings
    market: Market
    first_bar: int
    origins: tuple[StrategySource, ...]
    base: tuple[Mapping[str, Number], ...]
    weights: tuple[float, ...]
    space: Space
    keep_returns: bool = False

    @classmethod
    def of(cls, study: Study, space: Space, *, keep_returns: bool) -> Work:
        """Take what a study trades."""
        return cls(
            settings=study.loaded.settings,
            market=study.market,
            first_bar=study.first_bar,
            origins=study.origins,
            base=tuple(one.parameters._asdict() for one in study.strategies),
            weights=study.weights,
            space=space,
            keep_returns=keep_returns,
        )

    def kinds(self) -> tuple[StrategyKind, ...]:
        """Load the strategies."""
        return tuple(origin.load() for origin in self.origins)

    def changes(self, number: int) -> Changes:
        """Keys of the configuration that combination ``number`` sets, with their values."""
        places = zip(self.space.axes, self.space.places(number), strict=True)
        return tuple((axis.key, axis.values[place]) for axis, place in places if axis.strategy is None)

    def settings_of(self, number: int) -> Settings:
        """Make the configuration of combination ``number``.

        Raises
        ------
        ConfigError
            When its values don't fit together.
        """
        return change_settings(self.settings, self.changes(number))

    def strategies(self, kinds: Sequence[StrategyKind], number: int) -> tuple[Strategy, ...]:
        """Make the strategies of combination ``number``.

        Raises
        ------
        ConfigError
            When its values don't fit together.
        """
        values = [dict(base) for base in self.base]
        for axis, place in zip(self.space.axes, self.space.places(number), strict=True):
            if axis.strategy is not None:
                value = axis.values[place]
                assert not isinstance(value, str)
                values[axis.strategy][axis.name] = value
        return tuple(kind.create(one) for kind, one in zip(kinds, values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Scores of some combinations.

    Attributes
    ----------
    numbers
        Shape (combinations,): those that were scored. Combinations whose values don't fit together are not among them.
    figures
        Each of `METRICS`, shape (combinations,); NaN where it can't be told.
    returns
        Session returns, shape (combinations, sessions), or None when they aren't kept.
    conflicts
        How many were skipped; ``example`` says why the first of them was.
    """

    numbers: npt.NDArray[np.int64]
    figures: Mapping[str, FloatArray]
    returns: FloatArray | None
    conflicts: int
    example: str | None


def evaluate(
    work: Work,
    numbers: npt.NDArray[np.int64],
    *,
    workers: int | None = None,
    on_done: Callable[[int], None] = lambda _combinations: None,
) -> Part:
    """Score combinations of a search.

    Parameters
    ----------
    work
        The search.
    numbers
        Of the combinations.
    workers
        Threads; None for one a core.
    on_done
        Called with the number of combinations that were finished since the last call.
    """
    kinds = work.kinds()
    settings: dict[Changes, Settings] = {}
    groups: dict[Changes, list[tuple[int, tuple[Strategy, ...]]]] = {}
    conflicts, example = 0, None
    for number in numbers.tolist():
        try:
            strategies, changes = work.strategies(kinds, number), work.changes(number)
            if changes not in settings:
                settings[changes] = change_settings(work.settings, changes)
        except ConfigError as error:
            conflicts, example = conflicts + 1, example or error.problems[0]
            continue
        groups.setdefault(changes, []).append((number, strategies))
    if conflicts:
        on_done(conflicts)
    scored = [
        _score(work, settings[changes], [one for _, one in group], workers, on_done)
        for changes, group in groups.items()
    ]
    figures = {name: _join([getattr(one, name)[:, 0, 0] for one in scored]) for name in FIGURES}
    figures["calmar"] = calmar(figures["cagr"], figures["max_drawdown"])
    returns = None
    if work.keep_returns and scored:
        returns = np.concatenate([one.session_returns[0][:, 0, :] for one in scored])
    return Part(
        numbers=np.array([number for group in groups.values() for number, _ in group], dtype=np.int64),
        figures=figures,
        returns=returns,
        conflicts=conflicts,
        example=example,
    )


def _score(
    work: Work,
    settings: Settings,
    candidates: list[tuple[Strategy, ...]],
    workers: int | None,
    on_done: Callable[[int], None],
) -> Scores:
    return score(
        settings,
        work.market,
        candidates,
        work.weights,
        windows=[Window(first=work.first_bar, end=len(work.market.end_ns))],
        session_returns=work.keep_returns,
        workers=workers,
        on_done=on_done,
    )


def joined(parts: Sequence[Part]) -> Part:
    """Put parts of one work one after the other."""
    kept = [one.returns for one in parts if one.returns is not None]
    return Part(
        numbers=np.concatenate([one.numbers for one in parts]),
        figures={name: np.concatenate([one.figures[name] for one in parts]) for name in METRICS},
        returns=np.concatenate(kept) if kept else None,
        conflicts=sum(one.conflicts for one in parts),
        example=next((one.example for one in parts if one.example is not None), None),
    )


def _join(columns: list[FloatArray]) -> FloatArray:
    return np.concatenate(columns) if columns else np.empty(0)


def calmar(growth: FloatArray, drawdown: FloatArray) -> FloatArray:
    """Compound growth over the largest drawdown; NaN without a drawdown."""
    result: FloatArray = np.divide(growth, drawdown, out=np.full(len(growth), np.nan), where=drawdown > 0)
    return result
