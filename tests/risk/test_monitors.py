"""What the watchdog reads of main's files can be unreadable, garbage or old: it watches on, and says what it doesn't know."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from core.clock import Clock, ManualClock, SystemClock
from core.config_schema import RiskSettings
from core.csv_log import OrderSubmissionLog, OrderSubmissionTail
from core.ipc import HEARTBEAT, HeartbeatListener, Verifier
from core.journal import Journal
from core.records import RecordKind
from risk.checks.verdict import CheckStatus, Verdict
from risk.heartbeat_watch import HeartbeatWatch
from risk.monitors import FillCounter, Monitors
from tests.execution.orders import make_order
from tests.risk.stage import Stage
from tests.unprivileged import bound
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
NOVEMBER_NS = 1_352_700_000_000_000_000
SECOND = 1_000_000_000


def journal_of(path: Path, *payloads: dict[str, object]) -> None:
    with closing(Journal(path, process="main", run_id="now", boot_id="b", clock=SystemClock())) as journal:
        for payload in payloads:
            journal.append(RecordKind.FILL, payload)


def fill(number: int) -> dict[str, object]:
    return {"exec_id": f"e{number}.01", "time_ns": NOVEMBER_NS + number}


@contextmanager
def monitors_of(folder: Path, clock: Clock) -> Iterator[Monitors]:
    verifier = Verifier(b"k" * 32, "now", sender="main", kinds={HEARTBEAT}, clock=clock)
    with (
        closing(HeartbeatListener(f"ipc://{folder}/main", verifier)) as listener,
        closing(OrderSubmissionTail(folder / "orders.csv", run_id="now", clock=clock)) as submissions,
    ):
        yield Monitors(
            RiskSettings(),
            heartbeats=HeartbeatWatch(listener, file=folder / "beat.json", run_id="now", clock=clock),
            main_journal=folder / "main.db",
            submissions=submissions,
            clock=clock,
        )


def verdict(monitors: Monitors, name: str) -> Verdict:
    return next(one for one in monitors.evaluate() if one.name == name)


def submit(path: Path, run_id: str, *moments: int) -> None:
    with closing(OrderSubmissionLog(path, run_id=run_id)) as log:
        for moment in moments:
            log.append(make_order(order_ref=f"BS-{run_id}-{moment}-E"), wall_ns=1, monotonic_ns=moment)


# --- fills in main's journal -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_journal_that_may_not_be_read_raises_nothing_and_is_told(tmp_path: Path, way: str) -> None:
    state = tmp_path / "state"
    journal_of(state / "main.db", fill(1))
    locked = state / "main.db" if way == "file" else state
    mode = locked.stat().st_mode
    code = """if True:
        import sys
        from pathlib import Path
        from risk.monitors import FillCounter
        counter = FillCounter(Path(sys.argv[1]))
        counter.read_journal()
        print(counter.newest[1], counter.problem)
    """
    locked.chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, *bound("-c", code, str(state / "main.db"))],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        )  # fmt: skip
    finally:
        locked.chmod(mode)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 the journal "), done.stdout
    assert "can't be read" in done.stdout


def test_a_journal_that_can_be_read_again_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(b"garbage" * 1_000)
    counter = FillCounter(path)
    counter.read_journal()
    assert counter.problem
    path.unlink()
    journal_of(path, fill(1))
    counter.read_journal()
    assert (counter.newest, counter.problem) == (("2012-11", 1), "")


def test_a_folder_in_the_journals_place_and_a_missing_one_are_no_journal_yet(tmp_path: Path) -> None:
    (tmp_path / "main.db").mkdir()
    for counter in (FillCounter(tmp_path / "main.db"), FillCounter(tmp_path / "none" / "main.db")):
        counter.read_journal()
        assert (counter.newest[1], counter.problem) == (0, "")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"exec_id": "x.01"},
        {"time_ns": 1},
        {"exec_id": "x.01", "time_ns": None},
        {"exec_id": "x.01", "time_ns": "soon"},
        {"exec_id": "x.01", "time_ns": [1]},
        {"exec_id": "x.01", "time_ns": 10**30},
        {"exec_id": "x.01", "time_ns": 10**400},
        {"exec_id": "x.01", "time_ns": -(10**30)},
    ],
)
def test_a_record_that_is_no_fill_hides_none_of_the_others(
    tmp_path: Path, payload: dict[str, object]
) -> None:
    journal_of(tmp_path / "main.db", fill(1), payload, fill(2))
    with monitors_of(tmp_path, SystemClock()) as monitors:
        for _ in range(2):
            monitors.read_journal()
            found = verdict(monitors, "fill_budget")
            assert found.status is CheckStatus.UNKNOWN
            assert "record 2" in found.detail
            assert found.figures["fills"] == 2


def test_fills_that_are_known_to_be_too_many_are_a_breach_though_others_are_not_known(tmp_path: Path) -> None:
    most = RiskSettings().fill_budget.max_fills_per_month
    with (
        closing(
            Journal(tmp_path / "main.db", process="main", run_id="now", boot_id="b", clock=SystemClock())
        ) as journal,
        journal.batch(),
    ):
        for number in range(most + 1):
            journal.append(RecordKind.FILL, fill(number))
        journal.append(RecordKind.FILL, {})
    with monitors_of(tmp_path, SystemClock()) as monitors:
        monitors.read_journal()
        assert verdict(monitors, "fill_budget").status is CheckStatus.BREACH


def test_a_watchdog_that_may_not_read_mains_journal_watches_on_tells_and_kills(stage: Stage) -> None:
    journal = stage.folder / "state" / "main.db"
    journal_of(journal)
    journal.chmod(0)
    stage.watchdog = stage.spawn(*bound("risk_monitor.py", "--config", str(stage.config)), name="watchdog")
    stage.await_state("watching")
    stage.await_check("fill_budget", "unknown")
    wait_for(
        lambda: any("fill_budget is not known" in str(one.payload["text"]) for one in stage.records("alert")),
        "the alert",
    )
    stage.start_peer("--positions", "2", "--orders", "4")
    stage.await_check("heartbeat", "ok")
    assert stage.status()["lease"] is True
    stage.kill_now.touch()
    assert stage.await_kill()["flat"] is True
    time.sleep(5.1)  # its next look at the journal
    stage.await_state("halted")
    assert stage.watchdog.poll() is None
    assert stage.ask_account() == ({}, 0)


# --- submissions -----------------------------------------------------------------------------------------


def test_the_order_rate_sees_through_a_reboot_and_a_rotation(tmp_path: Path) -> None:
    clock = ManualClock(monotonic_ns=100 * SECOND)
    path = tmp_path / "orders.csv"
    submit(path, "before", *range(900 * SECOND, 900 * SECOND + 20))
    with monitors_of(tmp_path, clock) as monitors:
        monitors.read_files()
        path.rename(tmp_path / "orders.csv.1")
        submit(path, "now", *range(99 * SECOND, 99 * SECOND + 500))
        monitors.read_files()
        found = verdict(monitors, "order_rate")
        assert (found.status, found.figures["submitted"]) == (CheckStatus.BREACH, 500)


def test_a_main_that_was_started_anew_within_the_minute_counts_on_and_one_of_another_boot_never(
    tmp_path: Path,
) -> None:
    clock = ManualClock(monotonic_ns=100 * SECOND)
    path = tmp_path / "orders.csv"
    submit(path, "before", 70 * SECOND)  # another boot's; its time would fit
    submit(path, "before", 900 * SECOND)
    submit(path, "now", 80 * SECOND, 81 * SECOND)
    submit(path, "now", 95 * SECOND)  # main of the same run, started anew
    with monitors_of(tmp_path, clock) as monitors:
        monitors.read_files()
        assert verdict(monitors, "order_rate").figures["submitted"] == 3
        clock.advance(850)  # now the other boot's time is no longer of the future
        monitors.read_files()
        assert verdict(monitors, "order_rate").figures["submitted"] == 0
