"""Notices a halt and has an incident file written, beside the supervisor's own work: nothing that trades or kills waits for it.

The writing is done by a process of its own (``python -m scripts.incident write``), which reads the journals, and the
rings that this process has made for the broker messages of the others. Whatever goes wrong there is said, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from core.vocabulary import HaltLevel
from core.wire_ring import RING_VARIABLE, make_ring
from dashboard.sources import MainView, WatchdogView
from scripts.child import Child
from scripts.launch import Run

_CODE = Path(__file__).resolve().parent.parent
_PATIENCE_S = 20.0
# A halt of main's own is usually the first sign of a kill, whose file will hold it too.
_HALT_GRACE_S = 2.0


class FlightRecorder:
    """One run's recorder.

    Parameters
    ----------
    run
        The run.
    say
        Takes one line for the operator.
    """

    def __init__(self, run: Run, say: Callable[[str], None]) -> None:
        self._run = run
        self._say = say
        self.rings: dict[str, int] = {}
        self._writers: list[subprocess.Popen[bytes]] = []
        self._written: set[str] = set()
        self._halted_at: float | None = None

    def open_rings(self, names: Sequence[str]) -> None:
        """Make a ring for each process; without memory for one, that process has none."""
        for name in names:
            try:
                self.rings[name] = make_ring(name)
            except OSError as error:
                self._say(f"no flight recorder for {name}: {error}")

    def environment(self, name: str) -> dict[str, str]:
        """Environment from which the process ``name`` knows its ring."""
        return {RING_VARIABLE: str(self.rings[name])} if name in self.rings else {}

    def descriptors(self, name: str) -> tuple[int, ...]:
        """Descriptors that the process ``name`` inherits."""
        return (self.rings[name],) if name in self.rings else ()

    def look(
        self,
        main: MainView | None,
        watchdog: WatchdogView | None,
        children: Sequence[Child],
        *,
        is_last: bool = False,
    ) -> None:
        """Have a file written when a kill has ended, or when main has halted and no kill follows.

        With ``is_last`` nothing is waited for: there will be no other look.
        """
        self._reap()
        kill_id = str(watchdog.kill.get("kill_id", "")) if watchdog is not None else ""
        if watchdog is not None and watchdog.kill_reason is not None:
            if watchdog.is_halted or is_last:
                self.write("kill", watchdog.kill_reason, kill_id or watchdog.kill_reason, children)
            return
        if main is None or main.halt_level < HaltLevel.HALTED:
            return
        now = time.monotonic()
        if self._halted_at is None:
            self._halted_at = now
        if is_last or now - self._halted_at >= _HALT_GRACE_S:
            self.write("halt", main.halt_reason, "main", children)

    def write(self, kind: str, reason: str, once: str, children: Sequence[Child]) -> None:
        """Begin to write a file, for ``once`` only the first time; returns at once."""
        if once in self._written:
            return
        self._written.add(once)
        run = self._run
        command = [
            sys.executable, "-m", "scripts.incident", "write",
            "--kind", kind, "--reason", reason, "--run-id", run.run_id,
            "--state", str(run.state), "--control", str(run.control), "--flags", str(run.flags),
            "--config", str(run.config), "--results", str(run.results),
            *(f"--ring={name}:{descriptor}" for name, descriptor in self.rings.items()),
        ]  # fmt: skip
        states = json.dumps([describe(child) for child in children]).encode()
        try:
            writer = subprocess.Popen(  # noqa: S603 - no shell, and the words are ours
                command,
                cwd=_CODE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(self.rings.values()),
                start_new_session=True,
            )
            if writer.stdin is not None:  # far less than a pipe holds: this does not wait
                writer.stdin.write(states)
                writer.stdin.close()
            self._writers.append(writer)
        except OSError as error:
            self._say(f"the incident could not be written: {error}")

    def finish(self) -> None:
        """Wait for files that are being written, say where they are, and give the rings back."""
        end = time.monotonic() + _PATIENCE_S
        for writer in self._writers:
            try:
                writer.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                writer.kill()
                writer.wait()
        self._reap()
        for descriptor in self.rings.values():
            os.close(descriptor)
        self.rings.clear()

    def _reap(self) -> None:
        """Say what became of files whose writers have ended."""
        for writer in [one for one in self._writers if one.poll() is not None]:
            self._writers.remove(writer)
            said = ""
            if writer.stdout is not None:
                with writer.stdout as output:
                    said = output.read().decode(errors="replace").strip()
            text = said.splitlines()[-1] if said else f"its writer ended with {writer.returncode}"
            self._say(f"incident: {text}" if writer.returncode == 0 else f"no incident file: {text}")


def describe(child: Child) -> dict[str, object]:
    """State of a process as the kernel tells it now."""
    state: dict[str, object] = {
        "name": child.name,
        "pid": child.pid,
        "starts": child.starts,
        "running": child.is_running,
        "exit_code": child.exit_code,
    }
    try:
        if child.is_running and child.pid is not None:
            process = psutil.Process(child.pid)
            with process.oneshot():
                state |= {
                    "status": str(process.status()),
                    "threads": process.num_threads(),
                    "rss_mb": round(process.memory_info().rss / 2**20, 1),
                    "cpu_s": round(sum(process.cpu_times()[:2]), 2),
                    "descriptors": process.num_fds(),
                }
    except (psutil.Error, OSError):  # it ended meanwhile
        state["status"] = "gone"
    return state
