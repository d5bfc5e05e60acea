"""What has to be looked after between decisions: stops that don't fit, open questions, cancels without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from core.clock import Clock
from core.errors import RetryLater
from core.events import BrokerSnapshot
from core.vocabulary import HaltLevel, OrderType, Purpose
from execution.broker_port import BrokerPort, JournalPort
from execution.ib_executor import Bundle, IBExecutor, Outgoing
from execution.methods.remainder import INACTIVE
from execution.order_factory import OrderFactory
from execution.order_manager import OrderManager, Resolution
from execution.order_state import OrderPhase, OrderState
from execution.plans import Denial, TradingConditions
from execution.protective_stops import (
    AmendStop,
    CancelOrder,
    PlaceStop,
    PositionKey,
    StopAction,
    Unprotected,
    plan_protection,
)

ShutdownPolicy = Literal["keep_stops", "cancel_all", "keep_all"]
SETTLE_S: Final = 0.5
"""How long a mismatch must last before we act on it: the broker's own messages usually end it first."""

_LONGEST_PAUSE_S: Final = 30.0
_PATIENT_QUERIES: Final = 3
_QUIET_NS: Final = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepReport:
    """What the engine must hear of.

    ``resolution.missing`` are executions to be booked as if they had just come; ``overdue`` are orders that the
    broker owes an answer for longer than configured; ``unprotected`` are positions without any stop.
    """

    resolution: Resolution | None = None
    overdue: tuple[OrderState, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()
    actions: tuple[StopAction, ...] = ()
    denials: tuple[Denial, ...] = ()


class Patience:
    """Longer and longer pauses between attempts for one position, so that a broker's refusal is no order storm."""

    def __init__(self) -> None:
        self._attempts: dict[PositionKey, tuple[int, int]] = {}

    def tried(self, key: PositionKey, now_ns: int) -> None:
        """Note an attempt; after a quiet minute counting starts anew."""
        count, last_ns = self._attempts.get(key, (0, now_ns))
        self._attempts[key] = (1 if now_ns - last_ns > _QUIET_NS else count + 1, now_ns)

    def allows(self, key: PositionKey, now_ns: int) -> bool:
        """Whether the next attempt may be made."""
        if key not in self._attempts:
            return True
        count, last_ns = self._attempts[key]
        pause_s = min(_LONGEST_PAUSE_S, SETTLE_S * 2.0 ** (count - 1))
        return now_ns - last_ns >= pause_s * 1e9


class OrderUpkeep:
    """Run by the engine loop on its timer; never blocks on the broker's answers.

    Parameters
    ----------
    executor, session, journal, factory, clock
        As the executor's own.
    query_after_s
        ``execution.pending_submit_query_s``: age at which an open question is put to the broker.
    """

    def __init__(
        self,
        *,
        executor: IBExecutor,
        session: BrokerPort,
        journal: JournalPort,
        factory: OrderFactory,
        clock: Clock,
        query_after_s: float,
    ) -> None:
        self._executor = executor
        self._manager: OrderManager = executor.manager
        self._session = session
        self._journal = journal
        self._factory = factory
        self._clock = clock
        self._query_after_s = query_after_s
        self._query: Future[BrokerSnapshot] | None = None
        self._last_query_ns: int | None = None
        self._repeated_ns: dict[str, int] = {}
        self._seen_ns: dict[StopAction, int] = {}
        self._patience = Patience()
        self._stood_down = False

    def run(
        self, positions: Mapping[PositionKey, Decimal], conditions: TradingConditions, created_ns: int
    ) -> UpkeepReport:
        """One round.

        Parameters
        ----------
        positions
            Booked, signed positions by strategy and symbol; those that are missing are flat.
        conditions
            As for orders; a locked symbol's stops are left alone, because its position is in doubt.
        created_ns
            Market time, stamped on new stops.
        """
        resolution = self._answer()
        overdue = self._manager.overdue(self._query_after_s)
        if not conditions.connected:
            return UpkeepReport(resolution=resolution, overdue=overdue)
        self._repeat_cancels(overdue)
        self._ask(due=bool(overdue))
        actions: tuple[StopAction, ...] = ()
        denials: tuple[Denial, ...] = ()
        may_act = (
            conditions.reconciled and conditions.halt_level < HaltLevel.HALTED and self._executor.lane.is_open
        )
        if may_act and not self._stood_down:
            actions = self._settled(positions, conditions)
            denials = self._carry_out(actions, created_ns)
        return UpkeepReport(
            resolution=resolution,
            overdue=overdue,
            unprotected=tuple(action for action in actions if isinstance(action, Unprotected)),
            actions=actions,
            denials=denials,
        )

    def shut_down(self, policy: ShutdownPolicy) -> tuple[str, ...]:
        """Begin a graceful stop; return the orders whose end was asked for.

        ``keep_stops`` cancels entries and leaves what reduces risk: stops and exits. The engine goes on running
        upkeep until nothing is cancelling, because a stop may have to follow its partly filled entry.
        """
        if policy == "keep_all":
            return ()
        if policy == "keep_stops":
            return self._executor.cancel_all("shutdown", (Purpose.ENTRY,))
        self._stood_down = True
        return self._executor.cancel_all("shutdown")

    # --- open questions -----------------------------------------------------------------------------------

    def _ask(self, *, due: bool) -> None:
        if self._query is not None or not (due or self._manager.query_due):
            return
        now_ns = self._clock.monotonic_ns()
        if self._last_query_ns is not None and now_ns - self._last_query_ns < self._query_after_s * 1e9:
            return
        try:
            self._query = self._session.request_snapshot()
        except RetryLater:
            return
        self._last_query_ns = now_ns
        self._manager.query_due = False

    def _answer(self) -> Resolution | None:
        if self._query is None or not self._query.done():
            return None
        query, self._query = self._query, None
        if (
            query.cancelled() or query.exception() is not None
        ):  # no answer is UNKNOWN: ask again, conclude nothing
            self._manager.query_due = True
            return None
        resolution = self._manager.resolve(query.result())
        for stray in resolution.strays:
            self._executor.cancel_stray(stray)
        return resolution

    def _repeat_cancels(self, overdue: tuple[OrderState, ...]) -> None:
        now_ns, wait_ns = self._clock.monotonic_ns(), round(self._query_after_s * 1e9)
        for state in overdue:
            if (
                state.phase is OrderPhase.INACTIVE
            ):  # it isn't worked: end it rather than have it come back later
                self._executor.cancel(state.order_ref, INACTIVE)
            elif state.phase is OrderPhase.CANCELLING:
                last_ns = self._repeated_ns.get(state.order_ref)
                if last_ns is None or now_ns - last_ns >= wait_ns:
                    self._repeated_ns[state.order_ref] = now_ns
                    self._executor.repeat_cancel(state.order_id)

    # --- stops --------------------------------------------------------------------------------------------

    def _settled(
        self, positions: Mapping[PositionKey, Decimal], conditions: TradingConditions
    ) -> tuple[StopAction, ...]:
        """Actions that have been called for during the last ``SETTLE_S`` without a change."""
        planned = [
            action
            for action in plan_protection(positions, self._manager.book)
            if self._key_of(action)[1] not in conditions.locked_symbols
        ]
        now_ns = self._clock.monotonic_ns()
        self._seen_ns = {action: self._seen_ns.get(action, now_ns) for action in planned}
        return tuple(action for action in planned if self._is_due(action, now_ns))

    def _is_due(self, action: StopAction, now_ns: int) -> bool:
        if now_ns - self._seen_ns[action] < SETTLE_S * 1e9:
            return False
        if isinstance(action, AmendStop) and self._asks_first(action, now_ns):
            return False
        return isinstance(action, Unprotected) or self._patience.allows(self._key_of(action), now_ns)

    def _asks_first(self, action: AmendStop, now_ns: int) -> bool:
        """Whether the broker must say first where a trailing stop stands: since the mismatch began it may have moved.

        A broker that gives no answer doesn't hold the amendment up for ever: what is known does then.
        """
        state = self._manager.book.get(action.order_ref)
        if state is None or state.order.order_type is not OrderType.TRAIL:
            return False
        seen_ns, told_ns = self._seen_ns[action], self._manager.reported_ns(action.order_ref)
        if told_ns is not None and told_ns >= seen_ns:
            return False
        self._manager.query_due = True
        return now_ns - seen_ns < _PATIENT_QUERIES * self._query_after_s * 1e9

    def _key_of(self, action: StopAction) -> PositionKey:
        if isinstance(action, PlaceStop | Unprotected):
            return action.strategy, action.symbol
        state = self._manager.book.get(action.order_ref)
        return ("", "") if state is None else (state.order.strategy, state.order.symbol)

    def _carry_out(self, actions: tuple[StopAction, ...], created_ns: int) -> tuple[Denial, ...]:
        bundles: list[Bundle] = []
        now_ns = self._clock.monotonic_ns()
        for action in actions:
            if not isinstance(action, Unprotected):
                self._patience.tried(self._key_of(action), now_ns)
            if isinstance(action, CancelOrder):
                self._executor.cancel(action.order_ref, action.reason)
            elif isinstance(action, AmendStop):
                state = self._manager.book.get(action.order_ref)
                if state is not None:
                    bundles.append((self._executor.amendment(state, action.quantity),))
            elif isinstance(action, PlaceStop):
                order = self._factory.stop(action, created_ns)
                bundles.append((Outgoing(order, self._session.next_order_id()),))
        if not bundles:
            return ()
        with self._journal.batch():
            for bundle in bundles:
                for outgoing in bundle:
                    self._manager.intend(outgoing.order, outgoing.order_id)
        return self._executor.send(bundles)[1]
