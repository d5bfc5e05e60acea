"""Deciding at a bar's close, on all symbols or on those in which something has changed. Kernels.

On most bars that aren't quiet something has happened in one symbol of many: its signal has turned, an order has filled, a
stop was hit. `portfolio.quiet` says when it can be decided on by itself; then `portfolio.decision.decide_into` is asked about
a market of this one symbol. In all other cases it is asked about all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.book import FloatMatrix, IntMatrix, IntVector
from backtester.tape import MarketScan
from core.kernel import borrowing_kernel, inlined_kernel, kernel
from portfolio.decision import decide_into
from portfolio.decision_types import AccountRow, DecisionInputs, DecisionParameters, DecisionState
from portfolio.market_rows import MarketRows
from portfolio.quiet import symbol_stands, wants_entry
from portfolio.risk_manager import VolatilityState, VolatilitySums


class Cells(NamedTuple):
    """What a decision is asked about and what it answers, matrices of shape (strategies, symbols)."""

    signals: FloatMatrix
    positions: FloatMatrix
    directions: IntMatrix
    rows: MarketRows
    targets: FloatMatrix
    reasons: IntMatrix


class Touched(NamedTuple):
    """Symbols in which something has changed since the last decision, shape (symbols,): marks of 1, and a list."""

    marks: IntVector
    symbols: IntVector


@kernel
def new_cells(positions: FloatMatrix) -> Cells:
    """Cells of these positions, which the caller changes."""
    strategies, symbols = positions.shape
    matrices, rows = np.zeros((2, strategies, symbols)), np.zeros((3, symbols))
    whole = np.zeros((2, strategies, symbols), dtype=np.int64)
    return Cells(
        matrices[0], positions, whole[0], MarketRows(rows[0], rows[1], rows[2]), matrices[1], whole[1]
    )


@inlined_kernel
def list_touched(touched: Touched) -> int:
    """List the marked symbols in their order; return how many there are."""
    count = 0
    for symbol in range(touched.marks.size):
        touched.symbols[count] = symbol
        count += touched.marks[symbol]
    return count


@inlined_kernel
def list_all(touched: Touched) -> int:
    """List all symbols; return how many there are."""
    for symbol in range(touched.symbols.size):
        touched.symbols[symbol] = symbol
    return touched.symbols.size


@borrowing_kernel
def decide_cells(
    parameters: DecisionParameters,
    cells: Cells,
    returns: IntVector,
    sums: VolatilitySums,
    account: AccountRow,
) -> float:
    """Decide on all symbols of ``cells``; return the throttle."""
    volatility = VolatilityState(
        returns, sums.place, sums.total, sums.squares, sums.sessions, sums.last_nlv, sums.last_scale
    )
    state = DecisionState(cells.directions, volatility)
    inputs = DecisionInputs(cells.signals, cells.positions, cells.rows, account)
    return decide_into(parameters, state, inputs, cells.targets, cells.reasons).throttle


@inlined_kernel
def decide_apart(
    parameters: DecisionParameters,
    cells: Cells,
    one: Cells,
    listed: tuple[IntVector, int],
    market: MarketScan,
    bar: int,
    returns: IntVector,
    sums: VolatilitySums,
    account: AccountRow,
) -> bool:
    """Decide on each of some symbols as if no other were traded.

    Parameters
    ----------
    parameters, returns, sums, account
        As for `decide_cells`.
    cells
        Written for the symbols that were decided on. The rows aren't read.
    one
        Room for one symbol, overwritten.
    listed
        The symbols and how many they are.
    market, bar
        Where the rows stand.

    Returns
    -------
    bool
        False when somebody wants to enter: then all symbols have to be decided on together.
    """
    symbols, count = listed
    for place in range(count):
        symbol = symbols[place]
        one.rows.close[0] = market.close[bar, symbol]
        one.rows.atr[0] = market.atr[bar, symbol]
        one.rows.average_volume[0] = market.average_volume[bar, symbol]
        for strategy in range(cells.signals.shape[0]):
            one.signals[strategy, 0] = cells.signals[strategy, symbol]
            one.positions[strategy, 0] = cells.positions[strategy, symbol]
            one.directions[strategy, 0] = cells.directions[strategy, symbol]
        throttle = decide_cells(parameters, one, returns, sums, account)
        if wants_entry(throttle, one.signals, one.positions, one.reasons, 0):
            return False
        for strategy in range(cells.signals.shape[0]):
            cells.directions[strategy, symbol] = one.directions[strategy, 0]
            cells.targets[strategy, symbol] = one.targets[strategy, 0]
            cells.reasons[strategy, symbol] = one.reasons[strategy, 0]
    return True


@inlined_kernel
def others_rest(throttle: float, cells: Cells, works: IntVector, listed: tuple[IntVector, int]) -> bool:
    """Whether every listed symbol in which no order works is at rest (`portfolio.quiet`)."""
    symbols, count = listed
    for place in range(count):
        symbol = symbols[place]
        if works[symbol] == 0 and not symbol_stands(
            throttle, cells.signals, cells.positions, cells.targets, cells.reasons, symbol
        ):
            return False
    return True
