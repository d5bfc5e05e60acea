"""Between signals and decision: which wanted entries are judged, and how the decision is kept from making denied ones.

A wanted entry is judged at every bar on which it is wanted, but a veto stands until its signal changes (`portfolio.veto.standing`). What
is new in a verdict is a ruling, and goes to the journal: the replay of a journal follows the rulings and asks no model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from portfolio.veto.standing import Cell, Standing, candidates
from portfolio.veto.verdict import Outcome, Verdict

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Judge = Callable[[str, str, int], Verdict]
"""Strategy, symbol and market time (ns) of an entry: the verdict on it. It must not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A new verdict on a wanted entry.

    ``side`` is +1 or -1; ``quantity`` what the decision would have entered without any veto (signed), and ``price`` the close that
    it was made on.
    """

    strategy: str
    symbol: str
    side: int
    verdict: Verdict
    enforced: bool
    quantity: Decimal = Decimal(0)
    price: float = float("nan")
    stop_distance: float = float("nan")

    @property
    def denies(self) -> bool:
        """Whether it keeps the entry from being made."""
        return self.enforced and self.verdict.outcome is not Outcome.APPROVED


class EntryVeto:
    """Judges the entries of some strategies.

    Parameters
    ----------
    strategies, symbols
        Names, in the order of the matrices.
    judged
        Strategies whose entries are judged.
    shorts
        Whether short positions may be opened.
    judge
        Gives the verdicts.
    enforces
        Whether what isn't approved is denied; else verdicts are only told.
    """

    def __init__(
        self,
        *,
        strategies: Sequence[str],
        symbols: Sequence[str],
        judged: Collection[str],
        shorts: bool,
        judge: Judge,
        enforces: bool,
    ) -> None:
        self._strategies = tuple(strategies)
        self._symbols = tuple(symbols)
        self._judged = frozenset(judged)
        self._shorts = shorts
        self._judge = judge
        self._enforces = enforces
        self._standing = Standing((len(self._strategies), len(self._symbols)))
        self._told: dict[Cell, tuple[int, Verdict]] = {}

    def rule(
        self, signals: FloatArray, positions: FloatArray, directions: IntArray, end_ns: int
    ) -> tuple[FloatArray, list[tuple[Cell, Ruling]]]:
        """Judge the entries that are wanted at the bar that ended at ``end_ns``.

        Parameters
        ----------
        signals, positions, directions
            Shape (strategies, symbols); the directions are up to date with the signals.

        Returns
        -------
        signals, rulings
            The signals that the decision may see, and what is new.
        """
        self._forget(signals)
        rulings = []
        wanted = candidates(signals, positions, directions, shorts=self._shorts)
        for cell in wanted:
            strategy = self._strategies[cell[0]]
            if strategy not in self._judged:
                continue
            side = 1 if signals[cell] > 0 else -1
            before = self._told.get(cell)
            if before is not None and before[1].outcome is Outcome.VETOED:
                continue
            verdict = self._judge(strategy, self._symbols[cell[1]], end_ns)
            if self._enforces:
                self._standing.put(cell, 0 if verdict.outcome is Outcome.APPROVED else side)
            if before is None or (before[1].outcome, before[1].detail) != (verdict.outcome, verdict.detail):
                self._told[cell] = (side, verdict)
                ruling = Ruling(
                    strategy=strategy,
                    symbol=self._symbols[cell[1]],
                    side=side,
                    verdict=verdict,
                    enforced=self._enforces,
                )
                rulings.append((cell, ruling))
        return self._standing.masked(signals, wanted), rulings

    def _forget(self, signals: FloatArray) -> None:
        """Begin anew where a signal has changed."""
        self._standing.settle(signals)
        for cell, (side, _verdict) in tuple(self._told.items()):
            signal = signals[cell]
            if not np.isnan(signal) and np.sign(signal) != side:
                del self._told[cell]
