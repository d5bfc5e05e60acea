"""How far a step is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from backtester.progress import progress

EVERY_S: Final = 15.0


@contextmanager
def told_progress(
    log: Callable[[str], None], label: str, total: int, *, every_s: float = EVERY_S
) -> Iterator[Callable[[int], None]]:
    """Show a bar, or where there is no terminal say a line at the beginning and every so often.

    Parameters
    ----------
    log
        Takes a line; also from another thread.
    label, total
        What is done, and how much of it there is.
    every_s
        Seconds between two lines.

    Yields
    ------
    callable
        To be called with what was done since the last call.
    """
    if sys.stderr.isatty():
        with progress(label, total) as advance:
            yield advance
        return
    done = 0
    ended = threading.Event()

    def count(more: int) -> None:
        nonlocal done
        done += more

    def tell() -> None:
        while not ended.wait(every_s):
            waiting = "; kernels that aren't compiled yet come first" if not done else ""
            log(f"{label}: {done:,} of {total:,}{waiting}")

    log(f"{label}, {total:,}; compiling what isn't compiled yet takes a minute or two")
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield count
    finally:
        ended.set()
        teller.join()
