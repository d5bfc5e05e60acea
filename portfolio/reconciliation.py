"""Our book against the broker's, as a pure function. The broker is the truth; this says where we differ from it.

`reconcile` takes what we believe and one `core.events.BrokerSnapshot` and returns what has to be done. It does nothing
itself. Applying its result and calling it again with the same snapshot finds nothing more to apply.

Rules
-----
R1. A part of the snapshot that is `Unknown` gives no break and no action. No answer is never "nothing".
R2. An execution that the broker has and we have not is ours to apply, once, in the order in which it happened. Nothing
    is made up: only executions that the broker has reported are ever applied.
R3. An execution of a closing order of the watchdog (`KILL_PREFIX`) is the ledger's `WATCHDOG` to book. One of any other
    order that we don't know is foreign (a manual order, another program): applied to nobody's book, it is
    a break on its symbol.
R4. Positions are compared after the missing executions are applied, net over all strategies. A difference is a break,
    unless an order of ours in that symbol is in flight: then the two sides may have been read around a fill.
    That is *deferred*, once: the same difference found again is a break, and stays one until it has gone.
R5. An order that we believe to be working and that the broker doesn't show is *lost*, unless its executions already
    fill it or it was sent after the snapshot was asked for. It is reported, never sent again.
R6. An intent that was journaled but perhaps never sent, and that the broker shows neither as open nor as executed, is
    *unsent*: reported, never sent.
R7. An open order at the broker that we don't know is foreign: a break on its symbol; a closing order of the watchdog is
    not. One that we know but believed finished is *revived*: reported, and followed again by the order manager when we
    had only given it up, else cancelled. Not so when its end may have crossed the answer.
R8. Cash is compared only when both sides are known and no order has moved since the question, against a tolerance
    for what the broker books later (interest, rounding of commissions). Like R4 a difference is deferred once.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from core.events import BrokerSnapshot, Execution, OpenOrderReport, PositionReport
from core.exec_ids import correction_number
from core.vocabulary import KILL_PREFIX, Unknown
from portfolio.breaks import (
    ZERO,
    BookView,
    Break,
    BreakKind,
    KnownOrder,
    MissingExecution,
    OrderProgress,
    ReconcileResult,
)
from portfolio.ledger import WATCHDOG

CASH = "(cash)"
"""Key of a deferred difference in cash."""


def reconcile(
    book: BookView,
    snapshot: BrokerSnapshot,
    *,
    deferred_before: Mapping[str, Decimal] = MappingProxyType({}),
    cash_tolerance: Decimal = Decimal("1.00"),
) -> ReconcileResult:
    """Compare ``book`` with ``snapshot`` by the rules of this module.

    Parameters
    ----------
    book
        What we believe at the moment the snapshot is compared.
    snapshot
        What the broker said.
    deferred_before
        ``deferred`` of the result before this one (R4).
    cash_tolerance
        Difference in cash that is no break (R8).
    """
    if snapshot.account != book.account:
        wrong = Break(
            kind=BreakKind.ACCOUNT,
            symbol=None,
            book=book.account,
            broker=snapshot.account,
            detail="the snapshot is of another account; nothing was compared",
        )
        return ReconcileResult(breaks=(wrong,), missing_executions=(), unknown=(), deferred={})
    missing, breaks = _compare_executions(book, snapshot)
    breaks += _compare_orders(book, snapshot, missing)
    position_breaks, deferred = _compare_positions(book, snapshot, missing, deferred_before)
    breaks += position_breaks
    difference = _cash_difference(book, snapshot, missing)
    if abs(difference) > cash_tolerance:
        if deferred_before.get(CASH) == difference:
            breaks.append(_cash_break(book, difference))
        deferred[CASH] = difference
    return ReconcileResult(
        breaks=tuple(breaks),
        missing_executions=tuple(missing),
        unknown=_unknown_parts(book, snapshot),
        deferred=deferred,
    )


def _unknown_parts(book: BookView, snapshot: BrokerSnapshot) -> tuple[str, ...]:
    parts: dict[str, object] = {
        "positions": snapshot.positions,
        "open_orders": snapshot.open_orders,
        "executions": snapshot.executions,
    }
    if book.cash is not None:
        parts["values"] = snapshot.values
    return tuple(name for name, part in parts.items() if isinstance(part, Unknown))


def _compare_executions(
    book: BookView, snapshot: BrokerSnapshot
) -> tuple[list[MissingExecution], list[Break]]:
    """R2, R3."""
    missing: list[MissingExecution] = []
    breaks: list[Break] = []
    if isinstance(snapshot.executions, Unknown):
        return missing, breaks
    for execution in _newest_versions(snapshot.executions):
        before = book.booked(execution.exec_id)
        if before and correction_number(execution.exec_id) <= correction_number(before.exec_id):
            continue
        owner = _owner(book, execution)
        if owner is not None:
            missing.append(MissingExecution(execution=execution, strategy=owner, replaces=before))
            continue
        breaks.append(
            Break(
                kind=BreakKind.FOREIGN_EXECUTION,
                symbol=execution.symbol,
                book="no such order",
                broker=f"{execution.side} {execution.quantity} at {execution.price}",
                detail=f"execId {execution.exec_id}, orderRef {execution.order_ref!r}",
            )
        )
    return missing, breaks


def _newest_versions(executions: tuple[Execution, ...]) -> list[Execution]:
    """Each execution once, in its last correction, in the order in which they happened."""
    newest: dict[str, Execution] = {}
    for execution in executions:
        known = newest.get(execution.base_exec_id)
        if known is None or correction_number(execution.exec_id) > correction_number(known.exec_id):
            newest[execution.base_exec_id] = execution
    return sorted(newest.values(), key=lambda e: (e.time_ns, e.exec_id))


def _owner(book: BookView, execution: Execution) -> str | None:
    """Strategy to whose order an execution belongs; None if it is foreign."""
    if execution.order_ref.startswith(KILL_PREFIX):
        return WATCHDOG
    order = book.orders.get(execution.order_ref)
    return order.strategy if order is not None and order.symbol == execution.symbol else None


def _compare_orders(book: BookView, snapshot: BrokerSnapshot, missing: list[MissingExecution]) -> list[Break]:
    """R5, R6, R7."""
    if isinstance(snapshot.open_orders, Unknown):
        return []
    breaks: list[Break] = []
    open_refs = set()
    for report in snapshot.open_orders:
        open_refs.add(report.order_ref)
        breaks += _compare_open_order(book.orders.get(report.order_ref), report, snapshot)
    if isinstance(snapshot.executions, Unknown):
        return breaks  # an order that is gone may have been filled: can't tell
    newly_filled: dict[str, Decimal] = {}
    for one in missing:
        ref = one.execution.order_ref
        newly_filled[ref] = newly_filled.get(ref, ZERO) + one.filled
    for order in book.orders.values():
        if order.order_ref not in open_refs:
            breaks += _compare_absent_order(order, newly_filled.get(order.order_ref, ZERO), snapshot)
    return breaks


def _compare_open_order(
    order: KnownOrder | None, report: OpenOrderReport, snapshot: BrokerSnapshot
) -> list[Break]:
    """R7 for one open order at the broker."""
    # An order may still be listed among the open ones although it has ended: its end crossed the answer.
    if report.status.is_over or (order is not None and _has_moved(order, snapshot)):
        return []
    if report.order_ref.startswith(
        KILL_PREFIX
    ):  # what it fills is booked, and the process that halts is ours
        return []
    broker = f"{report.side} {report.quantity} {report.order_type} {report.status}"
    detail = f"orderRef {report.order_ref!r}, permId {report.perm_id}"
    if order is None or order.symbol != report.symbol:
        kind, known = BreakKind.FOREIGN_ORDER, "no such order"
    elif order.phase is OrderProgress.FINISHED:
        kind, known = BreakKind.REVIVED_ORDER, str(order.phase)
    else:
        return []
    return [Break(kind=kind, symbol=report.symbol, book=known, broker=broker, detail=detail)]


def _compare_absent_order(order: KnownOrder, newly_filled: Decimal, snapshot: BrokerSnapshot) -> list[Break]:
    """R5, R6 for one order of ours that the broker doesn't show as open."""
    if order.phase is OrderProgress.FINISHED or order.filled + newly_filled >= order.quantity:
        return []
    if _has_moved(order, snapshot):
        return []
    lost = order.phase is OrderProgress.WORKING or order.filled + newly_filled > ZERO
    return [
        Break(
            kind=BreakKind.LOST_ORDER if lost else BreakKind.UNSENT_INTENT,
            symbol=order.symbol,
            book=f"{order.phase}, filled {order.filled} of {order.quantity}",
            broker=f"not open, {newly_filled} executed that we had not booked",
            detail=f"orderRef {order.order_ref}; reported, never sent again",
        )
    ]


