"""Names of orders: ``BS-<run>-<sequence>-<purpose>``, unique for ever and carried through the broker."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.vocabulary import Purpose

_LETTERS = {Purpose.ENTRY: "E", Purpose.EXIT: "X", Purpose.STOP: "S", Purpose.FLATTEN: "F"}
_PURPOSES = {letter: purpose for purpose, letter in _LETTERS.items()}
_PATTERN = re.compile(r"BS-([0-9A-Za-z_]{1,8})-(\d{6,9})-([EXSF])")
_NOT_IN_A_RUN = re.compile(r"[^0-9A-Za-z_]")


@dataclass(frozen=True, slots=True)
class OrderRef:
    """The parts of an order's name."""

    run: str
    sequence: int
    purpose: Purpose

    def __str__(self) -> str:
        """Return the name as the broker carries it."""
        return f"BS-{self.run}-{self.sequence:06d}-{_LETTERS[self.purpose]}"

    @classmethod
    def parse(cls, text: str) -> OrderRef | None:
        """Read a name; None when it isn't one of main's (a manual order, or one of the watchdog's)."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        return cls(match[1], int(match[2]), _PURPOSES[match[3]])


class OrderRefSequence:
    """Gives out names for one run, going on where an earlier process of the same run stopped.

    Parameters
    ----------
    run_id
        Id of the run; eight letters and digits of it stand in every name.
    last
        The highest sequence number already used by this run (``OrderBook.last_sequence``).
    """

    def __init__(self, run_id: str, last: int = 0) -> None:
        self.run = short_run(run_id)
        self._last = last

    def next(self, purpose: Purpose) -> str:
        """Return a name that was never given out."""
        self._last += 1
        return str(OrderRef(self.run, self._last, purpose))


def short_run(run_id: str) -> str:
    """Part of ``run_id`` that stands in the order names: the last eight usable characters.

    The last ones, because run ids may start with a date that all runs of a day share.

    Raises
    ------
    ValueError
        If ``run_id`` holds no letter or digit.
    """
    usable = _NOT_IN_A_RUN.sub("", run_id)[-8:]
    if not usable:
        raise ValueError(f"run id {run_id!r} holds no letter or digit")
    return usable
