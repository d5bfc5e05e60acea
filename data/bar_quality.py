"""Refuses five-second bars that can't be true, before they become part of a bar that is traded on."""

from __future__ import annotations

import math
from typing import Final

from core.events import RealtimeBar

MAX_JUMP: Final = 0.25
"""Largest believable move between two five-second bars of one session, as a fraction."""
CONFIRMATIONS: Final = 3
"""So many bars in a row at a new level make it real (a halt may well end a quarter away)."""


def defect_of(bar: RealtimeBar) -> str | None:
    """Say what makes a bar impossible by itself; None when nothing does."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(math.isfinite(price) for price in (*prices, bar.volume)):
        return "a value is not finite"
    if min(prices) <= 0:
        return "a price is not positive"
    if bar.low > min(bar.open, bar.close) or bar.high < max(bar.open, bar.close):
        return "open or close lies outside low and high"
    return "the volume is negative" if bar.volume < 0 else None


class SpikeFilter:
    """Holds back bars that jump, until the new level is confirmed. One symbol, one session at a time."""

    def __init__(self) -> None:
        self._level: float | None = None
        self._suspect: float | None = None
        self._confirmed = 0

    def new_session(self) -> None:
        """Forget the level: overnight a split or news may move it by any factor."""
        self._level = self._suspect = None
        self._confirmed = 0

    def accepts(self, bar: RealtimeBar) -> bool:
        """Whether the bar fits the level of the session so far."""
        if self._level is None or _near(bar, self._level):
            self._accept(bar)
            return True
        if self._suspect is not None and _near(bar, self._suspect):
            self._confirmed += 1
        else:
            self._confirmed = 1
        self._suspect = bar.close
        if self._confirmed < CONFIRMATIONS:
            return False
        self._accept(bar)
        return True

    def _accept(self, bar: RealtimeBar) -> None:
        self._level, self._suspect, self._confirmed = bar.close, None, 0


def _near(bar: RealtimeBar, level: float) -> bool:
    return max(abs(bar.high / level - 1.0), abs(bar.low / level - 1.0)) <= MAX_JUMP
