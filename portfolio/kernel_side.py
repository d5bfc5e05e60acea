"""What the decision path remembers from row to row, kept where kernels reach it without a crossing. Kernels.

A call from Python into a kernel takes apart every NamedTuple and array that is passed, and makes new ones of what comes back:
for the states of a strategy that takes ten times as long as its step. So live trading keeps states, rows and parameters
in numba's typed lists, which are passed as one pointer, and the arrays in them are those that Python reads and writes too.

The steps and the decision are the same functions that research scans; the tests hold that they say the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.typed import List

from core.kernel import inlined_kernel, kernel
from portfolio.decision import decide_into
from portfolio.decision_types import (
    AccountRow,
    DecisionInputs,
    DecisionParameters,
    DecisionState,
    FloatMatrix,
    IntMatrix,
    new_decision_state,
)
from portfolio.market_rows import (
    MarketRows,
    MarketState,
    market_step,
    new_market_rows,
    new_market_state,
)
from portfolio.risk_manager import close_session
from strategy.base import BarRow, Parameters, State, Strategy


class Row(NamedTuple):
    """One row of bars, and what follows from it. Matrices are of shape (strategies, symbols), but ``bars``: (symbols, 5)."""

    bars: FloatMatrix
    present: npt.NDArray[np.bool_]
    """Shape (symbols,): whether the row has a bar of the symbol."""
    signals: FloatMatrix
    positions: FloatMatrix
    rows: MarketRows
    targets: FloatMatrix
    reasons: IntMatrix


class Basis(NamedTuple):
    """What decisions go by."""

    parameters: DecisionParameters
    state: DecisionState


class KernelSide:
    """States of all strategies and symbols, and the present row; ``row`` is for the caller to write and to read.

    Parameters
    ----------
    strategies
        In the order of the matrices' rows. Of those that trade pairs nothing is kept here.
    symbols
        Number of symbols, at least one.
    parameters
        Of the decision.
    atr_window, volatility_window_sessions
        Of the average true range, and of the volatility target.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        symbols: int,
        parameters: DecisionParameters,
        *,
        atr_window: int,
        volatility_window_sessions: int,
    ) -> None:
        shape = (len(strategies), symbols)
        self.row = Row(
            bars=np.full((symbols, len(BarRow._fields)), np.nan),
            present=np.zeros(symbols, dtype=np.bool_),
            signals=np.full(shape, np.nan),
            positions=np.zeros(shape),
            rows=new_market_rows(symbols),
            targets=np.zeros(shape),
            reasons=np.zeros(shape, dtype=np.int64),
        )
        self.parameters = parameters
        self.state = new_decision_state(*shape, volatility_window_sessions)
        self._atr_window = atr_window
        self._row = _keep(self.row)
        self._markets = _keep_each(new_market_state() for _ in range(symbols))
        self._basis = _keep(Basis(self.parameters, self.state))
        self._steps = [
            self._stepper(index, strategy, symbols)
            for index, strategy in enumerate(strategies)
            if not strategy.kind.trades_pairs
        ]

    def _stepper(self, index: int, strategy: Strategy, symbols: int) -> Callable[[], None]:
        states = [strategy.new_state() for _ in range(symbols)]
        step, parameters = step_of(strategy.kind.step), strategy.parameters
        if getattr(strategy.kind.step, "py_func", None) is None:
            return lambda: step(parameters, [self.row], states, index)
        kept, row = _keep_each(states), self._row
        return lambda: step(parameters, row, kept, index)

    def step(self) -> None:
        """Take the bars that are present: market rows and signals move on."""
        _take_bars(self._row, self._markets, self._atr_window)
        for step in self._steps:
            step()

    def decide(self, signals: FloatMatrix, account: AccountRow) -> None:
        """Decide on the row as it stands; ``signals`` are its own, or what a veto has left of them.

        Targets and reasons are written.
        """
        _decide(self._row, self._basis, signals, account)

    def go_by(self, parameters: DecisionParameters) -> None:
        """Decide by other parameters from now on."""
        self.parameters = parameters
        self._basis = _keep(Basis(self.parameters, self.state))

    def close_session(self, nlv: float) -> None:
        """Book the session that has ended, for the volatility target."""
        volatility = close_session(
            self.state.volatility,
            nlv,
            self.parameters.target_volatility_annual,
            self.parameters.max_leverage,
        )
        self.state = self.state._replace(volatility=volatility)
        self._basis = _keep(Basis(self.parameters, self.state))


@kernel
def _keep(value: Any) -> Any:  # noqa: ANN401 (any NamedTuple)
    """Put a value on the kernels' side."""
    return List([value])


@kernel
def _keep_another(kept: Any, value: Any) -> None:  # noqa: ANN401 (any NamedTuple)
    kept.append(value)


def _keep_each(values: Iterable[Any]) -> Any:  # noqa: ANN401 (any NamedTuple)
    """Put values of one type on the kernels' side; at least one."""
    first, *others = values
    kept = _keep(first)
    for value in others:
        _keep_another(kept, value)
    return kept


@inlined_kernel
def _bar(bars: FloatMatrix, symbol: int) -> BarRow:
    return BarRow(bars[symbol, 0], bars[symbol, 1], bars[symbol, 2], bars[symbol, 3], bars[symbol, 4])


@kernel
def _take_bars(kept: list[Row], markets: list[MarketState], atr_window: int) -> None:
    row = kept[0]
    for symbol in range(row.present.size):
        if row.present[symbol]:
            bar = _bar(row.bars, symbol)
            markets[symbol] = market_step(markets[symbol], row.rows, symbol, bar, atr_window)


@kernel
def _decide(kept: list[Row], bases: list[Basis], signals: FloatMatrix, account: AccountRow) -> None:
    row, basis = kept[0], bases[0]
    inputs = DecisionInputs(signals, row.positions, row.rows, account)
    decide_into(basis.parameters, basis.state, inputs, row.targets, row.reasons)


@lru_cache(maxsize=256)
def step_of(step: Callable[..., Any]) -> Callable[..., None]:
    """Step over the symbols of a row: compiled if the step is, with the step compiled into it.

    As `backtester.scan.scan_of`: a copy of the template with a name of its own is found in the cache of compiled code.
    """
    name = f"step_row_{step.__module__}_{step.__qualname__}".replace(".", "_")
    bound = FunctionType(_step_symbols.__code__, {**globals(), "step": step}, name)
    bound.__qualname__ = name
    return bound if getattr(step, "py_func", None) is None else kernel(bound)


def _step_symbols(parameters: Parameters, kept: list[Row], states: list[State], index: int) -> None:
    row = kept[0]
    for symbol in range(row.present.size):
        if row.present[symbol]:
            bar = _bar(row.bars, symbol)
            state, weight = step(parameters, states[symbol], bar)  # type: ignore[name-defined]  # noqa: F821 (see step_of)
            states[symbol] = state
            row.signals[index, symbol] = weight
