"""The fence against processes that are not main, or not any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.ipc import CommandClient, Signer, Verifier
from core.locks import machine_boot_id, process_start_ticks
from risk.fence import Fence, FenceResult
from risk.kill_messages import FenceOutcome
from tests.waiting import wait_for

KEY = bytes(range(32))
CLOCK = SystemClock()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def fence_for(tmp_path: Path) -> Fence:
    commands = CommandClient(
        f"ipc://{tmp_path}/nobody",
        signer=Signer(KEY, "run1", "boot", "risk_monitor", CLOCK),
        verifier=Verifier(KEY, "run1", sender="main", kinds={"reply"}, clock=CLOCK),
    )
    return Fence(commands, lock_path=tmp_path / "main.lock", run_id="run1", timeout_s=0.05, clock=CLOCK)


def write_lock(tmp_path: Path, pid: int, *, ticks: int | None = None, run_id: str = "run1") -> None:
    body = {
        "pid": pid,
        "run_id": run_id,
        "boot_id": "b",
        "start_ticks": process_start_ticks(pid) if ticks is None else ticks,
        "machine_boot_id": machine_boot_id(),
    }
    (tmp_path / "main.lock").write_text(json.dumps(body))


def outcome_of(fence: Fence) -> FenceResult:
    fence.begin("test")
    found = wait_for(fence.poll, "the fence", 10)
    assert isinstance(found, FenceResult)
    assert fence.poll() is None, "the result is given once"
    return found


def test_without_a_main_the_fence_is_up_at_once(tmp_path: Path) -> None:
    assert outcome_of(fence_for(tmp_path)).outcome is FenceOutcome.ABSENT


def test_a_process_that_does_not_answer_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    write_lock(tmp_path, sleeper.pid)
    assert outcome_of(fence_for(tmp_path)).outcome is FenceOutcome.KILLED
    assert sleeper.wait(20) == -9


def test_a_foreign_process_with_the_pid_of_a_dead_main_is_not_touched(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    ticks = process_start_ticks(sleeper.pid)
    assert ticks is not None
    write_lock(tmp_path, sleeper.pid, ticks=ticks - 1)
    assert outcome_of(fence_for(tmp_path)).outcome is FenceOutcome.ABSENT
    assert sleeper.poll() is None


def test_a_main_of_another_run_is_not_touched_and_reported(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    write_lock(tmp_path, sleeper.pid, run_id="run2")
    result = outcome_of(fence_for(tmp_path))
    assert result.outcome is FenceOutcome.FAILED
    assert "run2" in result.detail
    assert sleeper.poll() is None


@pytest.mark.parametrize(
    "body",
    ["", "garbage", '{"pid": -1}', json.dumps({"pid": os.getpid()})],
    ids=["empty", "garbage", "no process", "a process and no more"],
)
def test_a_lock_that_says_nothing_signals_nobody(tmp_path: Path, body: str) -> None:
    (tmp_path / "main.lock").write_text(body)
    assert outcome_of(fence_for(tmp_path)).outcome is FenceOutcome.ABSENT
