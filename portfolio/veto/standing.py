"""Which entries are denied right now: the rules by which a veto stands, for live trading and for the replay of a journal.

A denied entry counts as a signal of 0 while the strategy is flat in the symbol. So it takes no room from others under the caps,
and a position that is there is held, stopped and closed as ever: a veto never touches an exit. A veto stands until
its signal changes; the model isn't asked again and again until it gives in. A denial because nothing is known is no veto: it ends when
something is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cell = tuple[int, int]
"""Row of the strategy and column of the symbol."""


class Standing:
    """Denied directions of every strategy and symbol.

    Parameters
    ----------
    shape
        Strategies and symbols.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._denied = np.zeros(shape, dtype=np.int64)

    def settle(self, signals: FloatArray) -> None:
        """Forget what was denied of signals that have changed since; NaN is no change."""
        if self._denied.any():
            self._denied[(np.sign(signals) != self._denied) & ~np.isnan(signals)] = 0

    def put(self, cell: Cell, direction: int) -> None:
        """Deny entries of a direction (+1 or -1), or none (0)."""
        self._denied[cell] = direction

    def masked(self, signals: FloatArray, wanted: Sequence[Cell]) -> FloatArray:
        """Signals as the decision may see them: 0 where a wanted entry is denied. The same array when none is.

        ``wanted`` are the `candidates`. No other cell may be hidden: a position that its stop has closed would be forgotten.
        """
        hidden = [cell for cell in wanted if self._denied[cell]]
        if not hidden:
            return signals
        result = signals.copy()
        for cell in hidden:
            result[cell] = 0.0
        return result


def candidates(
    signals: FloatArray, positions: FloatArray, directions: IntArray, *, shorts: bool
) -> list[Cell]:
    """Cells in which an entry is wanted: flat, a signal, and not one that was held and lost its position.

    Parameters
    ----------
    signals, positions, directions
        Shape (strategies, symbols); directions as `portfolio.decision.observe_signals` leaves them for these signals.
    shorts
        Whether short positions may be opened.
    """
    wanted = (positions == 0) & ~np.isnan(signals) & (signals != 0)
    wanted &= np.sign(np.nan_to_num(signals)) != directions
    if not shorts:
        wanted &= signals > 0
    return [(int(row), int(column)) for row, column in np.argwhere(wanted)]
