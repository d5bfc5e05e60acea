"""The book of our orders: a fold over journal records, the same one live and at a restart.

The book changes only through :meth:`OrderBook.apply`. Live, ``OrderManager`` writes a record and applies it; at a
restart the journal's records are applied again. So a book that was folded equals the one that was lived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from core.events import Execution
from core.exec_ids import base_exec_id, correction_number
from core.payloads import Payload, commission_of, decimal, execution_of, integer, order_of, text
from core.records import RecordKind
from core.vocabulary import BrokerStatus, Purpose
from execution.order_ref import OrderRef
from execution.order_state import (
    ZERO,
    FillOutcome,
    OrderPhase,
    OrderSignal,
    OrderState,
    amended,
    moved,
    trailed,
    with_execution,
    with_report,
)

_OUTCOMES = {
    "rejected": OrderSignal.REJECTED,
    "not_sent": OrderSignal.NOT_SENT,
    "gone": OrderSignal.GONE,
}
SETTLED = "settled"


class OrderBook:
    """Every order of ours by its reference, with the live ones indexed by symbol."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderState] = {}
        self._refs_of_id: dict[int, str] = {}
        self._pending: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._answers: dict[tuple[str | None, str | None, Purpose | None], tuple[OrderState, ...]] = {}
        self._commissions: dict[str, tuple[int, Decimal]] = {}
        self._positions: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._stops: dict[tuple[str, str], str] = {}
        self._highest_order_id = 0
        self._apply: dict[str, Callable[[Payload], None]] = {
            RecordKind.ORDER_INTENT: self._intent,
            RecordKind.ORDER_SENT: self._sent,
            RecordKind.ORDER_CANCEL: self._cancel,
            RecordKind.ORDER_STATUS: self._status,
            RecordKind.ORDER_TRAILED: self._trailed,
            RecordKind.ORDER_ENDED: self._ended,
            RecordKind.FILL: self._fill,
            RecordKind.COMMISSION: self._commission,
        }

    # --- the fold -----------------------------------------------------------------------------------------

    def apply(self, kind: str, payload: Payload) -> None:
        """Apply one journal record; kinds that don't concern orders change nothing."""
        handler = self._apply.get(kind)
        if handler is not None:
            handler(payload)

    def _intent(self, payload: Payload) -> None:
        order, order_id = order_of(payload), integer(payload, "order_id")
        self._highest_order_id = max(self._highest_order_id, order_id)
        known = self._orders.get(order.order_ref)
        if known is not None:
            self._put(amended(known, order))
            return
        self._refs_of_id[order_id] = order.order_ref
        if order.purpose is Purpose.STOP:
            self._stops[order.strategy, order.symbol] = order.order_ref
        self._put(OrderState(order=order, order_id=order_id))

    def _sent(self, payload: Payload) -> None:
        self._move(payload, OrderSignal.SENT)

    def _cancel(self, payload: Payload) -> None:
        state, reason = self._orders.get(text(payload, "order_ref")), text(payload, "reason")
        if state is not None and state.phase is OrderPhase.CANCELLING:
            self._put(replace(state, detail=reason))  # it was ending already, and is now withdrawn
        else:
            self._move(payload, OrderSignal.CANCEL_ASKED, reason)

    def _status(self, payload: Payload) -> None:
        state = self._orders.get(text(payload, "order_ref"))
        if state is None:
            return
        has_figures = payload.get("filled") is not None
        quantity = decimal(payload, "quantity") if payload.get("quantity") is not None else None
        self._put(
            with_report(
                state,
                BrokerStatus(text(payload, "status")),
                perm_id=integer(payload, "perm_id"),
                filled=decimal(payload, "filled") if has_figures else None,
                remaining=decimal(payload, "remaining") if has_figures else None,
                quantity=quantity,
            )
        )

    def _trailed(self, payload: Payload) -> None:
        state = self._orders.get(text(payload, "order_ref"))
        if state is not None:
            amount = payload.get("trailing_amount")
            distance = decimal(payload, "trailing_amount") if amount is not None else None
            self._put(trailed(state, decimal(payload, "stop_price"), distance))

    def _ended(self, payload: Payload) -> None:
        state = self._orders.get(text(payload, "order_ref"))
        if state is None:
            return
        outcome = text(payload, "outcome")
        if outcome in _OUTCOMES:
            state = moved(state, _OUTCOMES[outcome], text(payload, "detail"))
        if outcome in {SETTLED, "gone"}:  # the broker's executions are all booked: nothing is outstanding
            state = replace(state, reported_filled=state.filled)
        self._put(state)

    def _fill(self, payload: Payload) -> None:
        execution = execution_of(payload)
        state = self._owner(execution)
        if state is not None:
            self._put(with_execution(state, execution)[0])

    def _commission(self, payload: Payload) -> None:
        commission = commission_of(payload)
        base, revision = base_exec_id(commission.exec_id), correction_number(commission.exec_id)
        known = self._commissions.get(base)
        if known is None or revision >= known[0]:
            self._commissions[base] = (revision, commission.amount)

    def _move(self, payload: Payload, signal: OrderSignal, detail: str = "") -> None:
        state = self._orders.get(text(payload, "order_ref"))
        if state is not None:
            self._put(moved(state, signal, detail))

    def _put(self, state: OrderState) -> None:
        key = (state.order.strategy, state.order.symbol)
        before = self._orders.get(state.order_ref)
        grown = state.filled - (ZERO if before is None else before.filled)
        self._positions[key] += state.order.side.sign * grown
        self._orders[state.order_ref] = state
        self._answers.clear()
        pending = self._pending[key]
        if state.is_live or state.unbooked:
            pending.add(state.order_ref)
        else:
            pending.discard(state.order_ref)

    # --- questions ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[OrderState]:
        return iter(self._orders.values())

    def get(self, order_ref: str) -> OrderState | None:
        """State of an order; None when it isn't ours."""
        return self._orders.get(order_ref)

    def by_order_id(self, order_id: int) -> OrderState | None:
        """State of the order that main sent under ``order_id``; None when there is none."""
        ref = self._refs_of_id.get(order_id)
        return None if ref is None else self._orders[ref]

    def pending(
        self, *, strategy: str | None = None, symbol: str | None = None, purpose: Purpose | None = None
    ) -> tuple[OrderState, ...]:
        """Orders that may still change a position, live or with unbooked fills, oldest first."""
        question = (strategy, symbol, purpose)
        answer = self._answers.get(question)
        if answer is None:  # asked many times between two changes
            answer = self._answers[question] = self._find_pending(strategy, symbol, purpose)
        return answer

    def _find_pending(
        self, strategy: str | None, symbol: str | None, purpose: Purpose | None
    ) -> tuple[OrderState, ...]:
        refs: set[str] = set()
        for (of_strategy, of_symbol), pending in self._pending.items():
            if strategy in {None, of_strategy} and symbol in {None, of_symbol}:
                refs |= pending
        states = (self._orders[ref] for ref in refs)
        chosen = [state for state in states if purpose in {None, state.order.purpose}]
        return tuple(sorted(chosen, key=lambda state: (state.order_id, state.order_ref)))

    def last_stop(self, strategy: str, symbol: str) -> OrderState | None:
        """Find the newest protective stop of a position, live or not."""
        ref = self._stops.get((strategy, symbol))
        return None if ref is None else self._orders[ref]

    def filled_position(self, strategy: str, symbol: str) -> Decimal:
        """Signed sum of our own booked fills of a strategy in a symbol.

        The watchdog's closings are not ours: what is held is in the ledger.
        """
        return self._positions.get((strategy, symbol), ZERO)

    def commission(self, exec_id: str) -> tuple[int, Decimal] | None:
        """Revision and amount booked for an execution; None when none is."""
        return self._commissions.get(base_exec_id(exec_id))

    @property
    def highest_order_id(self) -> int:
        """Highest order id ever intended: the floor of new ones."""
        return self._highest_order_id

    def last_sequence(self, run: str) -> int:
        """Highest sequence number in an order name of ``run``; 0 when it has none."""
        refs = (OrderRef.parse(ref) for ref in self._orders)
        return max((ref.sequence for ref in refs if ref is not None and ref.run == run), default=0)

    def outcome_of(self, execution: Execution) -> FillOutcome:
        """Say what booking ``execution`` would mean, without booking it."""
        state = self._owner(execution)
        return FillOutcome.FOREIGN if state is None else with_execution(state, execution)[1]

    def _owner(self, execution: Execution) -> OrderState | None:
        # A report that borrows one of our names for another symbol or side is nobody's.
        state = self._orders.get(execution.order_ref)
        if state is None or (state.order.symbol, state.order.side) != (execution.symbol, execution.side):
            return None
        return state

    def ended(self, phase: OrderPhase) -> tuple[OrderState, ...]:
        """Orders in one of the final phases."""
        return tuple(state for state in self._orders.values() if state.phase is phase)
