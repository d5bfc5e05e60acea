"""From a closed bar to the order on the socket, in the real main.

The gateway replays real bars at a pace at which main is never behind, holds market time at each five-minute boundary until
main has worked on it, and stamps two moments on its own clock: just before it writes the closing bars, and when the bytes of
the first (and last) order that the decision asked for arrive. In between lie: socket, decoding, the engine's queue, the bar row,
strategies and decision, pre-trade checks, two fsynced journal writes, the submission log, encoding, socket.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.clock import SystemClock
from core.journal import Journal
from core.records import RecordKind
from tests.bench.prices import FIRST_SESSION, load_symbols, write_folder
from tests.bench.report import Row, percentile, row
from tests.bench.stage import BenchFailed, Stage, wait_for

PACKAGED = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
BOUNDARY_S = 300
_MOMENTUM = "{name: momentum, weight: 0.5, parameters: {fast_window: %d, slow_window: %d}}"
_REVERSION = "{name: mean_reversion, weight: 0.5, parameters: {window: %d, oversold: %d, overbought: %d, exit_level: 50}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A universe, and how fast its market may go by.

    The strategies change their minds often: what is measured is the way of an order, not its profit. But a bar's orders must
    stay far below IB's fifty messages a second, which in real time nothing comes near: hence pace and parameters.
    """

    symbols: tuple[str, ...]
    speed: float
    sessions_a_hundred_runs: int
    strategies: str
    has_own_prices: bool = False


CASES = (
    Case(
        symbols=PACKAGED,
        speed=600,
        sessions_a_hundred_runs=5,
        strategies=f"strategies:\n  - {_MOMENTUM % (2, 5)}\n  - {_REVERSION % (2, 40, 60)}\n",
    ),
    Case(
        symbols=load_symbols(),
        speed=450,
        sessions_a_hundred_runs=3,
        strategies=f"strategies:\n  - {_MOMENTUM % (5, 20)}\n  - {_REVERSION % (5, 25, 75)}\n",
        has_own_prices=True,
    ),
)
_NOTE = (
    "gateway's clock: from writing the closing bars of all symbols to receiving the order; reference: a bare ibapi client that "
    "answers the last closing bar with an order, without book, decision or journal. The strategies' windows are short so that "
    "they trade often."
)
_WORK = "bar close → order on the socket"
Say = Callable[[str], None]


def run(runs: int, say: Say, *, cases: tuple[Case, ...] = CASES) -> list[Row]:
    """Replay some sessions of each case with main, and one with the bare client."""
    rows = [_journal_floor(runs)]
    with TemporaryDirectory(prefix="backstop-bench-prices-") as folder:
        prices = write_folder(Path(folder))
        for case in cases:
            sessions = max(case.sessions_a_hundred_runs * runs // 100, 1)
            bare = _replay(case, prices, 1, main=False)
            say(f"bare client, {len(case.symbols)} symbols: {len(bare)} orders")
            found = _replay(case, prices, sessions, main=True)
            say(f"main, {len(case.symbols)} symbols: {len(found)} bars with orders in {sessions} sessions")
            rows += _rows(len(case.symbols), found, bare)
    return rows


def _journal_floor(runs: int) -> Row:
    """What the disk costs: an order's way holds two such writes."""
    took = []
    with TemporaryDirectory(prefix="backstop-bench-journal-") as folder:
        journal = Journal(Path(folder) / "main.db", process="main", run_id="bench", boot_id="bench", clock=SystemClock())  # fmt: skip
        for number in range(10 + 2 * runs):
            began = time.monotonic_ns()
            journal.append(RecordKind.ORDER_SENT, {"order_ref": "BS-bench", "order_id": number})
            took.append((time.monotonic_ns() - began) / 1e6)
        journal.close()
    return row(_WORK, "of it: one durable journal record", "ms", took[10:])


def _replay(case: Case, prices: Path, sessions: int, *, main: bool) -> list[list[int]]:
    """Boundaries after which orders came, as ``clocked_gateway.Stamps`` holds them."""
    with Stage(symbols=case.symbols, config=case.strategies) as stage:
        status = stage.folder / "gateway.json"
        source = ("--data", str(prices)) if case.has_own_prices else ()
        stage.start_gateway(
            *source,
            *("--symbols", *case.symbols, "--speed", f"{case.speed:g}", "--sessions", str(sessions)),
            *(
                "--start",
                str(FIRST_SESSION),
                "--bar-boundary",
                str(BOUNDARY_S),
                "--barrier",
                "--wait-for-client",
            ),
            *("--status-file", str(status)),
        )
        watched = _start(stage, main=main)

        def finished(session: int) -> bool:
            for process in watched:
                if process.poll() is not None:
                    raise BenchFailed(
                        f"a process ended early:\n{stage.output('main' if main else 'echo')[-3000:]}"
                    )
            now = _status(status)
            return now.get("state") == "finished" or now.get("sessions_done", 0) >= session

        for session in range(1, sessions + 1):  # wait_for's patience is counted anew at each
            wait_for(partial(finished, session), f"the end of session {session}", every_s=0.1)
        late = _status(status)["late"]
        if late:
            raise BenchFailed(f"main was late at {late} boundaries: the machine is too busy for this pace")
        return [one for one in stage.stamps()["boundaries"] if one[3]]


def _start(stage: Stage, *, main: bool) -> tuple[subprocess.Popen[bytes], ...]:
    if not main:
        arguments = (str(stage.port), str(BOUNDARY_S), *stage.symbols)
        return (stage.spawn("echo", "-m", "tests.bench.echo_client", *arguments),)
    watchdog = stage.start_watchdog()
    wait_for(lambda: stage.watchdog().get("lease") is True, "the lease")
    return watchdog, stage.start_main()


def _status(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document


def _rows(symbols: int, found: list[list[int]], bare: list[list[int]]) -> list[Row]:
    if not found or not bare:
        raise BenchFailed("no order was sent")
    first = [(one[1] - one[0]) / 1e6 for one in found]
    last = [(one[2] - one[0]) / 1e6 for one in found]
    reference_ms = [(one[1] - one[0]) / 1e6 for one in bare]
    middle = percentile(reference_ms, 50)
    return [
        row(_WORK, f"{symbols} symbols: first order of a bar", "ms", first, reference=middle, note=_NOTE),
        row(_WORK, f"{symbols} symbols: last order of a bar", "ms", last, reference=middle),
        row(_WORK, f"{symbols} symbols: bare ibapi client", "ms", reference_ms),
    ]
