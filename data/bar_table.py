"""Price bars of one symbol as columns, whatever file they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BackstopError

DAILY = 86_400
NS_PER_S = 1_000_000_000


class DataError(BackstopError):
    """Price data that can't be used.

    Parameters
    ----------
    problems
        Every problem found, one readable sentence each: file, line, value, what is expected.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarTable:
    """Bars of one symbol, oldest first; every column has the shape (bars,).

    Attributes
    ----------
    symbol
        The symbol.
    size_s
        Seconds in a bar; ``DAILY`` for one bar a session, however long that session is.
    end_ns
        Closing time of each bar, int64 nanoseconds UTC, strictly rising. A daily bar ends with its session.
    open, high, low, close
        Prices in dollars, float64, finite and positive, with ``low <= open, close <= high``.
    volume
        Shares, float64, finite, not negative.
    notes
        What the loader did to the data (splits adjusted, rows outside regular hours left out); for humans.
    """

    symbol: str
    size_s: int
    end_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.end_ns):
            raise DataError([f"{self.symbol}: there are no bars"])
        for column in (self.end_ns, self.open, self.high, self.low, self.close, self.volume):
            if column.shape != self.end_ns.shape:
                raise ValueError(f"{self.symbol}: the columns differ in length")
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.end_ns)

    @property
    def is_daily(self) -> bool:
        """Whether there is one bar a session."""
        return self.size_s == DAILY

    def rows_between(self, after_ns: int, until_ns: int) -> slice:
        """Rows whose bars end in the half-open interval (``after_ns``, ``until_ns``]."""
        first, last = np.searchsorted(self.end_ns, [after_ns, until_ns], side="right")
        return slice(int(first), int(last))
