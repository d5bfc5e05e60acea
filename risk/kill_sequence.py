"""The kill sequence as a pure state machine: events in, actions out. The one liquidator of the project.

::

                 no order open, fence up             positions read
    CANCELLING ──────────────────────────► READING ──────────────────► two looks alike? ──no──► CANCELLING
        ▲                                                                     │                (settle first)
        │      each close is done, or its patience is over         yes: something may be closed
        └────────────────────────── CLOSING ◄──────────────────────────────── ┤
                                                                   yes: flat, or only residue ──► ENDED

A *look* is an answer "no order is open" followed by an answer to "which positions". Two looks in a row, ``settle``
apart, must agree before anything is concluded. Why the machine can't double a close or turn a position round:

* Closing orders are sized only from two equal looks, at most ``|position|`` (less what refuses to be cancelled),
  and only after the fence. A fill that overtakes its position report, or a last order of main that was still on its
  way, shows up as a second look that differs from the first.
* All closing orders of a round are done, or cancelled, before the next look.
* A broker answer that belongs to an earlier question is dropped (``read_id``), a question without an answer is
  asked again, and a lost session leads back to CANCELLING. Nothing unknown is ever read as flat.
* After a restart it begins anew with CANCELLING. The broker admits one session per client id, so when ours is
  ready every byte of our former incarnation has been taken in: what it left working is cancelled, what was filled
  is in the positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

from core.events import OpenOrderReport
from core.vocabulary import KILL_PREFIX, OrderType, Side
from risk.kill_messages import (
    CancelAll,
    CloseRefused,
    CloseStatus,
    ClosingOrder,
    FenceEnded,
    FenceOutcome,
    Finish,
    KillAction,
    KillEvent,
    KillLimits,
    Note,
    OpenOrdersRead,
    PositionsRead,
    RaiseFence,
    ReadOpenOrders,
    ReadPositions,
    RecordStart,
    Residue,
    SendCloses,
    SessionChanged,
    Tick,
    Warn,
)

_ZERO = Decimal(0)
_STUCK_CLOSES = "an order that can't be cancelled may still close it"
_AT_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
_FRACTION = "a fraction of a share: close it in TWS"


class Phase(StrEnum):
    """What the sequence is waiting for."""

    CANCELLING = "cancelling"
    READING = "reading"
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(slots=True)
class _Close:
    """A closing order of the current round."""

    order: ClosingOrder
    filled: Decimal = _ZERO
    done: bool = False


@dataclass(slots=True)
class KillSequence:
    """One kill, from the breach to the proof of its end.

    Parameters
    ----------
    kill_id
        Names the kill in every order reference: ``BS-KILL-<kill id>-<symbol>-<n>``.
    limits
        Patience.
    closes_sent
        How many closing orders an earlier incarnation journaled for this kill; their numbers are not used again.

    Attributes
    ----------
    cancel_sent_ns, orders_gone_ns, flat_ns
        When the first global cancel was asked for, since when no order of others was open, when flat was proven.
    """

    kill_id: str
    limits: KillLimits = field(default_factory=KillLimits)
    closes_sent: int = 0
    phase: Phase = Phase.CANCELLING
    ready: bool = False
    fence: FenceOutcome | None = None
    cancel_sent_ns: int | None = None
    orders_gone_ns: int | None = None
    flat_ns: int | None = None
    _read_id: int = 0
    _waiting: bool = False
    _ask_at_ns: int = 0
    _rereads: int = 0
    _cancelled_at_ns: int = 0
    _open_since_ns: int | None = None
    _stuck: tuple[OpenOrderReport, ...] = ()
    _first_look: Mapping[str, Decimal] | None = None
    _positions: Mapping[str, Decimal] = field(default_factory=dict)
    _closes: dict[str, _Close] = field(default_factory=dict)
    _closes_began: bool = False
    _unsent: bool = False
    _progress_ns: int = 0
    _stall_told_ns: int = 0
    _tried: dict[str, Decimal] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _why: dict[str, str] = field(default_factory=dict)

    def start(self, at_ns: int, *, ready: bool) -> tuple[KillAction, ...]:
        """Begin, for the first time or after a restart: cancel and fence at once, then record.

        The cancel and the fence do not wait for the disk: both are idempotent, and after a crash before the record
        is made the same breach is found again.
        """
        self.ready = ready
        self._progress_ns = at_ns
        actions: list[KillAction] = [*self._cancel(at_ns), RaiseFence(), RecordStart()]
        if not ready:
            actions.append(Warn(text="no broker session: orders will be cancelled as soon as it is back"))
        return (*actions, *self._ask())

    def handle(self, event: KillEvent) -> tuple[KillAction, ...]:
        """Take one event; return what is to be done now, in this order."""
        if self.phase is Phase.ENDED:
            return ()
        actions: tuple[KillAction, ...]
        match event:
            case FenceEnded():
                actions = self._on_fence(event)
            case SessionChanged():
                actions = self._on_session(event)
            case OpenOrdersRead():
                actions = self._on_open_orders(event)
            case PositionsRead():
                actions = self._on_positions(event)
            case CloseStatus():
                actions = self._on_close_status(event)
            case CloseRefused():
                actions = self._on_close_refused(event)
            case Tick():
                actions = self._on_tick(event.at_ns)
        return actions

    # --- asking ------------------------------------------------------------------------------------------

    def _cancel(self, at_ns: int) -> tuple[KillAction, ...]:
        """Cancel everything; an answer that was asked for before is no answer any more."""
        self._waiting = False
        self._first_look = None
        if not self.ready:
            return ()
        self._cancelled_at_ns = at_ns
        if self.cancel_sent_ns is None:
            self.cancel_sent_ns = at_ns
        return (CancelAll(),)

    def _enter_round(self) -> None:
        self.phase = Phase.CANCELLING
        self._closes.clear()
        self._first_look = None
        self._stuck = ()
        self._open_since_ns = None
        self._waiting = False
        self._rereads = 0

    def _begin_round(self, at_ns: int, *, cancel: bool) -> tuple[KillAction, ...]:
        """Go (back) to CANCELLING and ask for open orders."""
        self._enter_round()
        first = self._cancel(at_ns) if cancel else ()
        return (*first, *self._ask())

    def _ask(self) -> tuple[KillAction, ...]:
        """Put the question of the present phase, unless one is on its way."""
        if not self.ready or self._waiting:
            return ()
        self._read_id += 1
        self._waiting = True
        if self.phase is Phase.READING:
            return (ReadPositions(read_id=self._read_id),)
        return (ReadOpenOrders(read_id=self._read_id),)

    def _ask_again(self, at_ns: int) -> tuple[KillAction, ...]:
        """Repeat the question after a pause that grows: questions share the broker's message limit with orders."""
        pause = min(self.limits.reread_ns * 2 ** min(self._rereads, 10), self.limits.recancel_ns)
        self._rereads += 1
        return self._ask_later(at_ns, pause)

    def _ask_later(self, at_ns: int, pause_ns: int) -> tuple[KillAction, ...]:
        self._waiting = False
        self._ask_at_ns = at_ns + pause_ns
        return ()

    def _on_tick(self, at_ns: int) -> tuple[KillAction, ...]:
        if self.phase is Phase.CLOSING and at_ns - self._progress_ns > self.limits.close_patience_ns:
            for close in self._closes.values():
                if not close.done:
                    self._why[close.order.symbol] = "closing order was accepted but not filled in time"
            note = Note(step="patience", detail="closing orders are cancelled and sent anew")
            return (note, *self._begin_round(at_ns, cancel=True))
        warning = self._warn_of_stall(at_ns)
        return (*warning, *self._ask()) if at_ns >= self._ask_at_ns else warning

    def _warn_of_stall(self, at_ns: int) -> tuple[KillAction, ...]:
        """Tell, not with every tick, that nothing is closed: the broker may be slow, or answer nothing at all."""
        limit = self.limits.stall_ns
        if at_ns - max(self._progress_ns, self._stall_told_ns) <= limit:
            return ()
        self._stall_told_ns = at_ns
        reason = "the broker has not answered" if self._waiting else f"still {self.phase.value}"
        why = reason if self.ready else "there is no broker session"
        return (Warn(text=f"no progress for {limit // 10**9} s: {why}; it goes on"),)

    # --- fence and session -------------------------------------------------------------------------------

    def _on_fence(self, event: FenceEnded) -> tuple[KillAction, ...]:
        self.fence = event.outcome
        note = Note(step="fence", detail=f"{event.outcome.value}: {event.detail}")
        warning: tuple[KillAction, ...] = ()
        if event.outcome is FenceOutcome.FAILED:
            warning = (Warn(text=f"main could not be fenced ({event.detail}); flattening goes on"),)
        # What main sent between the first cancel and the fence needs a second one.
        return (note, *warning, *self._begin_round(event.at_ns, cancel=True))

    def _on_session(self, event: SessionChanged) -> tuple[KillAction, ...]:
        self.ready = event.ready
        self._waiting = False
        self._tried.clear()  # what became of the round can't be judged any more
        if not event.ready:
            return (Warn(text="broker session lost during the kill; nothing is known until it is back"),)
        return (Note(step="session", detail="ready"), *self._begin_round(event.at_ns, cancel=True))

    # --- no order open -----------------------------------------------------------------------------------

    def _on_open_orders(self, event: OpenOrdersRead) -> tuple[KillAction, ...]:
        if event.read_id != self._read_id or not self._waiting:
            return ()
        self._waiting = False
        if event.orders is None:
            return self._ask_again(event.at_ns)
        if self.phase is Phase.CLOSING:
            return self._while_closing(event.orders, event.at_ns)
        return self._while_cancelling(event.orders, event.at_ns)

    def _while_cancelling(self, orders: tuple[OpenOrderReport, ...], at_ns: int) -> tuple[KillAction, ...]:
        if orders:
            return self._chase(orders, at_ns)
        if self._stuck:  # they have just filled or gone: no position read before that counts
            self._first_look = None
        self._stuck = ()
        self._open_since_ns = None
        if self.orders_gone_ns is None:
            self.orders_gone_ns = at_ns
        if self.fence is None:
            return self._ask_again(at_ns)
        self.phase = Phase.READING
        return self._ask()

    def _chase(self, orders: tuple[OpenOrderReport, ...], at_ns: int) -> tuple[KillAction, ...]:
        """Wait for open orders to go, cancel again, and at last go on without those that won't."""
        if not self._closes_began:
            self.orders_gone_ns = None
        if {order.perm_id for order in orders} != {order.perm_id for order in self._stuck}:
            self._first_look = None
        if self._open_since_ns is None:
            self._open_since_ns = at_ns
        if self.fence is not None and at_ns - self._open_since_ns > self.limits.cancel_patience_ns:
            warning: tuple[KillAction, ...] = ()
            if not self._stuck:
                names = ", ".join(sorted(f"{order.symbol} {_name(order)}" for order in orders))
                warning = (Warn(text=f"orders can't be cancelled: {names}"),)
            self._stuck = orders
            self.phase = Phase.READING
            return (*warning, *self._ask())
        again: tuple[KillAction, ...] = ()
        if at_ns - self._cancelled_at_ns > self.limits.recancel_ns:
            again = self._cancel(at_ns)
        return (*again, *self._ask_again(at_ns))

    # --- positions ---------------------------------------------------------------------------------------

    def _on_positions(self, event: PositionsRead) -> tuple[KillAction, ...]:
        if event.read_id != self._read_id or not self._waiting or self.phase is not Phase.READING:
            return ()
        self._waiting = False
        if event.positions is None:
            self._first_look = None
            self.phase = Phase.CANCELLING
            return self._ask_again(event.at_ns)
        held = {symbol: quantity for symbol, quantity in event.positions.items() if quantity}
        if held != self._first_look:
            self._first_look = held
            self.phase = Phase.CANCELLING
            # A refused close is not hammered: the pause grows once something has failed.
            pause = self.limits.settle_ns * (10 if self._failures else 1)
            return self._ask_later(event.at_ns, pause)
        self._positions = held
        self._judge_attempts()
        orders = tuple(self._closing_orders())
        return self._close(orders, event.at_ns) if orders else self._finish(event.at_ns)

    def _judge_attempts(self) -> None:
        """Count as failed what was tried and is still held in full: judged by positions, not by statuses."""
        for symbol, before in self._tried.items():
            if abs(self._positions.get(symbol, _ZERO)) < abs(before):
                self._failures.pop(symbol, None)
            else:
                self._failures[symbol] = self._failures.get(symbol, 0) + 1
        self._tried.clear()

    def _closing_orders(self) -> list[ClosingOrder]:
        orders = []
        for symbol, quantity in sorted(self._positions.items()):
            if self._failures.get(symbol, 0) >= self.limits.attempts:
                continue
            side = Side.SELL if quantity > 0 else Side.BUY
            # An order that won't be cancelled may still fill: leave room for all of it.
            blocking = [order for order in self._stuck if order.symbol == symbol and order.side is side]
            held = abs(quantity) - sum((order.quantity for order in blocking), _ZERO)
            to_close = max(held, _ZERO).to_integral_value(ROUND_FLOOR)  # the API takes whole shares only
            if not to_close:
                self._why[symbol] = _STUCK_CLOSES if blocking else _FRACTION
                continue
            self.closes_sent += 1
            reference = f"{KILL_PREFIX}{self.kill_id}-{symbol}-{self.closes_sent}"
            orders.append(ClosingOrder(order_ref=reference, symbol=symbol, side=side, quantity=to_close))
        return orders

    # --- closing -----------------------------------------------------------------------------------------

    def _close(self, orders: tuple[ClosingOrder, ...], at_ns: int) -> tuple[KillAction, ...]:
        self.phase = Phase.CLOSING
        self._closes_began = True
        self._closes = {order.order_ref: _Close(order=order) for order in orders}
        self._tried = {order.symbol: self._positions[order.symbol] for order in orders}
        self._unsent = False
        self._progress_ns = at_ns
        self._ask_later(at_ns, self.limits.recancel_ns)
        return (SendCloses(orders=orders),)

    def _on_close_status(self, event: CloseStatus) -> tuple[KillAction, ...]:
        close = self._closes.get(event.order_ref)
        if close is None or close.done:
            return ()
        if event.filled > close.filled:
            close.filled = event.filled
            self._progress_ns = event.at_ns
        if event.status.is_over or close.filled >= close.order.quantity:
            close.done = True
            if close.filled < close.order.quantity:
                self._why[close.order.symbol] = event.detail or f"closing order {event.status.value}"
        return self._end_round_if_done(event.at_ns)

    def _on_close_refused(self, event: CloseRefused) -> tuple[KillAction, ...]:
        close = self._closes.get(event.order_ref)
        if close is None:
            return ()
        self._why[close.order.symbol] = event.detail
        note = Note(step="refused", detail=f"{event.order_ref}: {event.detail}")
        if close.done:
            return (note,)
        close.done = True
        if not event.sent:
            # Nothing reached the broker, so this says nothing about the symbol: try again, but calmly.
            self._tried.pop(close.order.symbol, None)
            self._unsent = True
        return (note, *self._end_round_if_done(event.at_ns))

    def _end_round_if_done(self, at_ns: int) -> tuple[KillAction, ...]:
        if not all(close.done for close in self._closes.values()):
            return ()
        if not self._unsent:
            return self._begin_round(at_ns, cancel=False)
        self._enter_round()
        return self._ask_later(at_ns, self.limits.recancel_ns)

    def _while_closing(self, orders: tuple[OpenOrderReport, ...], at_ns: int) -> tuple[KillAction, ...]:
        """End the round when the broker works none of its orders: a status may never come."""
        if not {order.order_ref for order in orders}.intersection(self._closes):
            return self._begin_round(at_ns, cancel=bool(orders))
        return self._ask_later(at_ns, self.limits.recancel_ns)

    def _finish(self, at_ns: int) -> tuple[KillAction, ...]:
        self.phase = Phase.ENDED
        residue = [
            Residue(symbol=symbol, quantity=quantity, reason=self._why.get(symbol, "not closed"))
            for symbol, quantity in sorted(self._positions.items())
        ]
        for order in self._stuck:
            reason = f"order {_name(order)} can't be cancelled"
            residue.append(Residue(symbol=order.symbol, quantity=_ZERO, reason=reason))
        if not residue:
            self.flat_ns = at_ns
        return (Finish(flat=not residue, residue=tuple(residue)),)


def _name(order: OpenOrderReport) -> str:
    """Name an order that stays, and say what becomes of it if that is known."""
    name = str(order.order_ref or order.perm_id)
    return f"{name} ({order.order_type}: may fill at the close)" if order.order_type in _AT_CLOSE else name
