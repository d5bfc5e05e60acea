"""How much a series usually moves: the yardstick of the checks that judge jumps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_WINDOW = 63
_LEAST = 10
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
    medians = pd.Series(moves).rolling(_WINDOW, center=True, min_periods=_LEAST).median().to_numpy()
    scale = np.asarray(_NORMAL * medians, dtype=np.float64)
    return np.append(scale[0], scale)


def runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end (exclusive) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
