"""The space of a search: the values of each key, and their combinations by number, never listed.

Combination ``n`` is read off ``n`` as digits are read off a number, the last key being the last digit, so that a space of
a billion combinations takes no more memory than its axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from backtester.search.ranges import Value

MOST_COMBINATIONS = 2**62
"""Their numbers are kept as int64."""

_DIAGONALS_UP_TO = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One key and its values.

    ``strategy`` is the place of the strategy whose parameter it is; None for a key of the configuration.
    """

    key: str
    values: tuple[Value, ...]
    strategy: int | None

    @property
    def name(self) -> str:
        """Last part of the key: the parameter."""
        return self.key.rpartition(".")[2]

    @property
    def is_ordered(self) -> bool:
        """Whether the values are numbers, so that some of them are neighbours."""
        return all(isinstance(one, int | float) and not isinstance(one, bool) for one in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All combinations of the values of some keys."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def varied(self) -> tuple[Axis, ...]:
        """Axes of more than one value."""
        return tuple(axis for axis in self.axes if len(axis.values) > 1)

    def places(self, number: int) -> tuple[int, ...]:
        """Place of the value on each axis."""
        found = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            found.append(place)
        return tuple(reversed(found))

    def number(self, places: Sequence[int]) -> int:
        """Find the number of a combination: the inverse of `places`."""
        total = 0
        for axis, place in zip(self.axes, places, strict=True):
            total = total * len(axis.values) + place
        return total

    def values(self, number: int) -> dict[str, Value]:
        """Value of each key."""
        return {
            axis.key: axis.values[place] for axis, place in zip(self.axes, self.places(number), strict=True)
        }

    def neighbours(self, number: int) -> list[int]:
        """Find combinations that are one step away, itself left out; diagonal steps count up to four numeric axes."""
        here = self.places(number)
        steps: list[tuple[int, ...]] = []
        ordered = [len(axis.values) > 1 and axis.is_ordered for axis in self.axes]
        if sum(ordered) <= _DIAGONALS_UP_TO:
            steps = [step for step in product(*((-1, 0, 1) if one else (0,) for one in ordered)) if any(step)]
        else:
            steps = [
                tuple(sign if at == place else 0 for at in range(len(here)))
                for place, one in enumerate(ordered)
                if one
                for sign in (-1, 1)
            ]
        moved = [[place + one for place, one in zip(here, step, strict=True)] for step in steps]
        return [
            self.number(there)
            for there in moved
            if all(0 <= place < len(axis.values) for place, axis in zip(there, self.axes, strict=True))
        ]

    def describe(self) -> Mapping[str, list[Value]]:
        """Values by key, for records."""
        return {axis.key: list(axis.values) for axis in self.axes}
