"""Sends orders: check, journal, one line for the watchdog, then the socket - in that order, and never twice.

Exits and their stop. An exit of a whole position joins the OCA group of its stop with type 2 (reduce, with block), so
that the broker never fills both, whichever comes first. For a *reduction* the stop is first amended to what shall
remain, and the exit goes without a group: brokers reduce a group in proportion to the fill, not by its size.

An exit is not sent while anything else may still change the position: a working entry is cancelled first, an earlier
exit, a stop that has begun to fill, or an unbooked fill is waited for. The denial is ``Reason.EXIT_PENDING``, and the engine asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from core.clock import Clock
from core.config_schema import ExecutionSettings
from core.errors import BackstopError, RetryLater, StopTrading
from core.events import Order, Quote
from core.reasons import Reason
from core.records import RecordKind
from core.vocabulary import ExecutionMethod, Purpose
from execution.arrival import arrival_payload
from execution.broker_port import BrokerPort, JournalPort, SubmissionPort
from execution.methods.remainder import Remainder, withdraws
from execution.methods.selection import MethodSelector, Selection
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager, StrayOrder
from execution.order_state import OrderPhase, OrderState
from execution.plans import Denial, EntryPlan, ExitPlan, Plan, Submission, TradingConditions, permission
from execution.pretrade import PretradeContext, Verdict, verdict_on
from execution.situations import situation_of
from execution.throttle import OrderThrottle

QuoteSource = Callable[[str], Quote | None]
_STRAY_AGAIN_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to the broker. ``former`` is the order before an amendment, None for a new one."""

    order: Order
    order_id: int
    parent_id: int | None = None
    transmit: bool = True
    former: Order | None = None


