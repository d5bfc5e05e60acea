"""A stage on which the supervisor itself plays: it starts main and the watchdog as ``run_system.sh`` does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from dashboard.sources import read_main, read_watchdog
from tests.faults.hand import hand
from tests.faults.real_main import UNPACED
from tests.risk.stage import ROOT, Stage
from tests.waiting import wait_for


class SupervisedStage(Stage):
    """A stage for ``python -m scripts`` against its gateway, as if that were a broker's."""

    supervisor: subprocess.Popen[bytes]

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the gateway; the flags folder is an operator's, so nobody else makes it."""
        self.extra = self.extra or UNPACED
        (self.folder / "flags").mkdir(exist_ok=True)
        return super().start_gateway(*options)

    def hold(self, symbol: str, quantity: int) -> None:
        """Have a human buy something, so that a kill has something to flatten."""
        with hand(self.port) as human:
            human.buy(symbol, quantity, order_ref="")
            human.await_positions({symbol: quantity})

    def start_system(self) -> None:
        """Start a run; returns when main beats and the watchdog watches it."""
        self.supervisor = self.spawn("-m", "scripts", "--config", str(self.config), "--plain", name="system")
        wait_for(lambda: self.is_watching() or self.supervisor.poll() is not None, "a watched main", 120.0)
        assert self.supervisor.poll() is None, self.output("system")

    def is_watching(self) -> bool:
        """Whether a watchdog of this very run hears main."""
        main, watchdog = read_main(self.logs), read_watchdog(self.logs)
        return (
            main is not None
            and watchdog is not None
            and main.run_id == watchdog.run_id
            and watchdog.state == "watching"
            and watchdog.checks.get("heartbeat") == "ok"
        )

    def pid_of(self, process: str) -> int:
        """Process id from the newest heartbeat."""
        document = json.loads((self.logs / f"{process}_heartbeat.json").read_text())
        body: dict[str, Any] = document.get("body", document)
        return int(body["pid"])

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command line of ``run_system.sh`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "scripts", *words, "--config", str(self.config)],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
