"""Goes on with parent orders whose order ended with a rest: another method, the market, another window, or nothing.

An intent is never sent again. What goes on is a new order with a name of its own; it names the first one as its root, in the
journal's ORDER_INTENT and ARRIVAL, so that costs and fills count for the parent.

A sequel waits until nothing of the position is in flight: the ended order is settled and its stop is either gone or
working. It waits for a few seconds at most. After that, and after a restart, the rest is left to the strategy's next decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from core.clock import Clock
from core.config_execution_methods import MethodSettings
from core.events import Order
from core.reasons import Reason
from core.vocabulary import HaltLevel, Purpose
from execution.ib_executor import IBExecutor
from execution.methods.remainder import (
    TIME_IS_OVER,
    Remainder,
    is_withdrawn,
    remainder_of,
    time_is_over,
)
from execution.methods.situation import SessionTimes
from execution.order_state import OrderPhase, OrderState
from execution.plans import Denial, EntryPlan, ExitPlan, Plan, Sequel, TradingConditions
from execution.protective_stops import PositionKey

LONGEST_WAIT_S: Final = 20.0
_PAUSE_NS: Final = 500_000_000
_WAIT_FOR: Final = frozenset({Reason.EXIT_PENDING, Reason.DUPLICATE, Reason.SELF_CROSS})


@dataclass(frozen=True, slots=True)
class _Waiting:
    state: OrderState
    sequel: Sequel
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReport:
    """What the engine must hear of: orders that left, and rests that were given up."""

    sent: tuple[Order, ...] = ()
    denials: tuple[Denial, ...] = ()


class ParentWork:
    """Run by the engine loop beside upkeep.

    Parameters
    ----------
    executor
        Sends and cancels.
    settings
        Section ``execution.methods``.
    session_at
        Session that is on at a market time; None when the exchange is closed.
    clock
        Monotonic, for how long a sequel waits.
    """

    def __init__(
        self,
        *,
        executor: IBExecutor,
        settings: MethodSettings,
        session_at: Callable[[int], SessionTimes | None],
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._book = executor.manager.book
        self._settings = settings
        self._session_at = session_at
        self._clock = clock
        self._watched: set[str] = set()
        self._waiting: dict[PositionKey, _Waiting] = {}
        self._positions: Mapping[PositionKey, Decimal] = {}
        self._next_try_ns = 0
        self._may_act = True
        # What had ended before a restart isn't taken up: it may have been given up since.
        self.watch(state.order for state in self._book.pending() if state.is_live and not is_withdrawn(state))

    def watch(self, orders: Iterable[Order]) -> None:
        """Follow orders that have just been sent."""
        self._watched |= {
            o.order_ref for o in orders if o.method is not None and o.purpose is not Purpose.STOP
        }

    def is_busy(self, strategy: str, symbol: str) -> bool:
        """Whether the rest of an order of this position is about to go on."""
        return (strategy, symbol) in self._waiting

    def followed(self) -> tuple[Order, ...]:
        """Entries and exits that something may still follow."""
        watched = (self._book.get(ref) for ref in sorted(self._watched))
        states = (*watched, *(waiting.state for waiting in self._waiting.values()))
        return tuple(state.order for state in states if state is not None)

    def withdraw(self, strategy: str, symbol: str, reason: str, *, purpose: Purpose = Purpose.ENTRY) -> None:
        """Let nothing follow the entry (or exit) of a position: its rest is wanted no more, whether it waits or works.

        What works is not cancelled here. Of what is ending, ``reason`` is journaled, so that a restart knows it too.
        """
        for ref in sorted(self._watched):
            state = self._book.get(ref)
            if state is None or state.order.purpose is not purpose or _key(state) != (strategy, symbol):
                continue
            if state.is_live and state.phase is not OrderPhase.CANCELLING:
                if state.order.until_ns is not None:
                    continue  # nobody cancelled it: its time is still to be watched
            else:
                self._executor.cancel(ref, reason)
            self._watched.discard(ref)
        waiting = self._waiting.get((strategy, symbol))
        if waiting is not None and waiting.state.order.purpose is purpose:
            del self._waiting[strategy, symbol]

    def is_due(self, market_ns: int) -> bool:
        """Whether a round has something to do now; cheap enough to be asked on every turn of the engine's loop.

        Rounds by the wall clock alone would be late in market time when a replay runs fast.
        """
        if not self._may_act:
            return False
        may_try = bool(self._waiting) and self._clock.monotonic_ns() >= self._next_try_ns
        if may_try and not all(self._is_in_flight(key) for key in self._waiting):
            return True
        for ref in self._watched:
            state = self._book.get(ref)
            if state is None or not (state.is_live or state.unbooked) or time_is_over(state, market_ns):
                return True
        return False

    def run(
        self, positions: Mapping[PositionKey, Decimal], conditions: TradingConditions, market_ns: int
    ) -> WorkReport:
        """One round.

        Parameters
        ----------
        positions
            Booked, signed positions by strategy and symbol.
        conditions
            As for orders.
        market_ns
            Market time now.
        """
        self._positions = positions
        self._may_act = may_act = (
            conditions.connected
            and conditions.reconciled
            and conditions.halt_level < HaltLevel.HALTED
            and self._executor.lane.is_open
        )
        for ref in sorted(self._watched):
            state = self._book.get(ref)
            if state is None or not (state.is_live or state.unbooked):
                self._watched.discard(ref)
                if state is not None and may_act:
                    self._take_up(state, market_ns)
            elif is_withdrawn(state):
                self._watched.discard(ref)
            elif may_act and time_is_over(state, market_ns):
                self._executor.cancel(ref, TIME_IS_OVER)
        if not self._waiting:
            return WorkReport()
        return self._go_on(positions, conditions, market_ns)

    # --- inside -------------------------------------------------------------------------------------------

    def _take_up(self, state: OrderState, market_ns: int) -> None:
        order = state.order
        remainder = remainder_of(state, market_ns, self._settings.remainder)
        if remainder is None or order.method is None:
            return
        sequel = Sequel(
            root_ref=order.root_ref or order.order_ref,
            method=order.method,
            remainder=remainder,
            why=_why(remainder, state),
        )
        self._waiting[_key(state)] = _Waiting(state, sequel, self._clock.monotonic_ns())

    def _go_on(
        self, positions: Mapping[PositionKey, Decimal], conditions: TradingConditions, market_ns: int
    ) -> WorkReport:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_try_ns:
            return WorkReport()
        sent: tuple[Order, ...] = ()
        denials: list[Denial] = []
        for key, known in tuple(self._waiting.items()):
            waiting = self._as_it_is_now(known)
            if waiting.state.filled >= waiting.state.order.quantity:  # a fill came late: nothing is left
                del self._waiting[key]
                continue
            if self._is_in_flight(key):
                if now_ns - waiting.since_ns > LONGEST_WAIT_S * 1e9:
                    del self._waiting[key]
                    denials.append(_given_up(waiting, "the position doesn't come to rest"))
                continue
            plan = self._plan(waiting, positions.get(key, Decimal(0)), market_ns)
            submission = None if plan is None else self._executor.submit([plan], conditions)
            if submission is not None and submission.denials:
                in_time = now_ns - waiting.since_ns <= LONGEST_WAIT_S * 1e9
                if in_time and submission.denials[0].reason in _WAIT_FOR:
                    self._next_try_ns = now_ns + _PAUSE_NS
                    continue
                denials += submission.denials
            elif submission is not None:
                self.watch(submission.sent)
                sent += submission.sent
            del self._waiting[key]
        return WorkReport(sent=sent, denials=tuple(denials))

    def _as_it_is_now(self, waiting: _Waiting) -> _Waiting:
        """Read its order again: fills may follow the end of an order, and shrink the rest while it waits."""
        state = self._book.get(waiting.state.order_ref) or waiting.state
        sequel = replace(waiting.sequel, why=_why(waiting.sequel.remainder, state))
        return replace(waiting, state=state, sequel=sequel)

    def _is_in_flight(self, key: PositionKey) -> bool:
        pending = self._book.pending(strategy=key[0], symbol=key[1])
        moves = any(
            state.unbooked or state.order.purpose is not Purpose.STOP or state.phase is not OrderPhase.WORKING
            for state in pending
        )
        if moves or self._waiting[key].state.order.purpose is not Purpose.ENTRY:
            return moves
        # The stop of an entry that ended shrinks to what has filled, or goes; the rest brings one of its own.
        covered = sum((state.open_quantity for state in pending), Decimal(0))
        return covered > abs(self._positions.get(key, Decimal(0)))

    def _plan(self, waiting: _Waiting, position: Decimal, market_ns: int) -> Plan | None:
        """Plan of what is left; None when nothing is: the exchange has closed, or the position went another way."""
        state, order = waiting.state, waiting.state.order
        rest, session = order.quantity - state.filled, self._session_at(market_ns)
        price = order.arrival_price
        if session is None or price is None:
            return None
        if order.purpose is Purpose.EXIT:
            if position * order.side.sign >= 0:
                return None
            return ExitPlan(
                strategy=order.strategy,
                symbol=order.symbol,
                position=position,
                quantity=min(rest, abs(position)),
                arrival_price=price,
                created_ns=market_ns,
                reason=order.reason,
                session=session,
                sequel=waiting.sequel,
            )
        stop = self._book.last_stop(order.strategy, order.symbol)
        if position * order.side.sign < 0 or stop is None or stop.stop_price is None:
            return None
        if stop.filled:  # what the stop has closed is not bought again
            return None
        trail = stop.order.trailing_amount
        return EntryPlan(
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            quantity=rest,
            stop_price=float(stop.stop_price),
            arrival_price=price,
            created_ns=market_ns,
            reason=order.reason,
            trail_distance=None if trail is None else float(trail),
            session=session,
            sequel=waiting.sequel,
        )


def _key(state: OrderState) -> PositionKey:
    return state.order.strategy, state.order.symbol


def _why(remainder: Remainder, state: OrderState) -> str:
    order, rest = state.order, state.order.quantity - state.filled
    return {
        Remainder.FALLBACK: f"the broker refused {order.method}: {state.detail or state.phase}",
        Remainder.CROSS: f"the time of {order.method} is over with {rest} left",
        Remainder.CARRY: f"another window for the {rest} that {order.method} left",
    }[remainder]


def _given_up(waiting: _Waiting, detail: str) -> Denial:
    order = waiting.state.order
    return Denial(
        strategy=order.strategy,
        symbol=order.symbol,
        reason=Reason.NO_METHOD,
        quantity=order.quantity - waiting.state.filled,
        detail=f"{waiting.sequel.why}; {detail}",
    )
