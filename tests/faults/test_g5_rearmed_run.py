"""G5 and what comes after it: a killed system starts again only re-armed, and then from a book that is right."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.real_main import TradingStage
from tests.risk.stage import ROOT
from tests.waiting import wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[TradingStage]:
    """A project folder with a fast replay."""
    with TradingStage(tmp_path) as stage:
        yield stage


def _rearm(stage: TradingStage) -> int:
    command = [sys.executable, "risk_monitor.py", "--config", str(stage.config), "--rearm", "looked at it"]
    return subprocess.run(
        command, cwd=ROOT, env=stage.environment, capture_output=True, check=False
    ).returncode


def test_after_a_kill_main_refuses_until_rearmed_and_then_knows_that_it_holds_nothing(
    stage: TradingStage,
) -> None:
    stage.start_trading()
    assert stage.watchdog is not None
    stage.await_beat(lambda body: body["positions"], "a position")
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    for process in (stage.main, stage.watchdog):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 3, stage.output("main")[-2000:]
    assert stage.start_main().wait(20) == 4
    assert _rearm(stage) == 0
    stage.new_run()
    stage.start_watchdog()
    stage.start_main()
    stage.await_phase("trading")
    reconciled = stage.main_records("reconciled")[-1].payload
    assert reconciled["breaks"] == 0
    killed = stage.main_records("run_started")[-1].seq
    stage.await_beat(lambda body: body["orders_sent"] >= 2, "orders of the new run")
    stage.main.send_signal(signal.SIGTERM)
    assert stage.main.wait(30) == 0, stage.output("main")[-2000:]
    first = next(one.payload for one in stage.main_records("order_intent") if one.seq > killed)
    assert first["purpose"] == "entry", f"there was nothing to leave or to protect: {first}"
    wait_for(lambda: stage.status().get("kill") is None, "no kill")
    assert [one.payload for one in stage.main_records("break") if one.seq > killed] == []
