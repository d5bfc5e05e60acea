"""How much a series usually moves: the yardstick of the checks that judge jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_WINDOW = 63
_LEAST = 10
_ROWS = 4096
"""Windows that are put in order at once."""
_NORMAL = 1.4826
"""Standard deviation of a normal variable over its median absolute value."""


def local_scale(closes: FloatArray) -> FloatArray:
    """Robust standard deviation of the log returns around each bar, shape (bars,).

    The median of the absolute returns in a centred window of 63 bars, times 1.4826 (F. Hampel, "The influence curve
    and its role in robust estimation", JASA 69 (1974)). A median isn't moved by the very jump that is judged, and a
    local one follows calm and wild times. With fewer than ten returns it is infinite: nothing can be judged.
    """
    moves = np.abs(np.diff(np.log(closes)))
    if len(moves) < _LEAST:
        return np.full(len(closes), np.inf)
    scale = _NORMAL * _centred_medians(moves)
    return np.append(scale[0], scale)


def _centred_medians(moves: FloatArray) -> FloatArray:
    """Median of the finite values in the window around each; NaN with fewer than ten."""
    aside = np.full(_WINDOW // 2, np.nan)
    padded = np.concatenate([aside, np.where(np.isfinite(moves), moves, np.nan), aside])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)
    medians = np.empty(len(moves))
    for first in range(0, len(moves), _ROWS):
        ordered = np.sort(windows[first : first + _ROWS], axis=1)  # NaN comes last
        counts = np.count_nonzero(~np.isnan(ordered), axis=1)
        rows = np.arange(len(ordered))
        middle = (ordered[rows, np.maximum(counts - 1, 0) // 2] + ordered[rows, counts // 2]) / 2.0
        medians[first : first + _ROWS] = np.where(counts >= _LEAST, middle, np.nan)
    return medians


def runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end (exclusive) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
