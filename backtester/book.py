"""The simulated account and its records, as kernels see them."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.carry import FlowColumn
from core.kernel import inlined_kernel, kernel
from core.reasons import Reason

FloatMatrix = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]
IntVector = npt.NDArray[np.int64]


class Kind(IntEnum):
    """What a working order is for."""

    NOTHING = 0
    ENTRY = 1
    EXIT = 2
    STOP = 3
    """A protective stop that has been triggered; what the volume didn't take goes on as a market order."""


class FillColumn(IntEnum):
    """Columns of the record of fills. Prices and amounts in micro-dollars; ``QUANTITY`` is signed."""

    BAR = 0
    STRATEGY = 1
    SYMBOL = 2
    QUANTITY = 3
    PRICE = 4
    COMMISSION = 5
    KIND = 6
    REASON = 7
    DECIDED = 8


class DenialColumn(IntEnum):
    """Columns of the record of denials; ``QUANTITY`` is what was not ordered, or not filled, 0 if nothing was sized."""

    BAR = 0
    STRATEGY = 1
    SYMBOL = 2
    REASON = 3
    QUANTITY = 4


class Book(NamedTuple):
    """Positions and orders; every matrix is of shape (strategies, symbols).

    A strategy has at most one working order a symbol, and beside it a protective stop.

    ``position`` is signed. ``kind``, ``left`` (signed), ``filled``, ``turnover``, ``charged``, ``month_shares``,
    ``reason``, ``decided`` (bar), ``limit`` (0 for a market order) and ``next_stop`` belong to the working order; ``stop``
    is the price of the position's protective stop, 0 for none, and ``trail`` the distance at which it follows the best price,
    0 if it is fixed (see `backtester.trailing`). ``said`` and ``told`` hold the last reason of the decision and the last denial.
    """

    position: FloatMatrix
    kind: IntMatrix
    left: IntMatrix
    filled: IntMatrix
    turnover: IntMatrix
    charged: IntMatrix
    month_shares: IntMatrix
    reason: IntMatrix
    decided: IntMatrix
    limit: IntMatrix
    next_stop: IntMatrix
    stop: IntMatrix
    trail: IntMatrix
    said: IntMatrix
    told: IntMatrix


class Money(NamedTuple):
    """Cash in micro-dollars (trade date, and settled), and the month's counters."""

    cash: int
    settled: int
    month: int
    month_fills: int
    month_shares: int


class Records(NamedTuple):
    """Fills, denials and cash flows (`backtester.carry`), one a row; ``counts`` says how many of each are used."""

    fills: IntMatrix
    denials: IntMatrix
    flows: IntMatrix
    counts: IntVector


@kernel
def new_book(strategies: int, symbols: int) -> Book:
    """Book without positions."""
    shape = (strategies, symbols)
    return Book(
        position=np.zeros(shape),
        kind=np.zeros(shape, dtype=np.int64),
        left=np.zeros(shape, dtype=np.int64),
        limit=np.zeros(shape, dtype=np.int64),
        filled=np.zeros(shape, dtype=np.int64),
        turnover=np.zeros(shape, dtype=np.int64),
        charged=np.zeros(shape, dtype=np.int64),
        month_shares=np.zeros(shape, dtype=np.int64),
        reason=np.zeros(shape, dtype=np.int64),
        decided=np.zeros(shape, dtype=np.int64),
        next_stop=np.zeros(shape, dtype=np.int64),
        stop=np.zeros(shape, dtype=np.int64),
        trail=np.zeros(shape, dtype=np.int64),
        said=np.zeros(shape, dtype=np.int64),
        told=np.zeros(shape, dtype=np.int64),
    )


def new_records(rows: int) -> Records:
    """Make records with room for ``rows`` fills and as many denials."""
    return Records(
        np.zeros((rows, len(FillColumn)), dtype=np.int64),
        np.zeros((rows, len(DenialColumn)), dtype=np.int64),
        np.zeros((rows, len(FlowColumn)), dtype=np.int64),
        np.zeros(3, dtype=np.int64),
    )


@kernel
def with_room(records: Records, rows: int) -> Records:
    """Make room for ``rows`` more of each: records twice as large when there is too little."""
    fills, denials, flows, counts = records
    if fills.shape[0] - counts[0] < rows:
        fills = _enlarged(fills, counts[0], rows)
    if denials.shape[0] - counts[1] < rows:
        denials = _enlarged(denials, counts[1], rows)
    if flows.shape[0] - counts[2] < rows:
        flows = _enlarged(flows, counts[2], rows)
    return Records(fills, denials, flows, counts)


@kernel
def _enlarged(table: IntMatrix, used: int, rows: int) -> IntMatrix:
    larger = np.zeros((2 * table.shape[0] + rows, table.shape[1]), dtype=np.int64)
    larger[:used] = table[:used]
    return larger


@inlined_kernel
def deny(
    book: Book, records: Records, bar: int, cell: tuple[int, int], reason: Reason, quantity: int
) -> None:
    """Record a denial, unless it repeats the last one of this strategy and symbol."""
    if book.told[cell] == reason:
        return
    book.told[cell] = reason
    row = records.denials[records.counts[1]]
    row[DenialColumn.BAR] = bar
    row[DenialColumn.STRATEGY] = cell[0]
    row[DenialColumn.SYMBOL] = cell[1]
    row[DenialColumn.REASON] = reason
    row[DenialColumn.QUANTITY] = quantity
    records.counts[1] += 1


@inlined_kernel
def start_order(
    book: Book,
    cell: tuple[int, int],
    kind: Kind,
    quantity: int,
    reason: int,
    decided: int,
    limit: int,
    next_stop: int,
) -> None:
    """Put an order to work in the place of whatever worked before; ``quantity`` is signed, ``limit`` 0 for none."""
    book.kind[cell] = kind
    book.left[cell] = quantity
    book.filled[cell] = 0
    book.turnover[cell] = 0
    book.charged[cell] = 0
    book.reason[cell] = reason
    book.decided[cell] = decided
    book.limit[cell] = limit
    book.next_stop[cell] = next_stop
