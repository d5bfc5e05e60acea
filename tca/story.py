"""One parent order's story, as the journal tells it, and the market's bars that it is measured by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING

from core.exec_ids import base_exec_id, correction_number
from core.vocabulary import Purpose, Side
from tca.calculator import ZERO, Fill

if TYPE_CHECKING:
    from tca.benchmarks import Benchmarks

KEPT_SESSIONS = 4
"""Sessions whose bars are kept in memory: an order is measured by its own session and the next one's open."""

NEXT_OPENING_NS = 24 * 3600 * 10**9
"""No session opens sooner after the opening of the last one."""


@dataclass(frozen=True, slots=True)
class BookedFill:
    """One execution in its latest correction."""

    order_ref: str
    revision: int
    time_ns: int
    fill: Fill


@dataclass(slots=True)
class Fees:
    """Commissions by execution. They may come before their execution, and be corrected."""

    _known: dict[str, tuple[int, Decimal]] = field(default_factory=dict)

    def book(self, exec_id: str, amount: Decimal) -> None:
        """Take a commission report, unless a later correction of it is known.

        As in the ledger a report counts unless a correction with a higher number is known.
        """
        base, revision = base_exec_id(exec_id), correction_number(exec_id)
        known = self._known.get(base)
        if known is None or revision >= known[0]:
            self._known[base] = (revision, amount)

    def of(self, base: str) -> Decimal:
        """Return what an execution cost, as far as it is known."""
        return self._known[base][1] if base in self._known else ZERO


@dataclass(slots=True)
class Story:
    """A parent order: what was wanted, what was known, what happened. Grows record by record."""

    order_ref: str
    run_id: str
    strategy: str
    symbol: str
    side: Side
    purpose: Purpose
    order_type: str
    quantity: Decimal
    created_ns: int
    first_seq: int
    last_seq: int
    oca_group: str | None = None
    stop_price: Decimal | None = None
    intended_price: float | None = None
    arrival: Mapping[str, object] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    """References of the orders that worked for it, its own among them."""
    live: set[str] = field(default_factory=set)
    """Those that may still fill."""
    fills: dict[str, BookedFill] = field(default_factory=dict)
    ended_ns: int | None = None
    mark_at_fill: float | None = None
    """Newest close before the first fill: the only benchmark of an order that nobody announced."""
    outcome: str = ""
    benchmarks: Benchmarks | None = None
    """Once they are final; before that they are measured when asked for."""

    @property
    def filled(self) -> Decimal:
        """Sum of the executions."""
        return sum((one.fill.quantity for one in self.fills.values()), ZERO)

    @property
    def is_over(self) -> bool:
        """Whether no order of it works any more."""
        return not self.live

    @property
    def counts(self) -> bool:
        """Whether it is a parent order: a protective stop becomes one only by its first fill."""
        return self.purpose is not Purpose.STOP or bool(self.fills)

    def book(self, exec_id: str, one: BookedFill) -> None:
        """Book an execution, or a correction of it."""
        base = base_exec_id(exec_id)
        known = self.fills.get(base)
        if known is None or one.revision > known.revision:
            self.fills[base] = one


@dataclass(frozen=True, slots=True)
class Mark:
    """One journaled bar."""

    end_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Marks:
    """Journaled bars by symbol, and the sessions that they lie in."""

    def __init__(self) -> None:
        self._bars: dict[str, list[Mark]] = {}
        self._sessions: list[tuple[int, int]] = []

    def begin_session(self, open_ns: int, close_ns: int) -> None:
        """Note a session; bars of those long past are dropped."""
        if self._sessions and self._sessions[-1][0] == open_ns:
            return  # a restart in the middle of it
        self._sessions.append((open_ns, close_ns))
        if len(self._sessions) > KEPT_SESSIONS:
            oldest_ns = self._sessions[-KEPT_SESSIONS][0]
            for bars in self._bars.values():
                del bars[: _place_after(bars, oldest_ns)]

    def add(self, end_ns: int, bars: Mapping[str, list[float]]) -> None:
        """Take one record of bars."""
        for symbol, (first, high, low, close, volume) in bars.items():
            known = self._bars.setdefault(symbol, [])
            if not known or known[-1].end_ns < end_ns:
                known.append(Mark(end_ns, first, high, low, close, volume))

    def session_close(self, time_ns: int) -> int | None:
        """Return when the session closes, or closed, that a moment belongs to; None when that isn't known.

        It is the newest that had opened by then: a closing auction prints seconds after the close, and reports come later still.
        After `NEXT_OPENING_NS` another one may have opened that main has not seen.
        """
        place = bisect_right(self._sessions, time_ns, key=itemgetter(0)) - 1
        if place < 0 or time_ns >= self._sessions[place][0] + NEXT_OPENING_NS:
            return None
        return self._sessions[place][1]

    @property
    def oldest_kept_ns(self) -> int:
        """Opening of the session before the present one; an order that ended earlier will see no bar of its own any more."""
        return self._sessions[-2][0] if len(self._sessions) > 1 else 0

    def has_passed(self, time_ns: int) -> bool:
        """Whether a later session has begun."""
        return bool(self._sessions) and self._sessions[-1][0] >= time_ns

    def last_at(self, symbol: str, time_ns: int) -> Mark | None:
        """Newest bar that ended at ``time_ns`` or before."""
        bars = self._bars.get(symbol, [])
        place = _place_after(bars, time_ns)
        return bars[place - 1] if place else None

    def between(self, symbol: str, after_ns: int, through_ns: int) -> list[Mark]:
        """Bars from the one that began at ``after_ns`` through the one in which ``through_ns`` lies."""
        bars = self._bars.get(symbol, [])
        first = _place_after(bars, after_ns)
        last = bisect_left(bars, through_ns, key=_end_of)
        return bars[first : max(last + 1, first + 1)]

    def after(self, symbol: str, time_ns: int, count: int = 1) -> Mark | None:
        """Return the ``count``-th bar that ended after ``time_ns``."""
        bars = self._bars.get(symbol, [])
        place = _place_after(bars, time_ns) + count - 1
        return bars[place] if place < len(bars) else None


def _end_of(mark: Mark) -> int:
    return mark.end_ns


def _place_after(bars: list[Mark], time_ns: int) -> int:
    return bisect_right(bars, time_ns, key=_end_of)
