"""What live trading has earned, from main's journal: round trips of a strategy as fractions of their value at entry."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from core.events import Execution
from core.exec_ids import base_exec_id
from core.journal import Record
from core.payloads import commission_of, execution_of
from core.records import RecordKind
from performance.round_trips import round_trips

KINDS = (RecordKind.FILL, RecordKind.COMMISSION)


def live_returns(records: Iterable[Record], strategy: str) -> npt.NDArray[np.float64]:
    """Net returns of a strategy's closed round trips, in order of the symbols and of time. Corrected executions count once."""
    fills: dict[str, Execution] = {}
    paid: dict[str, Decimal] = {}
    for record in records:
        if record.kind == RecordKind.COMMISSION:
            commission = commission_of(record.payload)
            paid[base_exec_id(commission.exec_id)] = commission.amount
        elif record.kind == RecordKind.FILL and record.payload["strategy"] == strategy:
            execution = execution_of(record.payload)
            fills[base_exec_id(execution.exec_id)] = execution
    by_symbol: dict[str, list[tuple[str, Execution]]] = {}
    for name, execution in fills.items():
        by_symbol.setdefault(execution.symbol, []).append((name, execution))
    returns = []
    for _symbol, own in sorted(by_symbol.items()):
        prices = [float(one.price) for _name, one in own]
        trips = round_trips(
            [one.side.sign * float(one.quantity) for _name, one in own],
            prices,
            [float(paid.get(name, Decimal(0))) for name, _one in own],
        )
        returns += [trip.profit / (trip.quantity * prices[trip.first_fill]) for trip in trips]
    return np.array(returns, dtype=np.float64)
