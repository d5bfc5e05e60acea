"""Real processes for the watchdog's tests: the paper gateway, the watchdog, and a peer in the place of main."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Self

from core.journal import Record, read
from core.vocabulary import Unknown
from tests.waiting import DEADLINE_S, wait_for

ROOT = Path(__file__).resolve().parents[2]


class Stage:
    """A project folder with a gateway of its own.

    ``faults`` is the text of a scenario; ``begin`` and ``end`` are for those of its faults that name a control file.
    """

    opened: ClassVar[list[Stage]] = []
    """Every stage since the list was emptied; the fault tests look at each when a test has ended."""

    def __init__(
        self,
        folder: Path,
        *,
        symbols: tuple[str, ...] = ("AAPL", "IBM", "MSFT"),
        config: str = "",
        faults: str = "",
    ) -> None:
        self.folder = folder
        (folder / "flags").mkdir(exist_ok=True)  # it comes with the project; where it is lost, nobody trades
        # Beside the folder: a test may fill that one's disk or take it away.
        self.audit = folder.parent / f"{folder.name}-audit.jsonl"
        self.control = folder.parent / f"{folder.name}-control"
        self.control.mkdir(exist_ok=True)
        self.scenario = folder.parent / f"{folder.name}-faults.yaml"
        self.scenario.write_text(faults)
        self.excused: dict[str, str] = {}
        """Invariants that the scenario itself breaks, each with the reason."""
        self.processes: list[subprocess.Popen[bytes]] = []
        self.symbols = symbols
        self.extra = config
        self.environment = {
            **os.environ,
            "BACKSTOP_RUN_ID": f"test-{secrets.token_hex(3)}",
            "BACKSTOP_IPC_KEY": secrets.token_hex(32),
            "PYTHONPATH": str(ROOT),
        }
        self.port = 0
        self.watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        Stage.opened.append(self)
        self.start_gateway()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def spawn(self, *command: str, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def output(self, name: str) -> str:
        """What processes of that name have printed."""
        return (self.folder / f"{name}.out").read_text()

    def await_line(self, name: str, pattern: str, process: subprocess.Popen[bytes]) -> re.Match[str]:
        """Wait for a line in what a process prints; its end is a failure."""

        def found() -> re.Match[str] | None:
            matches = list(re.finditer(pattern, self.output(name)))
            assert matches or process.poll() is None, self.output(name)
            return matches[-1] if matches else None

        match: re.Match[str] = wait_for(found, f"{pattern} from {name}")
        return match

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        fixed: tuple[str, ...] = (
            "--port",
            str(self.port),
            "--start",
            "2012-11-12",
            "--audit",
            str(self.audit),
        )
        if self.scenario.stat().st_size:
            fixed += ("--faults", str(self.scenario), "--fault-control", str(self.control))
        process = self.spawn("-m", "paper_gateway", *fixed, *options, name="gateway")
        found = self.await_line("gateway", r"listening on 127.0.0.1:(\d+)\n", process)
        self.port = int(found.group(1))
        symbols = ", ".join(self.symbols)
        self.config.write_text(
            f"broker: {{port: {self.port}, reconnect_initial_s: 0.2, probe_interval_s: 1}}\n"
            f"universe: {{symbols: [{symbols}]}}\n{self.extra}"
        )
        return process

    def start_watchdog(self, *options: str) -> subprocess.Popen[bytes]:
        (self.logs / "risk_monitor_heartbeat.json").unlink(missing_ok=True)
        self.watchdog = self.spawn("risk_monitor.py", "--config", str(self.config), *options, name="watchdog")
        return self.watchdog

    def start_peer(self, *options: str, ready: bool = True) -> subprocess.Popen[bytes]:
        process = self.spawn("-m", "tests.risk.peer", "--config", str(self.config), *options, name="peer")
        if ready:
            self.await_line("peer", r"(?m)^ready$", process)
        return process

    def begin(self, *names: str) -> None:
        """Begin the faults that name these control files; returns when the gateway has seen them."""
        before = self.output("gateway").count("began=True")
        for name in names:
            (self.control / name).touch()
        wait_for(lambda: self.output("gateway").count("began=True") >= before + len(names), "the faults")

    def end(self, *names: str) -> None:
        """End them; returns when the gateway has seen that."""
        before = self.output("gateway").count("began=False")
        for name in names:
            (self.control / name).unlink()
        wait_for(lambda: self.output("gateway").count("began=False") >= before + len(names), "their end")

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def kill_now(self) -> Path:
        return self.folder / "flags" / "KILL_NOW.flag"

    def status(self) -> dict[str, Any]:
        """Body of the watchdog's heartbeat file."""
        try:
            body: dict[str, Any] = json.loads((self.logs / "risk_monitor_heartbeat.json").read_text())["body"]
        except (OSError, ValueError):
            return {}
        return body

    def await_state(self, state: str, seconds: float = DEADLINE_S) -> dict[str, Any]:

        def reached() -> dict[str, Any] | None:
            body = self.status()
            assert self.watchdog is None or self.watchdog.poll() is None, self.output("watchdog")
            return body if body.get("state") == state else None

        found: dict[str, Any] = wait_for(reached, f"state {state}", seconds)
        return found

    def await_check(self, name: str, status: str) -> None:
        wait_for(lambda: self.status().get("checks", {}).get(name) == status, f"{name} {status}")

    def records(self, *kinds: str) -> list[Record]:
        return list(read(self.folder / "state" / "watchdog.db", 0, kinds or None))

    def await_kill(self, seconds: float = DEADLINE_S) -> dict[str, Any]:
        """Payload of KILL_ENDED."""

        def ended() -> list[Record]:
            try:
                return self.records("kill_ended")
            except FileNotFoundError:
                return []

        payload: dict[str, Any] = wait_for(ended, "the end of the kill", seconds)[-1].payload
        return payload

    def ask_account(self) -> tuple[dict[str, str], int]:
        """Positions and the number of open orders, by a session of its own."""
        import queue

        from core.clock import SystemClock
        from core.config_schema import BrokerSettings
        from core.ib_wrapper.session import IBSession

        inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        session = IBSession(BrokerSettings(port=self.port), client_id=77, sink=inbox.put, clock=SystemClock())
        session.start()
        try:
            assert session.wait_ready(10)
            held, orders = session.positions().result(10), session.open_orders().result(10)
            assert not isinstance(held, Unknown)
            assert not isinstance(orders, Unknown)
            return {report.symbol: str(report.quantity) for report in held}, len(orders)
        finally:
            session.stop()
