"""Which entries are denied right now: the rules by which a veto stands, for live trading and for the replay of a journal.

A denied entry counts as a signal of 0 while the strategy is flat in the symbol. So it takes no room from others under the caps,
and a position that is there is held, stopped and closed as ever: a veto never touches an exit. A veto stands until
its signal changes; the model isn't asked again and again until it gives in. A denial because nothing is known is no veto: it ends when
something is known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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

    def denies(self, cell: tuple[int, int]) -> bool:
        """Whether an entry of the present signal is denied."""
        return bool(self._denied[cell])

    def put(self, cell: tuple[int, int], direction: int) -> None:
        """Deny entries of a direction (+1 or -1), or none (0)."""
        self._denied[cell] = direction

    def masked(self, signals: FloatArray, positions: FloatArray) -> FloatArray:
        """Signals as the decision may see them: 0 where an entry is denied. The same array when none is."""
        if not self._denied.any():
            return signals
        hidden = (positions == 0) & (self._denied != 0) & (np.sign(signals) == self._denied)
        return np.where(hidden, 0.0, signals)


def candidates(
    signals: FloatArray, positions: FloatArray, directions: IntArray, *, shorts: bool
) -> list[tuple[int, int]]:
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
