"""The engine's one queue: bounded lanes, strictly by priority, first in first out inside a lane.

What may be lost is decided here, once:

* CONTROL, ORDER and RISK lose nothing. When such a lane is full the producer gets ``QueueOverflow`` and the
  consumer gets a ``Halt`` as its next event.
* Of account values and running profit and loss only the newest counts, so a newer one takes the place of one
  that still waits. The same holds for quotes, one per symbol.
* Bars are never merged. When too many wait, all waiting bars of the symbol whose bar is oldest are dropped and
  a ``FeedChanged(GAP)`` stands where the first of them was: a hole that is known, never a silent one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from core.errors import QueueOverflow
from core.events import AccountValue, Bar, Event, FeedChanged, Halt, ProfitAndLoss, Quote, RealtimeBar
from core.lanes import Lane, lane_of
from core.vocabulary import FeedStatus, HaltLevel, HaltReason

Key: TypeAlias = tuple[str, ...]
_BARS = (Bar, RealtimeBar)


class _Slot:
    """Place in a lane whose content a newer event may replace."""

    __slots__ = ("event", "key")

    def __init__(self, key: Key, event: Event) -> None:
        self.key = key
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatistics:
    """Figures since the start. ``replaced`` counts conflated events, ``dropped_bars`` what a gap cost."""

    put: int
    taken: int
    replaced: int
    dropped_bars: int
    max_depth: int
    depth_by_lane: tuple[int, ...]


class EventQueue:
    """Queue from many producers (broker threads, timers, signals) to the one engine thread.

    Parameters
    ----------
    capacity
        Events that may wait in each lane.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"a queue needs a capacity of at least 1, not {capacity}")
        self._capacity = capacity
        self._lanes: tuple[deque[Event | _Slot], ...] = tuple(deque() for _ in Lane)
        self._slots: dict[Key, _Slot] = {}
        self._waiting_bars = 0
        self._depth = 0
        # Re-entrant, because a signal handler may put an event while its own thread is inside ``get`` or ``put``.
        # CPython runs handlers between two calls at the earliest, and no counter below changes across a call.
        self._lock = threading.RLock()
        self._filled = threading.Condition(self._lock)
        self._consumer_waits = False
        self._overflow: Lane | None = None
        self._halt_is_due = False
        self._put = self._taken = self._replaced = self._dropped = self._max_depth = 0

    # --- producers ---------------------------------------------------------------------------------------

    def put(self, event: Event) -> None:
        """Queue one event; callable from any thread and from a signal handler, never waits.

        Raises
        ------
        QueueOverflow
            When a lane that may not lose anything is full. The event is not queued; the engine halts.
        """
        lane = lane_of(event)
        with self._lock:
            self._put += 1
            if lane is Lane.MARKET:
                self._put_market(event)
            else:
                self._put_upper(lane, event)
            self._max_depth = max(self._max_depth, self._depth)
            if self._consumer_waits:
                self._filled.notify()

    def _put_upper(self, lane: Lane, event: Event) -> None:
        key: Key | None = None
        if lane is Lane.RISK:
            if isinstance(event, AccountValue):
                key = ("value", event.account, event.key, event.currency)
            elif isinstance(event, ProfitAndLoss):
                key = ("pnl", event.account)
            if key is not None and self._replace(key, event):
                return
        queue = self._lanes[lane]
        if len(queue) >= self._capacity:
            if self._overflow is None:
                self._overflow, self._halt_is_due = lane, True
                self._filled.notify()
            raise QueueOverflow(f"the {lane.name} lane is full: {self._capacity} events wait")
        self._append(queue, key, event)

    def _put_market(self, event: Event) -> None:
        queue = self._lanes[Lane.MARKET]
        if isinstance(event, Quote):
            key: Key | None = ("quote", event.symbol)
        elif isinstance(event, FeedChanged):
            key = ("feed", event.symbol or "", event.status)
        else:
            key = None
            if self._waiting_bars >= self._capacity:
                self._drop_oldest_symbol(queue)
            self._waiting_bars += 1
        if key is None or not self._replace(key, event):
            self._append(queue, key, event)

    def _replace(self, key: Key, event: Event) -> bool:
        slot = self._slots.get(key)
        if slot is None:
            return False
        slot.event = event
        self._replaced += 1
        return True

    def _append(self, queue: deque[Event | _Slot], key: Key | None, event: Event) -> None:
        if key is None:
            queue.append(event)
        else:
            slot = self._slots[key] = _Slot(key, event)
            queue.append(slot)
        self._depth += 1

    def _drop_oldest_symbol(self, queue: deque[Event | _Slot]) -> None:
        """Replace all waiting bars of one symbol by one gap. Slow, but then the engine is far behind anyway."""
        symbol = next(entry.symbol for entry in queue if isinstance(entry, _BARS))
        key: Key = ("feed", symbol, FeedStatus.GAP)
        gap = FeedChanged(symbol=symbol, status=FeedStatus.GAP, detail="bars dropped: the engine is behind")
        slot = self._slots.setdefault(key, _Slot(key, gap))
        kept: list[Event | _Slot] = []
        gap_is_placed = False
        for entry in queue:
            is_bar = isinstance(entry, _BARS) and entry.symbol == symbol
            self._dropped += is_bar
            self._waiting_bars -= is_bar
            if not is_bar and entry is not slot:
                kept.append(entry)
            elif not gap_is_placed:  # where the first dropped bar was, or an earlier gap that still waits
                kept.append(slot)
                gap_is_placed = True
        removed = len(queue) - len(kept)
        queue.clear()
        queue.extend(kept)
        self._depth -= removed

    # --- the consumer ------------------------------------------------------------------------------------

    def get(self, timeout_s: float = 0.0) -> Event | None:
        """Next event, the highest lane first; None when none came within ``timeout_s`` seconds."""
        with self._lock:
            if not self._depth and not self._halt_is_due and timeout_s > 0:
                self._wait(timeout_s)
            if self._halt_is_due:
                self._halt_is_due = False
                return self._overflow_halt()
            if not self._depth:
                return None
            entry = next(filter(None, self._lanes)).popleft()
            self._depth -= 1
            self._taken += 1
            if isinstance(entry, _Slot):
                del self._slots[entry.key]
                return entry.event
            if isinstance(entry, _BARS):
                self._waiting_bars -= 1
            return entry

    def _wait(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        self._consumer_waits = True
        try:
            while not self._depth and not self._halt_is_due and (left := end - time.monotonic()) > 0:
                self._filled.wait(left)
        finally:
            self._consumer_waits = False

    def _overflow_halt(self) -> Halt:
        lane = self._overflow.name if self._overflow is not None else "?"
        return Halt(
            level=HaltLevel.HALTED,
            reason=HaltReason.QUEUE_OVERFLOW,
            detail=f"the {lane} lane was full ({self._capacity} events): events are missing",
            source="event_queue",
        )

    # --- figures -----------------------------------------------------------------------------------------

    @property
    def overflowed(self) -> bool:
        """Whether an event was ever refused. Never falls back."""
        return self._overflow is not None

    def depth(self) -> int:
        """Events that wait, in all lanes."""
        return self._depth

    def statistics(self) -> QueueStatistics:
        """Figures since the start."""
        with self._lock:
            return QueueStatistics(
                put=self._put,
                taken=self._taken,
                replaced=self._replaced,
                dropped_bars=self._dropped,
                max_depth=self._max_depth,
                depth_by_lane=tuple(map(len, self._lanes)),
            )
