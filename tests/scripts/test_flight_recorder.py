"""The supervisor's flight recorder: one file a halt, whatever state the rest is in, and never an error of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.events import Halt
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import HaltLevel, HaltReason
from core.wire_ring import WireRing
from dashboard.sources import MainView, WatchdogView
from scripts.child import Child
from scripts.flight_recorder import FlightRecorder
from scripts.launch import Run
from tests.risk.stage import ROOT

RUN_ID = "6740d2a8-abcdef"
CLOCK = SystemClock()


def main_view(level: HaltLevel) -> MainView:
    return MainView(
        run_id=RUN_ID,
        pid=1,
        monotonic_ns=1,
        phase="halted",
        market_ns=0,
        halt_level=level,
        halt_reason="journal",
        connection="ready",
        account="DU1",
        nlv=1.0,
        cash=1.0,
        pnl=0.0,
        drawdown=0.0,
    )


def watchdog_view(state: str, reason: str | None) -> WatchdogView:
    return WatchdogView(
        run_id=RUN_ID,
        pid=1,
        monotonic_ns=1,
        state=state,
        lease=False,
        connection="ready",
        nlv=1.0,
        peak_nlv=1.0,
        drawdown=0.0,
        kill_reason=reason,
        kill={"kill_id": "abcdef"} if reason else {},
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name in ("state", "logs", "flags", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    journal = Journal(tmp_path / "state" / "main.db", process="main", run_id=RUN_ID, boot_id="b", clock=CLOCK)
    journal.append(RecordKind.RUN_STARTED, {"process": "main", "config_sha256": "c" * 64})
    halt = Halt(level=HaltLevel.HALTED, reason=HaltReason.JOURNAL, detail="the disk is full", source="main")
    journal.append(RecordKind.HALT, halt)
    journal.close()
    return Run(
        run_id=RUN_ID,
        root=tmp_path,
        config=tmp_path / "config.yaml",
        state=tmp_path / "state",
        control=tmp_path / "state",
        logs=tmp_path / "logs",
        flags=tmp_path / "flags",
        results=tmp_path / "results",
        is_paper=False,
        started_ns=0,
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def recorder(run: Run, said: list[str]) -> Iterator[FlightRecorder]:
    recorder = FlightRecorder(run, said.append)
    yield recorder
    recorder.finish()


def files(run: Run) -> list[Path]:
    return sorted((run.results / "incidents").glob("*.json"))


def test_a_halt_of_mains_own_is_written_once_with_its_last_messages_and_decided_again(
    run: Run, recorder: FlightRecorder, said: list[str]
) -> None:
    recorder.open_rings(("main", "risk_monitor"))
    WireRing(recorder.rings["main"], CLOCK.monotonic_ns).sent(b"3\x005\x00BUY\x00")
    main = Child(
        "main", [sys.executable, "-c", ""], environment=dict(os.environ), folder=run.root, console=None
    )
    for _ in range(3):
        recorder.look(main_view(HaltLevel.HALTED), watchdog_view("watching", None), [main], is_last=True)
    recorder.finish()
    (path,) = files(run)
    assert said == [f"incident: {path}"]
    document = json.loads(path.read_text())
    assert (document["kind"], document["reason"]) == ("halt", "journal")
    assert document["wires"]["main"][0]["fields"][:3] == ["3", "5", "BUY"]
    assert document["processes"][0]["name"] == "main"
    command = [sys.executable, "-m", "scripts.incident", "replay", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "same    main's halt: HALTED journal (the disk is full) by main" in done.stdout
    assert path.with_suffix(".md").read_text().startswith("# Halt of main: journal\n")


def test_nothing_is_written_while_nothing_has_halted_or_a_kill_goes_on(
    run: Run, recorder: FlightRecorder, said: list[str]
) -> None:
    recorder.look(main_view(HaltLevel.REDUCE_ONLY), watchdog_view("watching", None), [])
    recorder.look(main_view(HaltLevel.HALTED), watchdog_view("killing", "drawdown"), [])
    recorder.look(None, None, [])
    recorder.finish()
    assert files(run) == []
    assert said == []


def test_a_kill_is_written_when_it_has_ended_even_without_any_journal(
    run: Run, recorder: FlightRecorder
) -> None:
    (run.state / "main.db").unlink()
    recorder.look(main_view(HaltLevel.HALTED), watchdog_view("halted", "drawdown"), [])
    recorder.finish()
    (path,) = files(run)
    document = json.loads(path.read_text())
    assert (document["kind"], document["reason"]) == ("kill", "drawdown")
    assert {problem.partition(":")[0] for problem in document["problems"]} == {"main.db", "watchdog.db"}


def test_what_cannot_be_written_is_said_and_changes_nothing(
    run: Run, recorder: FlightRecorder, said: list[str]
) -> None:
    (run.results / "incidents").write_text("a file in the folder's place")
    recorder.look(main_view(HaltLevel.HALTED), watchdog_view("halted", "drawdown"), [])
    recorder.finish()
    (line,) = said
    assert line.startswith("no incident file: ")
    assert "FileExistsError" in line
