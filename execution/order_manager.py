"""Reads the broker's order messages against our book, and journals what they change.

Every change goes the same way: decide from the book and the message, append the record, apply the record. The manager
sends nothing; ``execution.ib_executor`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.clock import Clock
from core.events import (
    BrokerError,
    BrokerSnapshot,
    Commission,
    Execution,
    OpenOrderReport,
    Order,
    OrderStatusReport,
)
from core.exec_ids import correction_number
from core.ib_wrapper.error_codes import Response, classify
from core.payloads import commission_payload, fill_payload, intent_payload
from core.records import RecordKind
from core.vocabulary import BrokerStatus, OrderType, Purpose, Unknown
from execution.broker_port import JournalPort
from execution.order_book import SETTLED, OrderBook
from execution.order_state import ZERO, FillOutcome, OrderPhase, OrderState, trailed, with_report

ORDER_CANCELLED_CODE: Final = 202
# Any other refusal that comes after the broker has acknowledged an order is of a later request about it.
_ENDS_A_WORKING_ORDER: Final = frozenset({201, 203})
_COMMISSION_NOT_KNOWN: Final = Decimal(-1)
BrokerReport = OrderStatusReport | OpenOrderReport
_OVER = frozenset(
    {BrokerStatus.CANCELLED, BrokerStatus.API_CANCELLED, BrokerStatus.FILLED, BrokerStatus.PENDING_CANCEL}
)
_UNSETTLED = frozenset({OrderPhase.INTENDED, OrderPhase.SENT, OrderPhase.CANCELLING, OrderPhase.INACTIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """What a message changed in an order."""

    before: OrderState
    after: OrderState

    @property
    def ended(self) -> bool:
        """Whether the order has just stopped living."""
        return self.before.is_live and not self.after.is_live


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayOrder:
    """An order of ours that the broker has twice, or still has after its end: all of it must be cancelled."""

    order_ref: str
    order_ids: tuple[int, int]
    perm_ids: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """What an execution meant. ``state`` is the order after it, None when the execution is foreign."""

    outcome: FillOutcome
    execution: Execution
    state: OrderState | None

    @property
    def strategy(self) -> str | None:
        """Strategy whose order it was."""
        return None if self.state is None else self.state.order.strategy

    @property
    def is_booked(self) -> bool:
        """Whether the ledger has to book it, as a fill or as a correction."""
        return self.outcome in {FillOutcome.NEW, FillOutcome.CORRECTION}

    @property
    def overfilled(self) -> bool:
        """Whether the order has now filled more than it asked for."""
        return self.state is not None and self.state.overfilled


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a snapshot said about our orders.

    ``missing`` are executions that the book doesn't hold: the engine books each like a live one, and nothing is
    concluded about their orders before it has.
    """

    missing: tuple[Execution, ...] = ()
    gone: tuple[OrderState, ...] = ()
    strays: tuple[StrayOrder, ...] = ()


