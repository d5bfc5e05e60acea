"""Waiting times between attempts to connect: doubling, capped, and jittered so that clients don't fall in step."""

from __future__ import annotations

import random


class Backoff:
    """Gives one waiting time after the other.

    Parameters
    ----------
    initial_s, maximum_s
        First waiting time and the cap, before the jitter, which takes away up to a half.
    """

    def __init__(self, initial_s: float, maximum_s: float, generator: random.Random | None = None) -> None:
        self._initial_s = min(initial_s, maximum_s)
        self._maximum_s = maximum_s
        self._generator = generator or random.Random()  # noqa: S311 (jitter, no secret)
        self._next_s = self._initial_s

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        base, self._next_s = self._next_s, min(self._maximum_s, self._next_s * 2)
        return base * self._generator.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again from the initial time: a connection has held."""
        self._next_s = self._initial_s
