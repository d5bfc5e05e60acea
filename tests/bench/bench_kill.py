"""The kill: from the operator's flag, or main's last heartbeat, to an account without orders and positions.

A hundred working orders and twenty positions of the real main; the real watchdog; main alive, stopped (SIGSTOP) or dead
(SIGKILL) when the flag is made. Times are the watchdog's own (KILL_ENDED in its journal, counted from the flag file's time)
and, beside them, the broker's: the gateway's stamps counted from the moment just before the flag was made.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.prices import FIRST_SESSION, load_symbols, write_folder
from tests.bench.report import Row, row
from tests.bench.stage import BenchFailed, Stage, wait_for

CASES: dict[str, signal.Signals | None] = {
    "main alive": None,
    "main stopped": signal.SIGSTOP,
    "main dead": signal.SIGKILL,
}
WORKING = 100
RUNS_A_GATEWAY = 15
_MOST_FAILURES = 3
SENT_MS, ACKNOWLEDGED_MS, FLAT_MS, DECISION_MS = 50.0, 250.0, 1000.0, 3000.0
_NOTE = (
    "targets: L1 of the fault catalogue. journal: the watchdog's KILL_ENDED, counted from the flag file's time (a coarse clock, up to "
    "10 ms early); broker: the gateway's stamps, counted from just before the flag was made. One global cancel ends all orders; it "
    "is repeated after the fence, which gives a stopped main 200 ms. Twenty closes fit into the message limit: no pacing is added."
)
_DETECTION_NOTE = "target of the decision: P2 of the fault catalogue, counted from main's last heartbeat; the rest counts from the decision"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRun:
    """Milliseconds of one kill. ``decided`` is None when a flag set it off."""

    case: str
    fence: str
    journal_sent: float
    journal_acknowledged: float
    journal_flat: float
    broker_first_cancel: float
    broker_last_cancel: float
    broker_last_done: float
    broker_flat: float
    decided: float | None = None

    def __str__(self) -> str:
        """One line for the terminal."""
        cause = "flag" if self.decided is None else "silence"
        return (
            f"{self.case}, {cause}: cancel sent {self.journal_sent:.1f}, acknowledged {self.journal_acknowledged:.1f}, "
            f"flat {self.journal_flat:.0f} ms (fence: {self.fence})"
        )


def run(runs: int, say: Say, *, working: int = WORKING, by_silence: bool = True) -> list[Row]:
    """Measure ``runs`` kills by the flag a case, and a tenth of that by a heartbeat that stops."""
    silent = max(runs // 10, 1) if by_silence else 0
    plan = [(case, True) for case in CASES for _ in range(runs)]
    plan += [(case, False) for case in ("main stopped", "main dead") for _ in range(silent)]
    random.Random(1).shuffle(plan)  # load from outside must not fall on one case alone
    total, failures = len(plan), 0
    done: list[KillRun] = []
    with TemporaryDirectory(prefix="backstop-bench-prices-") as folder:
        prices = write_folder(Path(folder))
        while plan:
            part, plan = plan[:RUNS_A_GATEWAY], plan[RUNS_A_GATEWAY:]
            try:
                with _stage(prices) as stage:
                    for case, by_flag in part:
                        done.append(_kill_once(stage, case, working, by_flag=by_flag))
                        say(f"kill {len(done)}/{total}: {done[-1]}")
            except BenchFailed as problem:
                failures += 1
                say(f"a kill FAILED, with the rest of its block of {len(part)}: {problem}")
                if failures > _MOST_FAILURES:
                    raise
    rows = [made for case in CASES for made in _rows_by_flag(case, done)]
    rows += [made for case in CASES for made in _rows_by_silence(case, done)]
    return [*rows, row("kills that failed", "the account did not get flat, or a process ended early", "kills", [failures], target=0.0)]  # fmt: skip


@contextmanager
def _stage(prices: Path) -> Iterator[Stage]:
    with Stage(symbols=load_symbols()) as stage:
        stage.start_gateway("--data", str(prices), "--start", str(FIRST_SESSION))
        yield stage


def _kill_once(stage: Stage, case: str, working: int, *, by_flag: bool) -> KillRun:
    stage.new_run()
    after = max((record.seq for record in stage.records(0)), default=0)
    watchdog = stage.start_watchdog()
    main = stage.start_loaded_main(working)

    def loaded() -> bool:
        if watchdog.poll() is not None or not main.is_alive():
            raise BenchFailed(f"a process ended early:\n{stage.output('watchdog')}\n{stage.output('main')}")
        said = stage.heartbeat("main").get("body", {})
        return (
            said.get("phase") == "trading"
            and said["working_orders"] == working
            and said["queue_depth"] == 0
            and stage.watchdog().get("checks", {}).get("heartbeat") == "ok"
            and stage.watchdog().get("lease") is True
        )

    wait_for(loaded, f"{working} working orders")
    before = stage.stamps("reset")
    if (before["working"], before["held"]) != (working, len(stage.symbols)):
        raise BenchFailed(f"the broker has {before['working']} orders and {before['held']} positions")
    time.sleep(
        random.uniform(0.05, 0.3)
    )  # so that flags fall anywhere between two turns of the watchdog's loop
    number = CASES[case]
    assert main.pid is not None
    if number is not None:
        os.kill(main.pid, number)
    zero = stage.raise_flag() if by_flag else 0
    wait_for(lambda: "flat" in (stage.watchdog().get("kill") or {}), "the end of the kill", every_s=0.05)
    result = _figures(stage, case, after, zero)
    watchdog.terminate()
    main.kill()  # halted already: its graceful end would only take time
    watchdog.wait()
    main.join()
    stage.rearm()
    return result


def _figures(stage: Stage, case: str, after: int, zero: int) -> KillRun:
    records = stage.records(after, "kill_started", "kill_step", "kill_ended")
    started = next(record.payload for record in records if record.kind == "kill_started")
    ended = next(record.payload for record in records if record.kind == "kill_ended")
    steps = [record.payload for record in records if record.kind == "kill_step"]
    fence = next((str(step["detail"]) for step in steps if step["step"] == "fence"), "no fence")
    stamps = stage.stamps()
    if not ended["flat"] or stamps["working"] or stamps["held"]:
        raise BenchFailed(
            f"the account is not flat: {ended}, {stamps['working']} orders, {stamps['held']} positions"
        )
    decided = None
    if not zero:
        zero = int(started["detected_monotonic_ns"])
        decided = (zero - int(stage.heartbeat("main")["monotonic_ns"])) / 1e6

    def since(moment_ns: int) -> float:
        return (moment_ns - zero) / 1e6

    return KillRun(
        case=case,
        fence=fence.partition(":")[0],
        journal_sent=ended["flag_to_cancel_sent_ms"],
        journal_acknowledged=ended["flag_to_cancel_ack_ms"],
        journal_flat=ended["flag_to_flat_ms"],
        broker_first_cancel=since(stamps["global_cancels"][0]),
        broker_last_cancel=since(stamps["global_cancels"][-1]),
        broker_last_done=since(stamps["last_order_done"]),
        broker_flat=since(stamps["flat"]),
        decided=decided,
    )


_FIGURES: tuple[tuple[str, str, float | None], ...] = (
    ("cancel sent (journal)", "journal_sent", SENT_MS),
    ("cancel at the broker", "broker_first_cancel", SENT_MS),
    ("cancel after the fence at the broker", "broker_last_cancel", None),
    ("orders gone (journal)", "journal_acknowledged", ACKNOWLEDGED_MS),
    ("last order cancelled at the broker", "broker_last_done", ACKNOWLEDGED_MS),
    ("flat, proven (journal)", "journal_flat", FLAT_MS),
    ("flat at the broker", "broker_flat", FLAT_MS),
)


def _rows_by_flag(case: str, done: list[KillRun]) -> list[Row]:
    chosen = [one for one in done if one.case == case and one.decided is None]
    if not chosen:
        return []
    return [
        row("kill by KILL_NOW.flag", f"{case}: {name}", "ms", [getattr(one, key) for one in chosen], target=target, note=_NOTE)
        for name, key, target in _FIGURES
    ]  # fmt: skip


def _rows_by_silence(case: str, done: list[KillRun]) -> list[Row]:
    chosen = [one for one in done if one.case == case and one.decided is not None]
    if not chosen:
        return []
    figures = [
        ("decision", "decided", DECISION_MS),
        *(one for one in _FIGURES if "broker" in one[0] or "proven" in one[0]),
    ]
    return [
        row(
            "kill by a heartbeat that stops",
            f"{case}: {name}",
            "ms",
            [float(getattr(one, key)) for one in chosen],
            target=target,
            note=_DETECTION_NOTE,
        )
        for name, key, target in figures
    ]
