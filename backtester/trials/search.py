"""What writes the ledger: searches chunk by chunk, walk-forwards and single runs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from backtester.search.identity import hash_of
from backtester.search.work import Part, Work
from backtester.strategy_files import StrategySource
from backtester.study import Study
from backtester.trials.configurations import (
    UintArray,
    leaves_of,
    numbers_of_rows,
    numbers_of_space,
)
from backtester.trials.ledger import TrialLedger, Tried
from backtester.validation.selection import Grid

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SearchTrials:
    """The trials of a search over a space, as the ledger wants them."""

    ledger: TrialLedger
    tried: Tried
    work: Work

    @classmethod
    def of(cls, study: Study, work: Work, mode: str, identity: Mapping[str, object]) -> SearchTrials:
        """Trials of a search with this identity."""
        tried = Tried.on(
            study.market,
            [one.name for one in study.strategies],
            study=hash_of(identity),
            mode=mode,
            first_bar=study.first_bar,
            end=len(study.market.end_ns),
        )
        return cls(ledger=ledger_of(study), tried=tried, work=work)

    @cached_property
    def _leaves(self) -> dict[str, object]:
        work = self.work
        return leaves_of(work.settings, work.origins, work.base, work.weights)

    def note(self, first: int, part: Part) -> None:
        """Write a part of the search down, before it is saved; ``first`` names it."""
        if len(part.numbers):
            self.ledger.record(self.tried, str(first), self._numbers(part.numbers), part.figures["sharpe"])

    def earlier(self, numbers: npt.NDArray[np.int64]) -> int:
        """Count configurations that were tried on this data and aren't among combinations ``numbers``."""
        return self.ledger.earlier(self.tried, self._numbers(numbers))

    def _numbers(self, combinations: npt.NDArray[np.int64]) -> UintArray:
        return numbers_of_space(self.work.space, self._leaves, combinations)


def ledger_of(study: Study) -> TrialLedger:
    """Ledger beside the journals of the study's configuration."""
    return TrialLedger(study.loaded.folders.control)


def numbers_of_grid(study: Study, grid: Grid, weight: float) -> UintArray:
    """Find the numbers of the candidates of a walk-forward."""
    name = grid.kind.name
    origin = _origin(study, name)
    every = [one.parameters._asdict() for one in grid.strategies]
    base = leaves_of(study.loaded.settings, [origin], [every[0]], [weight])
    return numbers_of_rows(base, [{f"{name}.{key}": value for key, value in one.items()} for one in every])


def note_grid(
    study: Study,
    grid: Grid,
    weight: float,
    sharpes: Sequence[float] | FloatArray,
    tried: Tried,
) -> int:
    """Write a walk-forward's candidates down; return how many other configurations were tried on this data before."""
    ledger, numbers = ledger_of(study), numbers_of_grid(study, grid, weight)
    ledger.record(tried, "all", numbers, np.asarray(sharpes, dtype=np.float64))
    return ledger.earlier(tried, numbers)


def _origin(study: Study, name: str) -> StrategySource:
    for origin, strategy in zip(study.origins, study.strategies, strict=True):
        if strategy.name == name:
            return origin
    raise ValueError(f"{name} isn't traded in this study")
