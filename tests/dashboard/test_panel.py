from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dashboard.panel import render
from dashboard.view import describe, take_view

ROOT = Path(__file__).resolve().parents[2]
RUN_ID = "6740d2a8-abcdef"
MAIN: dict[str, Any] = {
    "pid": 11,
    "phase": "trading",
    "market_ns": 1_349_191_800_000_000_000,  # 2012-10-02 11:30 in New York
    "halt_level": 0,
    "halt_reason": None,
    "connection": "ready",
    "account": "DU1234567",
    "nlv": "1000250.50",
    "cash": "900000",
    "pnl_run": "250.50",
    "drawdown": 0.0125,
    "positions": {"IBM": "120", "AAPL": "-3"},
    "working_orders": 2,
    "orders_sent": 9,
    "fills": 7,
    "signals": 12,
    "denials": {"stale_price": 2, "gross_cap": 1},
    "breaks": 0,
    "commission": "4.20",
    "queue_depth": 1,
}
WATCHDOG: dict[str, Any] = {
    "pid": 12,
    "state": "watching",
    "lease": True,
    "connection": "ready",
    "nlv": "1000250.50",
    "peak_nlv": "1000300",
    "drawdown": 0.0,
    "checks": {"heartbeat": "ok", "order_rate": "ok"},
    "kill": None,
}


def write(logs: Path, name: str, body: dict[str, Any], run_id: str = RUN_ID) -> None:
    document = {"run_id": run_id, "monotonic_ns": time.monotonic_ns(), "body": body}
    (logs / f"{name}_heartbeat.json").write_text(json.dumps(document))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    write(tmp_path, "main", MAIN)
    write(tmp_path, "risk_monitor", WATCHDOG)
    (tmp_path / "status.json").write_text(
        json.dumps({"state": "running", "sessions_done": 1, "sessions": 10, "speed": 2345.6})
    )
    return tmp_path


def draw(logs: Path, width: int = 110) -> str:
    view = take_view(logs, logs / "status.json", RUN_ID, time.monotonic_ns())
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(view, ["main         order sent"], run_id=RUN_ID))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_panel_shows_what_the_processes_report(logs: Path) -> None:
    text = draw(logs)
    for expected in (
        "Tue 2012-10-02 11:30 ET",
        "session 2 of 10",
        "1,000,250.50",
        "+250.50",
        "1.25%",
        "AAPL -3, IBM 120",
        "2 working, 9 sent, 7 fills",
        "3 denials",
        "granted",
        "order sent",
    ):
        assert expected in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(logs: Path, width: int) -> None:
    assert all(len(line) <= width for line in draw(logs, width).splitlines())


def test_before_the_first_heartbeat_it_says_that_the_processes_are_starting(tmp_path: Path) -> None:
    text = draw(tmp_path)
    assert text.count("starting") == 2


def test_a_heartbeat_of_another_run_is_not_shown(logs: Path) -> None:
    write(logs, "main", MAIN, run_id="00000000-000000")
    assert "main has not reported yet" in draw(logs)


@pytest.mark.parametrize(
    "garbage", ["", "{", "[]", '{"body": 3}', '{"body": {"nlv": {}, "positions": 4}, "run_id": 7}']
)
def test_a_damaged_heartbeat_never_breaks_the_panel(logs: Path, garbage: str) -> None:
    (logs / "main_heartbeat.json").write_text(garbage)
    (logs / "risk_monitor_heartbeat.json").write_text(garbage)
    (logs / "status.json").write_text(garbage)
    assert "Backstop" in draw(logs)


def test_a_kill_is_named_before_anything_that_main_says(logs: Path) -> None:
    write(logs, "main", MAIN | {"halt_level": 2, "halt_reason": "kill_flag"})
    write(
        logs, "risk_monitor", WATCHDOG | {"state": "killing", "lease": False, "kill": {"reason": "drawdown"}}
    )
    assert "KILL drawdown" in draw(logs)


def test_the_plain_line_holds_the_same_facts(logs: Path) -> None:
    line = describe(take_view(logs, logs / "status.json", RUN_ID, time.monotonic_ns()))
    assert "\n" not in line
    for expected in (
        "11:30 ET",
        "session 2/10",
        "NLV 1,000,250.50",
        "2 positions",
        "main trading",
        "lease",
        "halt none",
    ):
        assert expected in line


def start(logs: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dashboard", "--logs", str(logs), "--run-id", RUN_ID, *words]
    return subprocess.Popen(command, cwd=ROOT, **options)


def test_off_a_terminal_it_passes_on_new_lines_and_ends_on_sigterm(logs: Path) -> None:
    (logs / "main.console.log").write_text("hello from main\n")
    with start(logs, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"main         | hello from main\n"
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(20.0) == 0


def test_a_reader_that_goes_away_ends_it_without_a_traceback(logs: Path) -> None:
    with start(logs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        (logs / "main.console.log").write_text("nobody reads this\n")
        assert process.wait(20.0) == 0
        assert process.stderr.read() == b""


def test_on_a_terminal_it_draws_the_panel(logs: Path) -> None:
    master, slave = pty.openpty()
    with start(
        logs, stdout=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    ) as process:
        os.close(slave)
        seen, deadline = b"", time.monotonic() + 20.0
        while b"1,000,250.50" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 65_536)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):  # a terminal whose last writer has gone reads as an error
            while select.select([master], [], [], 20.0)[0]:
                os.read(master, 65_536)
        assert process.wait(20.0) == 0
    os.close(master)
    assert b"1,000,250.50" in seen
