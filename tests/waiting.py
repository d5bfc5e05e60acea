"""How tests wait: for a condition, with a deadline that a loaded machine with two processors keeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

DEADLINE_S = 60.0


def wait_for(
    condition: Callable[[], Any],
    what: str = "what the test waits for",
    deadline_s: float = DEADLINE_S,
    every_s: float = 0.005,
) -> Any:
    """Wait until ``condition()`` gives something true; returns it. Fails the test when it doesn't in time."""
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {deadline_s:g} s in vain for {what}"
        time.sleep(every_s)
    return found
