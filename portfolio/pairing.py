"""Both legs of a pair or neither: what the limits have left of one leg is what the other may have. A kernel.

Half a pair is an outright bet. So, after all limits (`portfolio.decision`):

1. Two flat legs are entered together, cut by the same fraction, the smaller of what the limits have left of each; if
   nothing is left of one, neither is entered.
2. Two held legs are cut together, and closed together.
3. A leg whose partner is flat (its stop was hit, it was denied, it found no volume) is closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.errors import ConfigError
from core.kernel import kernel
from core.reasons import Reason
from portfolio.decision_types import FloatMatrix, IntMatrix
from strategy.base import Strategy

NO_PARTNER = -1


def partner_columns(strategies: Sequence[Strategy], symbols: Sequence[str]) -> IntMatrix:
    """Column of the other leg of every strategy and symbol, `NO_PARTNER` for none; of shape (0, 0) without any pairs.

    Raises
    ------
    ConfigError
        When a leg is not among the symbols.
    """
    if not any(strategy.pairs for strategy in strategies):
        return np.empty((0, 0), dtype=np.int64)
    column = {symbol: number for number, symbol in enumerate(symbols)}
    partners = np.full((len(strategies), len(symbols)), NO_PARTNER, dtype=np.int64)
    problems = []
    for row, strategy in enumerate(strategies):
        for pair in strategy.pairs:
            missing = [symbol for symbol in pair if symbol not in column]
            problems += [
                f"{strategy.name}: {symbol} of the pair {'/'.join(pair)} is not among the symbols"
                for symbol in missing
            ]
            if not missing:
                one, two = (column[symbol] for symbol in pair)
                partners[row, one], partners[row, two] = two, one
    if problems:
        raise ConfigError(problems)
    return partners


@kernel
def pair_up(
    partners: IntMatrix, positions: FloatMatrix, wishes: FloatMatrix, targets: FloatMatrix, reasons: IntMatrix
) -> None:
    """Bring the targets of paired cells into line; cells without a partner stay as they are.

    Parameters
    ----------
    partners
        Column of each cell's other leg, `NO_PARTNER` for none; shape (strategies, symbols) as all.
    positions
        Signed quantities held.
    wishes
        What was wanted before the limits.
    targets, reasons
        What the limits have left; written.
    """
    for strategy in range(partners.shape[0]):
        for symbol in range(partners.shape[1]):
            other = partners[strategy, symbol]
            if other > symbol:
                _pair(positions, wishes, targets, reasons, ((strategy, symbol), (strategy, other)))


@kernel
def _pair(
    positions: FloatMatrix,
    wishes: FloatMatrix,
    targets: FloatMatrix,
    reasons: IntMatrix,
    legs: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    one, two = legs
    held, other_held = positions[one] != 0.0, positions[two] != 0.0
    if held != other_held:
        alone, gone = (one, two) if held else (two, one)
        targets[alone] = 0.0
        reasons[alone] = Reason.PAIR_BROKEN
        if targets[gone] != 0.0:
            targets[gone] = 0.0
            reasons[gone] = Reason.PAIR_BROKEN
        return
    begin_one = positions[one] if held else wishes[one]
    begin_two = positions[two] if held else wishes[two]
    if targets[one] == begin_one and targets[two] == begin_two:
        return
    share = min(_share(targets[one], begin_one), _share(targets[two], begin_two))
    _cut(targets, reasons, one, begin_one, share)
    _cut(targets, reasons, two, begin_two, share)
    if (targets[one] == 0.0) != (targets[two] == 0.0):
        for cell in (one, two):
            if targets[cell] != 0.0:
                targets[cell] = 0.0
                reasons[cell] = Reason.PAIR_BROKEN


@kernel
def _share(target: float, begin: float) -> float:
    """Share of a leg that is left; 0 where nothing was wanted. Rounding to whole shares is no cut."""
    if begin == 0.0:
        return 0.0
    return 1.0 if abs(begin) - abs(target) < 1.0 else target / begin


@kernel
def _cut(targets: FloatMatrix, reasons: IntMatrix, cell: tuple[int, int], begin: float, share: float) -> None:
    """Leave ``share`` of a leg, in whole shares; never more than the limits have left."""
    size = min(math.floor(abs(begin) * share + 1e-9), abs(targets[cell]))
    cut = size if begin > 0.0 else -size
    if cut != targets[cell]:
        targets[cell] = cut
        if reasons[cell] == Reason.NONE:
            reasons[cell] = Reason.PAIR_BROKEN
