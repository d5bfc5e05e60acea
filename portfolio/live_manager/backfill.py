"""Fills holes in the rows: bars that closed while the feed was away are loaded from history before anything is decided.

A strategy that skips bars is another strategy than the one that was tested. So after a hole the rows are held until the
broker's history has told what was missed; the missed rows and those that were held meanwhile move the indicators on,
and only the newest row is decided on, for the others are history by then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from core.text import stamp
from data.bar_assembler import MarketRow
from data.warmup import Warmup


class Backfill:
    """Owned by the engine thread; history is loaded on a thread of its own.

    Parameters
    ----------
    load
        Loads recent history; may block.
    warm
        Takes a past row.
    """

    def __init__(self, load: Callable[[], Warmup], warm: Callable[[MarketRow], None]) -> None:
        self._load = load
        self._warm = warm
        self._last_ns = 0
        self._held: list[MarketRow] = []
        self._loading: Future[Warmup] | None = None
        self._log = structlog.get_logger(__name__)

    def start_after(self, end_ns: int) -> None:
        """Rows up to ``end_ns`` have been taken already."""
        self._last_ns = max(self._last_ns, end_ns)

    def add(self, row: MarketRow) -> MarketRow | None:
        """Take a row; return it when it can be decided on at once, None when it is held."""
        if self._loading is None and not row.rows_missed:
            self._last_ns = row.end_ns
            return row
        self._held.append(row)
        if self._loading is None:
            self._log.warning("rows_missed", rows=row.rows_missed, before=stamp(row.end_ns))
            self._loading = Future()
            threading.Thread(target=self._run, args=(self._loading,), name="backfill", daemon=True).start()
        return None

    def poll(self) -> MarketRow | None:
        """Newest held row, once what was missed before it is known; None otherwise."""
        if self._loading is None or not self._loading.done():
            return None
        history, self._loading = self._loading.result(), None
        held, self._held = self._held, []
        for problem in history.problems:
            self._log.error("backfill_incomplete", problem=problem)
        newest = held[-1]
        rows = {row.end_ns: row for row in history.rows if self._last_ns < row.end_ns < newest.end_ns}
        # What the feed gave stands; history only fills what the feed has not.
        rows |= {row.end_ns: row for row in held[:-1]}
        for end_ns in sorted(rows):
            self._warm(rows[end_ns])
        self._last_ns = newest.end_ns
        self._log.info("backfilled", rows=len(rows), until=stamp(newest.end_ns))
        return newest

    def _run(self, answer: Future[Warmup]) -> None:
        try:
            answer.set_result(self._load())
        except BaseException as error:  # noqa: BLE001 (handed over: result() raises it on the engine's thread)
            answer.set_exception(error)
