"""A project folder with a clocked gateway, the real watchdog, and a main."""

from __future__ import annotations

import json
import multiprocessing.process
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from core.clock import SystemClock
from core.flags import FlagFolder
from core.identity import new_run_id
from core.journal import Record, read
from risk.rearm import rearm
from tests.bench.loaded_main import ORDERS_VARIABLE, fork_server, run

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
# Limits that count orders and fills by the wall clock would end the bench, not what it measures.
_LIMITS = {
    "BACKSTOP__EXECUTION__PRETRADE__MAX_ORDERS_PER_MINUTE": "3000",
    "BACKSTOP__EXECUTION__PRETRADE__MAX_REPEATS": "1000",
    "BACKSTOP__RISK__ORDER_RATE__MAX_PER_MINUTE": "10000",
    "BACKSTOP__RISK__FILL_BUDGET__MAX_FILLS_PER_MONTH": "1000000",
    "BACKSTOP__CAPS__MONTHLY_FILL_BUDGET": "1000000",
}


class BenchFailed(Exception):
    """Something that is measured did not come about."""


def wait_for(what: Callable[[], Any], text: str, *, every_s: float = 0.01) -> Any:
    """Wait until ``what`` gives something true; returns it. Polls gently: the measured ones need the processor."""
    end = time.monotonic() + DEADLINE_S
    while not (found := what()):
        if time.monotonic() > end:
            raise BenchFailed(f"waited {DEADLINE_S:g} s in vain for {text}")
        time.sleep(every_s)
    return found


class Stage:
    """One folder; everything that runs in it ends with the ``with`` block."""

    def __init__(self, *, symbols: tuple[str, ...], config: str = "") -> None:
        # Made by itself, not by the caller: paths of unix sockets must be short.
        self._temporary = tempfile.TemporaryDirectory(prefix="backstop-bench-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.symbols = symbols
        self.config = self.folder / "config.yaml"
        self._config_text = config
        self._processes: list[subprocess.Popen[bytes]] = []
        self._mains: list[multiprocessing.process.BaseProcess] = []
        self._environment: dict[str, str] = {}
        self.port = 0
        for name in ("flags", "logs", "state"):
            (self.folder / name).mkdir()
        self.new_run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for main in self._mains:
            if main.is_alive():
                main.kill()
            main.join()
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self._temporary.cleanup()

    # --- processes ---------------------------------------------------------------------------------------

    def new_run(self) -> None:
        """Give the next main and watchdog a run id of their own."""
        self.run_id = new_run_id()
        self._environment = {
            **_LIMITS,
            "BACKSTOP_RUN_ID": self.run_id,
            "BACKSTOP_IPC_KEY": secrets.token_hex(32),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the clocked gateway on a free port, and write the configuration for it."""
        command = [
            "-m",
            "tests.bench.clocked_gateway",
            "--stamps",
            str(self._stamps),
            "--port",
            "0",
            *options,
        ]
        process = self.spawn("gateway", *command)

        def listening() -> re.Match[str] | None:
            if process.poll() is not None:
                raise BenchFailed(f"the gateway did not start:\n{self.output('gateway')}")
            return re.search(r"listening on 127.0.0.1:(\d+)\n", self.output("gateway"))

        self.port = int(wait_for(listening, "the gateway").group(1))
        self.config.write_text(
            f"broker: {{port: {self.port}}}\nuniverse: {{symbols: [{', '.join(self.symbols)}]}}\n{self._config_text}"
        )
        return process

    def start_watchdog(self) -> subprocess.Popen[bytes]:
        """Start the real watchdog."""
        self._forget("risk_monitor")
        return self.spawn("watchdog", "risk_monitor.py", "--config", str(self.config))

    def start_main(self) -> subprocess.Popen[bytes]:
        """Start the real main."""
        self._forget("main")
        return self.spawn("main", "main.py", "--config", str(self.config))

    def start_loaded_main(self, orders: int) -> multiprocessing.process.BaseProcess:
        """Start the real main with an account full of orders (``tests.bench.loaded_main``)."""
        self._forget("main")
        environment = {**self._environment, ORDERS_VARIABLE: str(orders)}
        main = fork_server().Process(target=run, args=(self.config, environment, self.folder / "main.out"))
        main.start()
        self._mains.append(main)
        return main

    def spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python process of ours whose output goes to a file."""
        with (self.folder / f"{name}.out").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process

    def output(self, name: str) -> str:
        """What processes of that name have printed."""
        return (self.folder / f"{name}.out").read_text()

    # --- what can be seen --------------------------------------------------------------------------------

    def heartbeat(self, process: str) -> dict[str, Any]:
        """Newest heartbeat file of ``main`` or ``risk_monitor``; empty before its first."""
        try:
            document: dict[str, Any] = json.loads(
                (self.folder / "logs" / f"{process}_heartbeat.json").read_text()
            )
        except (OSError, ValueError):
            return {}
        return document

    def watchdog(self) -> dict[str, Any]:
        """What the watchdog says of itself."""
        body: dict[str, Any] = self.heartbeat("risk_monitor").get("body", {})
        return body

    def records(self, after: int, *kinds: str) -> list[Record]:
        """Records of the watchdog's journal."""
        try:
            return list(read(self.folder / "state" / "watchdog.db", after, kinds or None))
        except FileNotFoundError:
            return []

    def stamps(self, word: str = "read") -> dict[str, Any]:
        """The broker's view: what the clocked gateway has stamped so far."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self._stamps))
            connection.sendall(word.encode() + b"\n")
            with connection.makefile("rb") as answer:
                stamps: dict[str, Any] = json.loads(answer.readline())
        return stamps

    # --- acting ------------------------------------------------------------------------------------------

    def raise_flag(self) -> int:
        """Make KILL_NOW.flag as an operator would; returns the monotonic time just before."""
        before = time.monotonic_ns()
        (self.folder / "flags" / "KILL_NOW.flag").touch()
        return before

    def rearm(self) -> None:
        """Clear a kill, as ``./run_system.sh --rearm`` does."""
        state = self.folder / "state"
        rearm(
            "next run of the bench",
            flags=FlagFolder(self.folder / "flags"),
            journal_path=state / "watchdog.db",
            locks=(state / "risk_monitor.lock", state / "main.lock"),
            clock=SystemClock(),
        )

    @property
    def _stamps(self) -> Path:
        return self.folder / "stamps"

    def _forget(self, process: str) -> None:
        (self.folder / "logs" / f"{process}_heartbeat.json").unlink(missing_ok=True)
