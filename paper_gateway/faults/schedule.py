"""Which faults are active now. Sans-IO: it is told the time, the orders, the clients and the control files."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from paper_gateway.faults.scenario import Fault, Foreign, Garbage, Reset, Restart, Split

F = TypeVar("F", bound=Fault)
_AT_ONCE = (Foreign, Garbage, Reset, Restart, Split)
"""Faults that happen and are over, unless the scenario says how long they last."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fault that has begun or ended."""

    fault: Fault
    began: bool


@dataclass(slots=True)
class _Entry:
    fault: Fault
    chance: random.Random
    left: int
    begins_s: float = math.inf
    orders_to_go: int = 0
    is_on: bool = False
    ends_s: float = math.inf
    stood: bool = field(default=False)


class Schedule:
    """Turns faults on and off.

    Parameters
    ----------
    faults
        Of the scenario, in its order.
    seed
        Each fault draws from a generator of its own, made from the seed and its place in the file: what one draws
        moves no other.
    stands
        Whether a control file of that name stands.
    """

    def __init__(
        self, faults: Sequence[Fault], *, seed: int, stands: Callable[[str], bool] = lambda _name: False
    ) -> None:
        self._stands = stands
        self._entries = [
            _Entry(fault, random.Random(f"{seed}/{number}"), fault.repeat)  # noqa: S311 - not for secrets
            for number, fault in enumerate(faults)
        ]
        self._active: dict[type[Fault], list[_Entry]] = {}
        self._origin_s: float | None = None
        for entry in self._entries:
            self._arm(entry, None)

    def connected(self, now_s: float) -> None:
        """Note a client: seconds count from the first."""
        if self._origin_s is None:
            self._origin_s = now_s
            for entry in self._entries:
                if math.isinf(entry.begins_s) and not entry.is_on:
                    self._arm(entry, now_s)

    def ordered(self, client_id: int) -> None:
        """Note an order."""
        for entry in self._entries:
            if entry.orders_to_go and not entry.is_on and entry.fault.concerns(client_id):
                entry.orders_to_go -= 1
                if not entry.orders_to_go:
                    entry.begins_s = -math.inf

    def advance(self, now_s: float) -> list[Change]:
        """Return what has begun and ended up to now, in that order for each fault."""
        changes: list[Change] = []
        for entry in self._entries:
            if entry.fault.control:
                self._follow_file(entry, now_s)
            if not entry.is_on and entry.left and now_s >= entry.begins_s:
                self._begin(entry, now_s)
                changes.append(Change(entry.fault, began=True))
            if entry.is_on and now_s >= entry.ends_s:
                self._end(entry, now_s)
                changes.append(Change(entry.fault, began=False))
        return changes

    def active(self, kind: type[F], client_id: int | None = None) -> list[tuple[F, random.Random]]:
        """Faults of a kind that are on, with their generators; of those that concern a client, when one is named."""
        entries = self._active.get(kind)
        if not entries:
            return []
        return [
            (entry.fault, entry.chance)  # type: ignore[misc]  # kept by type
            for entry in entries
            if client_id is None or entry.fault.concerns(client_id)
        ]

    def chance(self, fault: Fault) -> random.Random:
        """Return the generator of a fault."""
        return next(entry.chance for entry in self._entries if entry.fault is fault)

    def _arm(self, entry: _Entry, from_s: float | None) -> None:
        fault = entry.fault
        entry.begins_s, entry.orders_to_go = math.inf, 0
        if fault.control:
            return
        if fault.after_orders:
            entry.orders_to_go = entry.chance.randint(*fault.after_orders)
        elif fault.after_s.high == 0:
            entry.begins_s = -math.inf
        elif from_s is not None:
            entry.begins_s = from_s + fault.after_s.draw(entry.chance)

    def _follow_file(self, entry: _Entry, now_s: float) -> None:
        stands = self._stands(entry.fault.control)
        if stands and not entry.stood:
            entry.begins_s, entry.left = now_s, max(entry.left, 1)
        elif not stands and entry.is_on:
            entry.ends_s = now_s
        entry.stood = stands

    def _begin(self, entry: _Entry, now_s: float) -> None:
        entry.is_on, entry.left, entry.begins_s = True, entry.left - 1, math.inf
        length = entry.fault.for_s
        if length is not None:
            entry.ends_s = now_s + length.draw(entry.chance)
        else:
            entry.ends_s = now_s if isinstance(entry.fault, _AT_ONCE) else math.inf
        self._active.setdefault(type(entry.fault), []).append(entry)

    def _end(self, entry: _Entry, now_s: float) -> None:
        entry.is_on, entry.ends_s = False, math.inf
        self._active[type(entry.fault)].remove(entry)
        if entry.left:
            self._arm(entry, now_s)
