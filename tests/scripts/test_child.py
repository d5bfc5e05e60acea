from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scripts.child import Child, wait_for_text
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


def child(tmp_path: Path, code: str, name: str = "child") -> Child:
    return Child(
        name,
        [sys.executable, "-u", "-c", code],
        environment=dict(os.environ),
        folder=tmp_path,
        console=tmp_path / f"{name}.log",
    )


def test_its_text_goes_into_its_console_file(tmp_path: Path) -> None:
    process = child(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)")
    process.start()
    assert process.wait(20.0)
    assert process.exit_code == 0
    assert process.read_console().split() == ["out", "err"]


def test_a_line_is_waited_for_until_it_is_complete(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "sys.stdout.write('listening on 127.0.0.1:40'); sys.stdout.flush(); time.sleep(0.3)\n"
        "print('02', flush=True); time.sleep(60)"
    )
    process = child(tmp_path, code)
    process.start()
    try:
        assert wait_for_text(process, "listening on ", 20.0) == "127.0.0.1:4002"
    finally:
        process.stop(5.0)


def test_waiting_for_a_line_ends_when_the_process_does(tmp_path: Path) -> None:
    process = child(tmp_path, "print('no port is free')")
    process.start()
    assert wait_for_text(process, "listening on ", 20.0) is None


def test_a_process_that_ignores_sigterm_is_ended_all_the_same(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)"
    )
    process = child(tmp_path, code)
    process.start()
    wait_for(lambda: "ready" in process.read_console())
    assert process.stop(0.2) is False
    assert process.exit_code == -signal.SIGKILL


def test_signals_that_the_supervisor_blocks_reach_the_child(tmp_path: Path) -> None:
    process = child(tmp_path, "print('ready'); import time; time.sleep(60)")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process.start()
        wait_for(lambda: "ready" in process.read_console())
        assert process.stop(20.0) is True
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert process.exit_code == -signal.SIGTERM


def test_an_overgrown_console_is_emptied_and_written_on(tmp_path: Path) -> None:
    code = "import sys\nprint('x' * 5000)\nsys.stdout.flush()\nsys.stdin.read()"
    process = Child(
        "child",
        [sys.executable, "-u", "-c", code + "\nimport time\ntime.sleep(60)"],
        environment=dict(os.environ),
        folder=tmp_path,
        console=tmp_path / "child.log",
    )
    process.start()
    try:
        wait_for(lambda: len(process.read_console()) > 4000)
        process.trim_console(10_000)
        assert len(process.read_console()) > 4000
        process.trim_console(1_000)
        assert process.read_console() == ""
    finally:
        process.stop(5.0)


def test_a_console_that_somebody_took_away_disturbs_nobody(tmp_path: Path) -> None:
    process = child(tmp_path, "print('once')")
    process.start()
    assert process.wait(20.0)
    (tmp_path / "child.log").unlink()
    process.trim_console(1)
    assert process.read_console() == ""


def test_a_child_starts_where_it_can_have_no_console(tmp_path: Path) -> None:
    (tmp_path / "child.log").mkdir()  # it can't be opened, whoever tries
    process = child(tmp_path, "print('once')")
    process.start()
    assert process.wait(20.0)
    assert process.exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_child_does_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from scripts.child import Child
from tests.waiting import wait_for
c = Child("c", [sys.executable, "-c", "import time; time.sleep(600)"], environment=dict(os.environ),
          folder=Path({str(tmp_path)!r}), console=None)
c.start(); print(c.pid, flush=True); time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as supervisor:
        assert supervisor.stdout is not None
        orphan = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    wait_for(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
