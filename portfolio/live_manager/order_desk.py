"""The engine's order side: decisions become plans, the broker's reports become book entries, denials are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from core.events import (
    Bar,
    BrokerError,
    Commission,
    Execution,
    OpenOrderReport,
    Order,
    OrderStatusReport,
)
from core.exec_ids import correction_number
from core.journal import Journal
from core.payloads import commission_payload, fill_payload
from core.reasons import Reason
from core.records import RecordKind
from core.vocabulary import KILL_PREFIX, Purpose, Side
from execution.ib_executor import IBExecutor
from execution.methods.remainder import takes_its_time
from execution.order_manager import ORDER_CANCELLED_CODE, OrderManager, StrayOrder
from execution.order_state import OrderState
from execution.parent_work import ParentWork
from execution.plans import Denial, EntryPlan, ExitPlan, Plan, TradingConditions
from execution.trailing_stops import TrailingStops
from execution.upkeep import OrderUpkeep, UpkeepReport
from portfolio.ledger import WATCHDOG
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import Decision
from portfolio.live_manager.order_facts import SessionMoment, order_context
from portfolio.live_manager.pending_room import PendingRoom
from portfolio.live_manager.status import RunStatus

_STOP_WAS_HIT: Final = "its stop was hit"
_UNWANTED: Final = "it is wanted no more"
OrderMessage = OrderStatusReport | OpenOrderReport | Execution | Commission | BrokerError


class OrderDesk:
    """Owned by the engine thread.

    Parameters
    ----------
    book, manager, executor, upkeep, work, journal, status
        The engine's own.
    trailing
        Follows the trailing stops.
    ask_broker
        Asks for a reconciliation when a report can't be explained by our book.
    trails
        Whether a strategy's stops trail.
    """

    def __init__(
        self,
        *,
        book: LiveBook,
        manager: OrderManager,
        executor: IBExecutor,
        upkeep: OrderUpkeep,
        work: ParentWork,
        journal: Journal,
        status: RunStatus,
        trailing: TrailingStops,
        ask_broker: Callable[[str], None],
        trails: Callable[[str], bool],
    ) -> None:
        self._book = book
        self._manager = manager
        self._executor = executor
        self._upkeep = upkeep
        self._work = work
        self._journal = journal
        self._status = status
        self._trailing = trailing
        self._ask_broker = ask_broker
        self._trails = trails
        self._log = structlog.get_logger(__name__)
        self.on_entry_fill: Callable[[str, str, Side], None] | None = None
        """Told of each fill that opens a position: strategy, symbol, side."""
        self.is_short_restricted: Callable[[str], bool] = lambda _symbol: False
        """Whether rule 201 of Regulation SHO binds short sales of a symbol."""
        self.is_locked: Callable[[str], bool] = lambda _symbol: False
        """Whether a break locks a symbol."""
        self._told: dict[tuple[str, str], Reason] = {}
        self._sent: set[str] = set()
        self._unprotected: set[tuple[str, str]] = set()

    # --- from decisions to orders -------------------------------------------------------------------------

    def act(
        self,
        decisions: Iterable[Decision],
        conditions: TradingConditions,
        *,
        bar_end_ns: int,
        price_of: Callable[[str], float],
        moment: SessionMoment | None = None,
        room: PendingRoom | None = None,
    ) -> None:
        """Send what the decisions ask for, as far as the checks let it out.

        ``moment`` says where in its session the bar ended; None when that isn't known. ``room`` is what entries
        may add beside those that still work.
        """
        plans: list[Plan] = []
        crowded: list[Denial] = []
        for decision in decisions:
            if decision.target != decision.position:
                plan = self._plan(decision, bar_end_ns, price_of(decision.symbol), moment)
                objection = room.objection(plan) if room is not None and isinstance(plan, EntryPlan) else None
                if objection is not None:
                    crowded.append(objection)
                elif plan is not None:
                    plans.append(plan)
        self.tell(crowded, bar_end_ns)
        if not plans:
            return
        submission = self._executor.submit(plans, conditions)
        self._note_sent(submission.sent)
        refused = {(denial.strategy, denial.symbol) for denial in submission.denials}
        for plan in plans:
            if (plan.strategy, plan.symbol) not in refused:
                self._told.pop((plan.strategy, plan.symbol), None)
        self.tell(submission.denials, bar_end_ns)

    def _note_sent(self, orders: Iterable[Order]) -> None:
        sent = tuple(orders)
        self._work.watch(sent)
        self._sent |= {order.order_ref for order in sent}  # an amendment is no further order
        self._status.orders_sent = len(self._sent)
        for order in sent:
            self._log.info(
                "order_sent",
                order_ref=order.order_ref,
                strategy=order.strategy,
                symbol=order.symbol,
                side=str(order.side),
                quantity=str(order.quantity),
                order_type=str(order.order_type),
                method=None if order.method is None else str(order.method),
                reason=order.reason,
            )

    def withdraw_unwanted(self, target_of: Callable[[str, str], float]) -> None:
        """Ask for the end of entries and exits that take their time and that the last decision wants no more.

        Nothing follows them then, nor one that has ended with a rest or is just ending.
        """

        def is_unwanted(order: Order) -> bool:
            target = target_of(order.strategy, order.symbol)
            if order.purpose is Purpose.ENTRY:
                return target * order.side.sign <= 0
            position = float(self._book.position(order.strategy, order.symbol))
            return target * position > 0 and abs(target) >= abs(position)

        for state in self._manager.book.pending():
            order = state.order
            if order.purpose is not Purpose.STOP and takes_its_time(order) and is_unwanted(order):
                self._executor.cancel(order.order_ref, _UNWANTED)
        for order in self._work.followed():
            if is_unwanted(order):
                self._work.withdraw(order.strategy, order.symbol, _UNWANTED, purpose=order.purpose)

    def _plan(
        self, decision: Decision, bar_end_ns: int, price: float, moment: SessionMoment | None
    ) -> Plan | None:
        context = None if moment is None else order_context(decision, price, moment)
        if decision.position:
            # To be left, which the rest of an entry holds up no longer.
            self._work.withdraw(decision.strategy, decision.symbol, "the position is to be left")
        if self._work.is_busy(decision.strategy, decision.symbol):
            return None  # what an earlier order left goes on in a moment
        session = None if moment is None else moment.session
        if decision.position:
            return ExitPlan(
                strategy=decision.strategy,
                symbol=decision.symbol,
                position=decision.position,
                quantity=abs(decision.position) - abs(decision.target),
                arrival_price=price,
                created_ns=bar_end_ns,
                reason=decision.reason.code if decision.reason else "exit",
                context=context,
                session=session,
            )
        if self._manager.pending_exposure(decision.strategy, decision.symbol):
            return None  # the entry of an earlier bar is still at work
        side = Side.BUY if decision.target > 0 else Side.SELL
        return EntryPlan(
            strategy=decision.strategy,
            symbol=decision.symbol,
            side=side,
            quantity=abs(decision.target),
            stop_price=price - side.sign * decision.stop_distance,
            arrival_price=price,
            created_ns=bar_end_ns,
            reason=decision.reason.code if decision.reason else "entry",
            trail_distance=decision.stop_distance if self._trails(decision.strategy) else None,
            context=context,
            session=session,
            is_short_restricted=self.is_short_restricted(decision.symbol),
        )

    def follow(self, bars: Mapping[str, Bar]) -> None:
        """Note where the trailing stops stand after these bars."""
        self._trailing.on_bars(bars)

    def tell(self, denials: Iterable[Denial], bar_end_ns: int) -> None:
        """Journal and count denials; one that repeats bar after bar is told when it begins."""
        new = []
        for denial in denials:
            key = (denial.strategy, denial.symbol)
            if self._told.get(key) is not denial.reason:
                self._told[key] = denial.reason
                new.append(denial)
        if not new:
            return
        with self._journal.batch():
            for denial in new:
                self._journal.append(
                    RecordKind.DENIAL,
                    {
                        "bar_end_ns": bar_end_ns,
                        "strategy": denial.strategy,
                        "symbol": denial.symbol,
                        "reason": denial.reason.code,
                        "quantity": str(denial.quantity),
                        "detail": denial.detail,
                    },
                )
        for denial in new:
            self._status.count_denial(denial.reason)
            self._log.info(
                "order_denied",
                strategy=denial.strategy,
                symbol=denial.symbol,
                reason=denial.reason.code,
                quantity=str(denial.quantity),
                detail=denial.detail,
            )

    def work_is_due(self, market_ns: int) -> bool:
        """Whether a parent order's rest is to be dealt with now, before the next round of upkeep."""
        return self._work.is_due(market_ns)

    def look_after(self, conditions: TradingConditions, market_ns: int) -> UpkeepReport:
        """One round of upkeep: open questions, cancels without an answer, stops that don't fit, rests of parent orders."""
        report = self._upkeep.run(self._book.positions(), conditions, market_ns)
        overdue = tuple(state.order_ref for state in report.overdue)
        for order_ref in set(overdue) - set(self._status.overdue):
            self._log.warning("order_overdue", order_ref=order_ref)
        self._status.overdue = overdue
        if report.resolution is not None:
            for execution in report.resolution.missing:
                self.on_execution(execution)
        bare = {(one.strategy, one.symbol) for one in report.unprotected}
        for strategy, symbol in bare - self._unprotected:
            self._log.error("position_without_stop", strategy=strategy, symbol=symbol)
        self._unprotected = bare
        work = self._work.run(self._book.positions(), conditions, market_ns)
        self._note_sent(work.sent)
        self.tell((*report.denials, *work.denials), market_ns)
        return report

    # --- from the broker's reports to the book ------------------------------------------------------------

    def on_message(self, message: OrderMessage) -> None:
        """Take one report of the broker about orders."""
        if isinstance(message, Execution):
            self.on_execution(message)
        elif isinstance(message, Commission):
            self.on_commission(message)
        elif isinstance(message, BrokerError):
            self._on_error(message)
        else:
            change = (
                self._manager.on_status(message)
                if isinstance(message, OrderStatusReport)
                else self._manager.on_open_order(message)
            )
            if isinstance(change, StrayOrder):
                self.on_strays((change,))

    def on_strays(self, strays: Iterable[StrayOrder]) -> None:
        """End orders that the broker has twice."""
        for stray in strays:
            self._log.error("order_twice_at_broker", order_ref=stray.order_ref, perm_ids=list(stray.perm_ids))
            self._executor.cancel_stray(stray)

    def on_execution(self, execution: Execution) -> None:
        """Book an execution; one that isn't ours starts a reconciliation."""
        if execution.order_ref.startswith(KILL_PREFIX):
            self._book_watchdog(execution)
            return
        result = self._manager.on_execution(execution)
        if result.state is None:
            self._log.warning("foreign_execution", symbol=execution.symbol, order_ref=execution.order_ref)
            self._ask_broker("foreign_execution")
            return
        if not result.is_booked:
            return
        order = result.state.order
        self._book.apply_money(RecordKind.FILL, fill_payload(execution, strategy=order.strategy))
        self._status.fills = self._book.ledger.fills
        if order.purpose is Purpose.ENTRY and self.on_entry_fill is not None:
            self.on_entry_fill(order.strategy, order.symbol, order.side)
        if order.purpose is Purpose.STOP:
            # What the stop has closed shall not be bought again by the rest of an entry that filled in parts.
            self._executor.cancel_entries(order.strategy, order.symbol, _STOP_WAS_HIT)
            self._work.withdraw(order.strategy, order.symbol, _STOP_WAS_HIT)
        if result.overfilled:
            self._log.error("overfilled", order_ref=execution.order_ref, filled=str(result.state.filled))
            self._ask_broker("overfilled")
        elif self.is_locked(execution.symbol):
            self._ask_broker("fill")  # by which the broker's position may have been ahead of our book
        self._log.info(
            "fill",
            order_ref=execution.order_ref,
            strategy=result.strategy,
            symbol=execution.symbol,
            side=str(execution.side),
            quantity=str(execution.quantity),
            price=str(execution.price),
        )

    def _book_watchdog(self, execution: Execution) -> None:
        known = self._book.ledger.booked(execution.exec_id)
        if known and correction_number(execution.exec_id) <= correction_number(known.exec_id):
            return
        payload = fill_payload(execution, strategy=WATCHDOG)
        self._journal.append(RecordKind.FILL, payload)
        self._book.apply(RecordKind.FILL, payload)

    def on_commission(self, commission: Commission) -> None:
        """Book a commission."""
        if self._manager.on_commission(commission):
            self._book.apply_money(RecordKind.COMMISSION, commission_payload(commission))
            self._status.commission = self._book.ledger.commissions()

    def _on_error(self, error: BrokerError) -> None:
        change = self._manager.on_error(error)
        refused = change is not None and error.code != ORDER_CANCELLED_CODE
        log = self._log.warning if refused else self._log.debug
        log("broker_error", code=error.code, request_id=error.request_id, text=error.message)

    def live_orders(self) -> tuple[OrderState, ...]:
        """Orders of ours that may still fill."""
        return tuple(state for state in self._manager.book.pending() if state.is_live)

    @property
    def working_orders(self) -> int:
        """Number of live orders."""
        return len(self.live_orders())
