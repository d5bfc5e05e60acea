"""What live trading has earned, from main's journal: round trips of a strategy as fractions of their value at entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from core.events import Execution
from core.journal import Record
from core.records import RecordKind
from performance.round_trips import round_trips
from portfolio.ledger import Ledger

KINDS = (RecordKind.FILL, RecordKind.COMMISSION)


def live_returns(records: Iterable[Record], strategy: str) -> npt.NDArray[np.float64]:
    """Net returns of a strategy's closed round trips, in order of the symbols and of time, as main's ledger books them.

    Corrected executions count once, in their last correction, and what a kill closed ends the round trips of those who held it.
    """
    by_symbol: dict[str, list[tuple[Execution, float, float]]] = {}
    for execution, quantity, paid in _parts(records, strategy):
        by_symbol.setdefault(execution.symbol, []).append((execution, quantity, paid))
    returns = []
    for _symbol, own in sorted(by_symbol.items()):
        prices = [float(execution.price) for execution, _quantity, _paid in own]
        trips = round_trips([quantity for _, quantity, _ in own], prices, [paid for _, _, paid in own])
        returns += [trip.profit / (trip.quantity * prices[trip.first_fill]) for trip in trips]
    return np.array(returns, dtype=np.float64)


def _parts(records: Iterable[Record], strategy: str) -> Iterator[tuple[Execution, float, float]]:
    """Yield each execution that moved the strategy's holding, by how much (signed), and what it paid for it.

    The ledger alone knows whose an execution is, in parts, so its last corrections are booked a second time and its answers compared
    before and after each. Commissions are booked first: then each shows with its execution.
    """
    news = [(record.kind, record.payload) for record in records]
    final, again = Ledger.replay(news), Ledger()
    for kind, payload in news:
        if kind == RecordKind.COMMISSION:
            again.fold(kind, payload)
    for execution in final.executions():
        held, paid = again.position(strategy, execution.symbol), again.commissions(strategy)
        again.apply(execution, final.strategy_of(execution.exec_id) or "")
        moved = again.position(strategy, execution.symbol) - held
        if moved:
            yield execution, float(moved), float(again.commissions(strategy) - paid)
