"""What the veto costs the engine's loop: looking a verdict up. Working all of them out, in the thread beside it, is timed too."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from data.exchange_calendar import exchange_calendar
from features.freshness import Freshness
from features.snapshot import SNAPSHOT_NAME, SnapshotHolder
from portfolio.live_manager.veto_board import VetoBoard
from portfolio.veto.verdict import Outcome
from tests import veto_models
from tests.bench.report import Row, row

SYMBOLS = tuple(f"S{number}" for number in range(500))
_LOOKUPS_A_RUN = 1_000
_LIMIT_US = 1_000.0


def run(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Look verdicts up, a thousand a run, over 500 symbols."""
    calendar = exchange_calendar("XNYS", date(2012, 1, 3), date(2013, 1, 3))
    session = calendar.session_on(date(2012, 11, 9))
    assert session is not None
    following = calendar.next_session(session.close_ns)
    assert following is not None
    with TemporaryDirectory(prefix="backstop-bench-veto-") as name:
        folder = Path(name)
        traded = veto_models.signals("momentum")
        veto_models.register(folder / "models", traded)
        veto_models.publish(folder, session.close_ns, dict.fromkeys(SYMBOLS, 1.0))
        board = VetoBoard(
            folder=folder / "models",
            signals={"momentum": traded},
            symbols=SYMBOLS,
            snapshot=SnapshotHolder(folder / SNAPSHOT_NAME),
            freshness=Freshness(max_age_sessions=1, sessions=calendar),
        )
        began = time.perf_counter()
        board.refresh()
        worked_out = time.perf_counter() - began
        at_ns = following.open_ns + 300_000_000_000
        took = []
        for number in range(runs * _LOOKUPS_A_RUN):
            began_ns = time.perf_counter_ns()
            verdict = board.lookup("momentum", SYMBOLS[number % len(SYMBOLS)], at_ns)
            took.append((time.perf_counter_ns() - began_ns) / 1e3)
            assert verdict.outcome is Outcome.APPROVED
    say(f"{len(took):,} look-ups; all {len(SYMBOLS)} verdicts worked out in {worked_out * 1e3:.0f} ms")
    note = f"{len(SYMBOLS)} symbols; a new table of them took {worked_out * 1e3:.0f} ms beside the loop"
    return [row("look-up of a verdict", "p99 below the limit", "µs", took, target=_LIMIT_US, note=note)]