class OrderManager:
    """Our orders, journaled.

    Parameters
    ----------
    book
        The fold of the journal so far (empty for a new one).
    journal
        Where every change is written before it counts.
    client_id
        Main's client id; order ids are unique only within one.
    clock
        For the age of questions (monotonic).
    """

    def __init__(self, book: OrderBook, journal: JournalPort, *, client_id: int, clock: Clock) -> None:
        self.book = book
        self._journal = journal
        self._client_id = client_id
        self._clock = clock
        self._touched: dict[str, int] = {}
        self._absent_from_ns: dict[str, int] = {}
        self._reported_ns: dict[str, int] = {}
        self._born_ns = clock.monotonic_ns()
        self.query_due = bool(book.pending())
        """Whether the broker should be asked what it has; the executor asks and clears it."""

    # --- what we do ---------------------------------------------------------------------------------------

    def intend(self, order: Order, order_id: int) -> None:
        """Journal an order, or an amendment of it, before it is sent."""
        self._write(RecordKind.ORDER_INTENT, intent_payload(order, order_id), order.order_ref)

    def sent(self, order_ref: str, order_id: int) -> None:
        """Note that an order was handed to the socket."""
        self._write(RecordKind.ORDER_SENT, {"order_ref": order_ref, "order_id": order_id}, order_ref)

    def not_sent(self, order_ref: str, detail: str) -> None:
        """Note that an intent is known not to have left."""
        self._end(order_ref, "not_sent", detail)

    def cancelling(self, order_ref: str, reason: str) -> None:
        """Note that we ask for an order's end."""
        self._write(RecordKind.ORDER_CANCEL, {"order_ref": order_ref, "reason": reason}, order_ref)

    # --- what the broker says -----------------------------------------------------------------------------

    def on_status(self, report: OrderStatusReport) -> OrderChange | StrayOrder | None:
        """Read an ``orderStatus``. None: not ours, or nothing new."""
        state = self._find(report.order_ref, report.order_id, report.client_id)
        if state is None:
            return None
        return self._on_report(state, report)

    def on_open_order(
        self, report: OpenOrderReport, asked_ns: int | None = None
    ) -> OrderChange | StrayOrder | None:
        """Read an ``openOrder``, which answers a question of ``asked_ns`` if any. None: not ours, or nothing new."""
        state = self.book.get(report.order_ref)
        if state is None:
            return None
        change = self._on_report(state, report)
        state = self._state(report.order_ref)
        if not isinstance(change, StrayOrder) and state.is_live and state.order.order_type is OrderType.TRAIL:
            self._reported_ns[state.order_ref] = self._clock.monotonic_ns() if asked_ns is None else asked_ns
            if report.stop_price is not None:
                self.trail(state, report.stop_price, report.trailing_amount, source="broker")
        return change

    def trail(
        self, state: OrderState, stop_price: Decimal, trailing_amount: Decimal | None = None, *, source: str
    ) -> None:
        """Note that a trailing stop stands at ``stop_price``, unless it is known to have been nearer to the market."""
        if trailed(state, stop_price, trailing_amount) is state:
            return
        payload: dict[str, object] = {
            "order_ref": state.order_ref,
            "stop_price": str(stop_price),
            "trailing_amount": None if trailing_amount is None else str(trailing_amount),
            "source": source,
        }
        self._write(RecordKind.ORDER_TRAILED, payload, None)

    def reported_ns(self, order_ref: str) -> int | None:
        """Monotonic time of which the broker's newest word about a trailing stop is; None when this process has none."""
        return self._reported_ns.get(order_ref)

    def on_execution(self, execution: Execution) -> FillResult:
        """Book an execution, once."""
        outcome = self.book.outcome_of(execution)
        if outcome is FillOutcome.FOREIGN:
            return FillResult(outcome=outcome, execution=execution, state=None)
        state = self._state(execution.order_ref)
        if outcome is not FillOutcome.DUPLICATE:
            order = state.order
            payload = fill_payload(execution, strategy=order.strategy, arrival_price=order.arrival_price)
            self._write(RecordKind.FILL, payload, execution.order_ref)
            state = self._state(execution.order_ref)
        return FillResult(outcome=outcome, execution=execution, state=state)

    def on_commission(self, commission: Commission) -> bool:
        """Book a commission; False when it says nothing new. It may come before its execution."""
        if commission.amount == _COMMISSION_NOT_KNOWN:  # as IB reports a commission that is still open
            return False
        known, revision = self.book.commission(commission.exec_id), correction_number(commission.exec_id)
        if known is not None and (revision < known[0] or (revision, commission.amount) == known):
            return False
        self._write(RecordKind.COMMISSION, commission_payload(commission), None)
        return True

    def on_error(self, error: BrokerError) -> OrderChange | None:
        """Read an error that may concern an order. None: not ours, or only a notice."""
        state = self._find(error.order_ref, error.request_id, self._client_id)
        if state is None:
            return None
        response = classify(error.code).response
        detail = f"{error.code}: {error.message}"
        if error.code == ORDER_CANCELLED_CODE:
            if not state.is_live:
                return None
            return self._change(state, _status_payload(state, BrokerStatus.CANCELLED, state.perm_id))
        of_a_request = state.amendments > 0 or error.code not in _ENDS_A_WORKING_ORDER
        if response is Response.QUERY or (response is Response.FAIL and state.acknowledged and of_a_request):
            # Either our cancel crossed the order's end, or an amendment or a cancel was refused, while the order goes
            # on: ask what the broker has.
            self.query_due = True
            return None
        if response is not Response.FAIL or not state.is_live:
            return None
        self._end(state.order_ref, "rejected", detail)
        return OrderChange(before=state, after=self._state(state.order_ref))

    # --- questions ----------------------------------------------------------------------------------------

    def overdue(self, older_than_s: float) -> tuple[OrderState, ...]:
        """Orders whose state has been open for longer than that: unacknowledged, cancelling, or unbooked."""
        limit = self._clock.monotonic_ns() - round(older_than_s * 1e9)
        return tuple(
            state
            for state in self.book.pending()
            if (state.phase in _UNSETTLED or state.unbooked) and self._age_from_ns(state.order_ref) <= limit
        )

    def touched_ns(self, order_ref: str) -> int | None:
        """Monotonic time of this process's last record of an order; None when it only folded it."""
        return self._touched.get(order_ref)

    def pending_exposure(self, strategy: str, symbol: str) -> Decimal:
        """Signed quantity that entries and exits may still add to a position (protective stops left out)."""
        total = ZERO
        for state in self.book.pending(strategy=strategy, symbol=symbol):
            if state.order.purpose is not Purpose.STOP:
                total += state.order.side.sign * state.open_quantity
        return total

    def resolve(self, snapshot: BrokerSnapshot) -> Resolution:
        """Compare our open orders with what the broker has.

        An order that the broker doesn't have any more is ended only when two snapshots agree, both asked for after
        the last news of it and both with open orders *and* executions: the two parts aren't taken at one instant.
        The second must have been asked for after the first had come: questions that overlap may share one answer.
        """
        if isinstance(snapshot.open_orders, Unknown) or isinstance(snapshot.executions, Unknown):
            return Resolution()
        missing = tuple(
            execution
            for execution in snapshot.executions
            if self.book.outcome_of(execution) in {FillOutcome.NEW, FillOutcome.CORRECTION}
        )
        strays = []
        for report in snapshot.open_orders:
            change = self.on_open_order(report, snapshot.requested_monotonic_ns)
            if isinstance(change, StrayOrder):
                strays.append(change)
            elif self._is_undead(report, snapshot.requested_monotonic_ns):
                strays.append(_stray(self._state(report.order_ref), report))
        present = {report.order_ref for report in snapshot.open_orders}
        awaited = {execution.order_ref for execution in missing}
        gone = self._absent(present | awaited, snapshot)
        return Resolution(missing=missing, gone=gone, strays=tuple(strays))

    def _is_undead(self, report: OpenOrderReport, requested_ns: int) -> bool:
        """Whether the broker works an order that had ended for us before the question: what it fills yet is too much."""
        state = self.book.get(report.order_ref)
        if state is None or state.is_live or report.status.is_over:
            return False
        return self._age_from_ns(report.order_ref) < requested_ns

    def _absent(self, accounted_for: set[str], snapshot: BrokerSnapshot) -> tuple[OrderState, ...]:
        requested_ns = snapshot.requested_monotonic_ns
        gone = []
        for state in self.book.pending():
            ref = state.order_ref
            if ref in accounted_for:
                if not state.unbooked:
                    self._absent_from_ns.pop(ref, None)
                continue
            if self._age_from_ns(ref) >= requested_ns:
                continue
            first_ns = self._absent_from_ns.setdefault(ref, snapshot.received_monotonic_ns)
            if requested_ns <= first_ns:  # it is the first one, or may be made of the same lists
                self.query_due = True
                continue
            was_live = state.is_live
            detail = "the broker has neither the order nor more executions of it"
            self._end(ref, "gone" if was_live else SETTLED, detail)
            if was_live:
                gone.append(self._state(ref))
        return tuple(gone)

    # --- inside -------------------------------------------------------------------------------------------

    def _find(self, order_ref: str | None, order_id: int, client_id: int) -> OrderState | None:
        if order_ref:
            return self.book.get(order_ref)
        return self.book.by_order_id(order_id) if client_id == self._client_id else None

    def _state(self, order_ref: str) -> OrderState:
        state = self.book.get(order_ref)
        if state is None:
            raise KeyError(f"no order {order_ref!r} in the book")
        return state

    def _on_report(self, state: OrderState, report: BrokerReport) -> OrderChange | StrayOrder | None:
        if (report.order_id and report.order_id != state.order_id) or (
            report.perm_id and state.perm_id and report.perm_id != state.perm_id
        ):
            if report.status in _OVER:  # the end of the second one is no news of the first
                return None
            return _stray(state, report)
        if isinstance(report, OpenOrderReport):
            quantity = report.quantity if state.is_live else None
            after = with_report(state, report.status, perm_id=report.perm_id, quantity=quantity)
            payload = _status_payload(state, report.status, report.perm_id, quantity=quantity)
        else:
            filled, remaining = report.filled, report.remaining
            after = with_report(
                state, report.status, perm_id=report.perm_id, filled=filled, remaining=remaining
            )
            payload = _status_payload(
                state, report.status, report.perm_id, filled=filled, remaining=remaining
            )
        if _effect(after) == _effect(state):
            return None
        return self._change(state, payload)

    def _change(self, state: OrderState, payload: dict[str, object]) -> OrderChange:
        self._write(RecordKind.ORDER_STATUS, payload, state.order_ref)
        return OrderChange(before=state, after=self._state(state.order_ref))

    def _end(self, order_ref: str, outcome: str, detail: str) -> None:
        payload: dict[str, object] = {"order_ref": order_ref, "outcome": outcome, "detail": detail}
        self._write(RecordKind.ORDER_ENDED, payload, order_ref)

    def _write(self, kind: RecordKind, payload: dict[str, object], order_ref: str | None) -> None:
        self._journal.append(kind, payload)
        self.book.apply(kind, payload)
        if order_ref is not None:
            self._touched[order_ref] = self._clock.monotonic_ns()
            self._absent_from_ns.pop(order_ref, None)

    def _age_from_ns(self, order_ref: str) -> int:
        # Orders that were folded from the journal count as touched when this process began.
        return self._touched.get(order_ref, self._born_ns)


def _stray(state: OrderState, report: BrokerReport) -> StrayOrder:
    return StrayOrder(
        order_ref=state.order_ref,
        order_ids=(state.order_id, report.order_id or state.order_id),
        perm_ids=(state.perm_id, report.perm_id),
    )


def _effect(state: OrderState) -> tuple[object, ...]:
    """Everything of an order that a status may change and that anybody asks for."""
    return (
        state.phase,
        state.perm_id,
        state.acknowledged,
        state.order.quantity,
        state.open_quantity,
        state.unbooked,
    )


def _status_payload(
    state: OrderState,
    status: BrokerStatus,
    perm_id: int,
    *,
    filled: Decimal | None = None,
    remaining: Decimal | None = None,
    quantity: Decimal | None = None,
) -> dict[str, object]:
    return {
        "order_ref": state.order_ref,
        "order_id": state.order_id,
        "perm_id": perm_id,
        "status": str(status),
        "filled": None if filled is None else str(filled),
        "remaining": None if remaining is None else str(remaining),
        "quantity": None if quantity is None else str(quantity),
    }