Bundle = tuple[Outgoing, ...]
"""Messages that stand or fall together, in the order in which they leave."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    bundle: Bundle
    selection: Selection


@dataclass(frozen=True, slots=True)
class _Outcome:
    sent: Bundle
    failed: Bundle
    reason: Reason = Reason.NONE
    detail: str = ""
    stop: StopTrading | None = None


class IBExecutor:
    """Main's only way to the broker's order functions.

    Parameters
    ----------
    session
        The broker.
    manager
        Our orders; journals every intent.
    journal
        The journal that ``manager`` writes, for its batches.
    lane
        The gate that a halt closes.
    submissions
        The line-by-line log that the watchdog counts.
    factory
        Makes the orders.
    selector
        Chooses how each is worked.
    exchange_of
        Primary exchange of a symbol by IB's name; empty when it isn't known.
    settings
        Section ``execution`` of the configuration.
    symbols
        Symbols that may be entered.
    quotes
        Newest quote of a symbol.
    clock
        For ages and rates (monotonic).
    """

    def __init__(
        self,
        *,
        session: BrokerPort,
        manager: OrderManager,
        journal: JournalPort,
        lane: OrderLane,
        submissions: SubmissionPort,
        factory: OrderFactory,
        selector: MethodSelector,
        exchange_of: Callable[[str], str],
        settings: ExecutionSettings,
        symbols: Iterable[str],
        quotes: QuoteSource,
        clock: Clock,
    ) -> None:
        self.manager = manager
        self.lane = lane
        self._session = session
        self._journal = journal
        self._submissions = submissions
        self._factory = factory
        self._selector = selector
        self._exchange_of = exchange_of
        self._settings = settings
        self._symbols = frozenset(symbols)
        self._quotes = quotes
        self._clock = clock
        self._throttle = OrderThrottle(repeat_window_s=settings.pretrade.repeat_window_s)
        self._cancelled_strays: dict[tuple[int, int], int] = {}
        self.has_lease: Callable[[], bool] = lambda: True
        """Whether the watchdog's lease is fresh now. A batch takes time, so it is asked again before each entry."""

    # --- orders -------------------------------------------------------------------------------------------

    def submit(self, plans: Iterable[Plan], conditions: TradingConditions) -> Submission:
        """Check, journal and send; exits first. All intents of the batch are made durable by one write.

        Raises
        ------
        StopTrading
            When the journal or the submission log can't be written; nothing more was sent then.
        """
        bundles: list[Bundle] = []
        denials: list[Denial] = []
        with self._journal.batch():
            for plan in sorted(plans, key=lambda plan: isinstance(plan, EntryPlan)):
                prepared = self._prepare(plan, conditions, ahead=sum(map(len, bundles)))
                if isinstance(prepared, Denial):
                    denials.append(prepared)
                    continue
                for outgoing in prepared.bundle:
                    self.manager.intend(outgoing.order, outgoing.order_id)
                self._journal.append(RecordKind.ARRIVAL, self._arrival(plan, prepared))
                bundles.append(prepared.bundle)
        sent, failures = self.send(bundles)
        return Submission(sent=sent, denials=(*denials, *failures))

    def send(self, bundles: Sequence[Bundle]) -> tuple[tuple[Order, ...], tuple[Denial, ...]]:
        """Send bundles whose intents are durable; return the orders that left, and a denial for each that didn't."""
        if not bundles:
            return (), ()
        outcomes: list[_Outcome] = []
        for bundle in bundles:
            stop = next((outcome.stop for outcome in outcomes if outcome.stop is not None), None)
            outcomes.append(self._send_bundle(bundle) if stop is None else _not_tried(bundle, stop))
        with self._journal.batch():
            for outcome in outcomes:
                self._record(outcome)
        for outcome in outcomes:
            self._withdraw_headless(outcome)
        for outcome in outcomes:
            if outcome.stop is not None:
                raise outcome.stop
        sent = tuple(out.order for outcome in outcomes for out in outcome.sent)
        return sent, tuple(_denial_of(outcome) for outcome in outcomes if outcome.failed)

    def cancel(self, order_ref: str, reason: str) -> bool:
        """Ask for the end of one order; False when it isn't live or is ending already.

        The message goes before its record: a cancel only takes risk off, and may be repeated. Without a
        connection it is repeated when there is one (``OrderUpkeep``). Of an order that is ending because its time
        is over, a withdrawal is journaled without a message: nothing follows it then, after a restart neither.
        """
        state = self.manager.book.get(order_ref)
        if state is None or not state.is_live:
            return False
        if state.phase is OrderPhase.CANCELLING:
            if withdraws(state, reason):
                self.manager.cancelling(order_ref, reason)
            return False
        self.repeat_cancel(state.order_id)
        self.manager.cancelling(order_ref, reason)
        return True

    def repeat_cancel(self, order_id: int) -> None:
        """Send a cancel, if there is a connection."""
        try:
            self._session.cancel(order_id)
        except RetryLater:
            self.manager.query_due = True

    def cancel_all(self, reason: str, purposes: Iterable[Purpose] = tuple(Purpose)) -> tuple[str, ...]:
        """Ask for the end of every live order of these purposes; return their names."""
        wanted = set(purposes)
        states = [state for state in self.manager.book.pending() if state.order.purpose in wanted]
        return tuple(state.order_ref for state in states if self.cancel(state.order_ref, reason))

    def cancel_entries(self, strategy: str, symbol: str, reason: str) -> None:
        """Ask for the end of what still enters one position."""
        self._cancel_entries(self.manager.book.pending(strategy=strategy, symbol=symbol), reason)

    def cancel_stray(self, stray: StrayOrder) -> None:
        """End an order that the broker has twice, or still has after its end; again while it is reported."""
        now_ns = self._clock.monotonic_ns()
        last_ns = self._cancelled_strays.get(stray.order_ids)
        if last_ns is not None and now_ns - last_ns < _STRAY_AGAIN_NS:
            return
        self._cancelled_strays[stray.order_ids] = now_ns
        for order_id in dict.fromkeys(stray.order_ids):
            self.repeat_cancel(order_id)
        self.cancel(stray.order_ref, "the broker has it twice")

    # --- preparing ----------------------------------------------------------------------------------------

    def _prepare(self, plan: Plan, conditions: TradingConditions, *, ahead: int) -> _Prepared | Denial:
        """Check a plan; ``ahead`` counts the batch's messages that were prepared before it and have yet to leave."""
        purpose = Purpose.ENTRY if isinstance(plan, EntryPlan) else Purpose.EXIT
        reason = permission(purpose, plan.symbol, conditions)
        if reason is Reason.NONE and not self.lane.is_open:
            reason = Reason.HALTED
        if reason is not Reason.NONE:
            return _denial(plan, reason, self.lane.closed_by or "")
        if isinstance(plan, EntryPlan):
            return self._prepare_entry(plan, ahead)
        return self._prepare_exit(plan)

    def _prepare_entry(self, plan: EntryPlan, ahead: int) -> _Prepared | Denial:
        ref = self._factory.next_ref(Purpose.ENTRY)
        selection = self._select(plan, ref)
        if selection is None:
            return _no_method(plan)
        entry, stop = self._factory.bracket(plan, ref, selection)
        verdict = self._check(entry, position=Decimal(0), stop_price=stop.stop_price, ahead=ahead)
        if verdict is not None:
            return _denial(plan, *verdict)
        entry_id, stop_id = self._session.next_order_id(), self._session.next_order_id()
        # The entry waits at the broker until its stop has arrived: it can't fill unprotected.
        bundle = (Outgoing(entry, entry_id, transmit=False), Outgoing(stop, stop_id, parent_id=entry_id))
        return _Prepared(bundle, selection)

    def _prepare_exit(self, plan: ExitPlan) -> _Prepared | Denial:
        pending = self.manager.book.pending(strategy=plan.strategy, symbol=plan.symbol)
        obstacle = self._obstacle(pending)
        if obstacle:
            return _denial(plan, Reason.EXIT_PENDING, obstacle)
        stops = [state for state in pending if state.order.purpose is Purpose.STOP]
        stop = stops[-1] if stops else None
        ref = self._factory.next_ref(Purpose.EXIT)
        selection = self._select(plan, ref)
        if selection is None:
            return _no_method(plan)
        order = self._factory.exit(plan, stop, ref, selection)
        verdict = self._check(order, position=plan.position)
        if verdict is not None:
            return _denial(plan, *verdict)
        outgoing = Outgoing(order, self._session.next_order_id())
        if stop is None or plan.is_full:
            return _Prepared((outgoing,), selection)
        reduced = self.amendment(stop, stop.filled + abs(plan.position) - plan.quantity)
        return _Prepared((reduced, outgoing), selection)

    def _select(self, plan: Plan, ref: str) -> Selection | None:
        """Choose the method of a plan; None when a sequel has none any more."""
        situation = situation_of(plan, self._quotes(plan.symbol), self._exchange_of(plan.symbol))
        sequel = plan.sequel
        if sequel is None:
            return self._selector.select(situation, ref)
        if sequel.remainder is Remainder.FALLBACK:
            return self._selector.next_after(sequel.method, situation, sequel.why)
        method = ExecutionMethod.MKT if sequel.remainder is Remainder.CROSS else sequel.method
        return self._selector.exactly(method, situation, sequel.why)

    def _obstacle(self, pending: Sequence[OrderState]) -> str:
        """Why the position's size isn't final; entries that stand in the way are cancelled."""
        entries = self._cancel_entries(pending, "an exit waits for its end")
        if entries:
            return f"{entries[0].order_ref} is still {entries[0].phase}; its rest is cancelled first"
        unbooked = [state for state in pending if state.unbooked]
        if unbooked:
            return f"{unbooked[0].order_ref}: a fill is reported, its execution isn't here yet"
        triggered = [state for state in pending if state.order.purpose is Purpose.STOP and state.filled]
        if triggered:  # it is a market order by now, for all of the position
            return f"{triggered[0].order_ref} was triggered and is filling"
        exits = [state for state in pending if state.order.purpose is not Purpose.STOP]
        if exits:
            return f"{exits[0].order_ref} is still {exits[0].phase}"
        stops = [state for state in pending if state.phase is OrderPhase.WORKING]
        # The exit can be tied to one stop only; an entry in two parts has two until upkeep has made one of them.
        return f"{stops[0].order_ref} and {stops[1].order_ref} become one stop first" if stops[1:] else ""

    def _cancel_entries(self, pending: Iterable[OrderState], reason: str) -> list[OrderState]:
        entries = [state for state in pending if state.order.purpose is Purpose.ENTRY and state.is_live]
        for state in entries:
            self.cancel(state.order_ref, reason)
        return entries

    def amendment(self, stop: OrderState, quantity: Decimal) -> Outgoing:
        """Message that changes the total quantity of a working stop, and leaves one that trails where it has moved to."""
        order = replace(self._factory.as_it_stands(stop), quantity=quantity)
        parent = self.manager.book.get(order.parent_ref) if order.parent_ref is not None else None
        # While the parent works the broker wants it repeated (105); one that has ended it no longer finds (135).
        parent_id = parent.order_id if parent is not None and parent.is_live else None
        return Outgoing(order, stop.order_id, parent_id=parent_id, former=stop.order)

    def _check(
        self, order: Order, *, position: Decimal, stop_price: Decimal | None = None, ahead: int = 0
    ) -> Verdict | None:
        now_ns = self._clock.monotonic_ns()
        return verdict_on(
            PretradeContext(
                order=order,
                settings=self._settings.pretrade,
                symbols=self._symbols,
                position=position,
                quote=self._quotes(order.symbol),
                now_monotonic_ns=now_ns,
                pending=self.manager.book.pending(symbol=order.symbol),
                orders_last_minute=self._throttle.last_minute(now_ns) + ahead,
                repeats=self._throttle.repeats(_repeat_key(order), now_ns),
                stop_price=stop_price,
            )
        )

    def _arrival(self, plan: Plan, prepared: _Prepared) -> dict[str, object]:
        order = next(out.order for out in prepared.bundle if out.order.purpose is not Purpose.STOP)
        return arrival_payload(
            plan,
            order,
            self._quotes(order.symbol),
            now_monotonic_ns=self._clock.monotonic_ns(),
            choice=prepared.selection.choice,
            admissible=prepared.selection.admissible,
            parent_order_ref=order.root_ref,
        )

    # --- sending ------------------------------------------------------------------------------------------

    def _send_bundle(self, bundle: Bundle) -> _Outcome:
        if any(outgoing.order.purpose.adds_risk for outgoing in bundle) and not self.has_lease():
            return _Outcome((), bundle, Reason.NO_LEASE, "the lease ended before the order had left")
        for index, outgoing in enumerate(bundle):
            sent, rest = bundle[:index], bundle[index:]
            try:
                if not self.lane.send(partial(self._put, outgoing)):
                    return _Outcome(
                        sent, rest, Reason.HALTED, self.lane.closed_by or "the order lane is closed"
                    )
            except StopTrading as error:
                return _Outcome(sent, rest, Reason.HALTED, str(error), stop=error)
            except (
                BackstopError
            ) as error:  # not connected, or refused by the encoder: the broker can't have it
                return _Outcome(sent, rest, Reason.NOT_CONNECTED, str(error))
        return _Outcome(bundle, ())

    def _put(self, outgoing: Outgoing) -> None:
        order = outgoing.order
        self._submissions.record(order)
        self._throttle.sent(_repeat_key(order), self._clock.monotonic_ns())
        self._session.place(
            outgoing.order_id, order, parent_id=outgoing.parent_id, transmit=outgoing.transmit
        )

    def _record(self, outcome: _Outcome) -> None:
        for outgoing in outcome.sent:
            self.manager.sent(outgoing.order.order_ref, outgoing.order_id)
        for outgoing in outcome.failed:
            if outgoing.former is not None:  # the broker still has the order as it was
                self.manager.intend(outgoing.former, outgoing.order_id)
            else:
                self.manager.not_sent(outgoing.order.order_ref, outcome.detail)

    def _withdraw_headless(self, outcome: _Outcome) -> None:
        # An entry that left without its stop is held at the broker untransmitted; take it back.
        if outcome.failed:
            for outgoing in outcome.sent:
                if not outgoing.transmit:
                    self.cancel(outgoing.order.order_ref, "its stop could not be sent")


def _no_method(plan: Plan) -> Denial:
    why = "" if plan.sequel is None else f" for the rest of {plan.sequel.root_ref} ({plan.sequel.why})"
    return _denial(plan, Reason.NO_METHOD, f"no method is possible any more{why}")


def _not_tried(bundle: Bundle, stop: StopTrading) -> _Outcome:
    return _Outcome((), bundle, Reason.HALTED, f"not tried after: {stop}")


def _repeat_key(order: Order) -> tuple[str, ...]:
    return (order.strategy, order.symbol, order.side, order.purpose)


def _denial(plan: Plan, reason: Reason, detail: str) -> Denial:
    return Denial(
        strategy=plan.strategy, symbol=plan.symbol, reason=reason, quantity=plan.quantity, detail=detail
    )


def _denial_of(outcome: _Outcome) -> Denial:
    order = outcome.failed[0].order
    return Denial(
        strategy=order.strategy,
        symbol=order.symbol,
        reason=outcome.reason,
        quantity=order.quantity,
        detail=outcome.detail,
    )
