"""Bar sizes as people and brokers write them: ``1d``, ``5m``, ``300``."""

from __future__ import annotations

import re
from typing import Final

DAILY: Final = 86_400
"""As `data.bar_table.DAILY`; this module is read for ``--help`` and loads nothing."""

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": DAILY}
_TEXT = re.compile(r"(\d{1,6})\s*([a-z]*)")


def parse_size(text: str) -> int:
    """Seconds of a bar size such as ``1d``, ``1h``, ``5m``, ``30s`` or ``300``.

    Raises
    ------
    ValueError
        When it isn't one.
    """
    match = _TEXT.fullmatch(text.strip().lower())
    if match is None or (match[2] or "s") not in _UNITS or not int(match[1]):
        raise ValueError(f"{text!r} is no bar size: write 1d, 1h, 5m, 30s or a number of seconds")
    size_s = int(match[1]) * _UNITS[match[2] or "s"]
    if size_s > DAILY or (size_s < DAILY and size_s % 5 and 5 % size_s):
        raise ValueError(f"{text!r} is no bar size: at most 1d; 1s, or a multiple of 5 s")
    return size_s


def size_text(size_s: int) -> str:
    """Write a bar size in its largest whole unit."""
    for unit, seconds in (("d", DAILY), ("h", 3600), ("m", 60)):
        if size_s % seconds == 0:
            return f"{size_s // seconds}{unit}"
    return f"{size_s}s"