def _compare_positions(
    book: BookView,
    snapshot: BrokerSnapshot,
    missing: list[MissingExecution],
    deferred_before: Mapping[str, Decimal],
) -> tuple[list[Break], dict[str, Decimal]]:
    """R4."""
    breaks: list[Break] = []
    deferred: dict[str, Decimal] = {}
    if isinstance(snapshot.positions, Unknown) or isinstance(snapshot.executions, Unknown):
        return breaks, deferred
    ours, theirs = dict(book.positions), _broker_positions(snapshot.positions, snapshot.account)
    for one in missing:
        one.move(ours)
    in_flight = {
        order.symbol
        for order in book.orders.values()
        if order.phase is not OrderProgress.FINISHED or _has_moved(order, snapshot)
    }
    for symbol in sorted(ours.keys() | theirs.keys()):
        own, broker = ours.get(symbol, ZERO), theirs.get(symbol, ZERO)
        difference = broker - own
        if difference == ZERO:
            continue
        if symbol in in_flight:
            deferred[symbol] = difference
            if deferred_before.get(symbol) != difference:
                continue
        detail = f"difference {difference}"
        breaks.append(
            Break(kind=BreakKind.POSITION, symbol=symbol, book=str(own), broker=str(broker), detail=detail)
        )
    return breaks, deferred


