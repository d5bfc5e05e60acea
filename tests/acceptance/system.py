"""A real system in a folder of its own: run_system.sh, its processes, its files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from core.locks import read_owner
from dashboard.sources import MainView, WatchdogView, read_main, read_watchdog

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0


class System:
    """One folder with a configuration, flags, journals and logs, and at most one run in it at a time."""

    def __init__(self, folder: Path, **overrides: str) -> None:
        self.folder = folder
        self.flags = folder / "flags"
        self.logs = folder / "logs"
        self.flags.mkdir()
        shutil.copy(ROOT / "config.yaml", folder / "config.yaml")
        names = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
        self._environment = names | overrides
        self._process: subprocess.Popen[bytes] | None = None

    # --- commands ----------------------------------------------------------------------------------------

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [ROOT / "run_system.sh", *words, "--config", self.folder / "config.yaml"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def start(self, *words: str) -> None:
        """Start a paper run in the background."""
        with (self.folder / "terminal.txt").open("wb") as terminal:
            self._process = subprocess.Popen(
                [ROOT / "run_system.sh", "--paper", *words, "--config", self.folder / "config.yaml"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Signal the supervisor."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the end of the run; returns its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end:\n{self.terminal()[-3000:]}") from None

    def close(self) -> None:
        """End whatever the test left."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for process in self.leftovers():
            process.kill()

    # --- what can be seen --------------------------------------------------------------------------------

    def terminal(self) -> str:
        """Everything that the run printed."""
        return (self.folder / "terminal.txt").read_text()

    def result(self) -> dict[str, Any]:
        """Read the JSON summary."""
        document = json.loads((self.folder / "results" / "paper_run.json").read_text())
        assert isinstance(document, dict)
        return document

    def main(self) -> MainView | None:
        """Main's heartbeat of the running run."""
        view = read_main(self.logs)
        return view if view and view.run_id == self._run_id() else None

    def watchdog(self) -> WatchdogView | None:
        """Read the watchdog's heartbeat of the running run."""
        view = read_watchdog(self.logs)
        return view if view and view.run_id == self._run_id() else None

    def wait_trading(self, orders: int = 1) -> MainView:
        """Wait until main holds the lease and has sent some orders."""

        def trades() -> bool:
            view = self.main()
            return view is not None and view.orders_sent >= orders and view.phase == "trading"

        self.wait_until(trades)
        view = self.main()
        assert view is not None
        return view

    def wait_until(self, condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
        """Wait for a condition while the run goes on."""
        end = time.monotonic() + deadline_s
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, f"the run has ended:\n{self.terminal()[-3000:]}"
            assert time.monotonic() < end, f"it did not come true:\n{self.terminal()[-3000:]}"
            time.sleep(0.02)

    def leftovers(self) -> list[psutil.Process]:
        """Processes that still work in this folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] != psutil.STATUS_ZOMBIE and any(
                str(self.folder) in word for word in words
            ):
                found.append(process)
        return found

    def _run_id(self) -> str | None:
        owner = read_owner(self.folder / "state" / "system.lock")
        return owner.run_id if owner else None