def _has_moved(order: KnownOrder, snapshot: BrokerSnapshot) -> bool:
    """Whether we have had news of an order since the snapshot was asked for, so that the two may be of different times."""
    touched = order.touched_monotonic_ns
    return touched is not None and touched >= snapshot.requested_monotonic_ns


def _broker_positions(reports: tuple[PositionReport, ...], account: str) -> dict[str, Decimal]:
    positions: dict[str, Decimal] = {}
    for report in reports:
        if report.account == account:
            positions[report.symbol] = positions.get(report.symbol, ZERO) + report.quantity
    return positions


def _cash_difference(book: BookView, snapshot: BrokerSnapshot, missing: list[MissingExecution]) -> Decimal:
    """R8: what the broker has more than we; 0 when one side isn't known or both may be of different times."""
    if book.cash is None or isinstance(snapshot.values, Unknown) or isinstance(snapshot.executions, Unknown):
        return ZERO
    theirs = snapshot.values.get("TotalCashValue")
    if theirs is None or any(_has_moved(order, snapshot) for order in book.orders.values()):
        return ZERO
    return theirs - book.cash - sum((one.cash for one in missing), ZERO)


def _cash_break(book: BookView, difference: Decimal) -> Break:
    ours = book.cash if book.cash is not None else ZERO
    return Break(
        kind=BreakKind.CASH,
        symbol=None,
        book=str(ours),
        broker=str(ours + difference),
        detail=f"difference {difference}",
    )
