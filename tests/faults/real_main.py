"""The real main.py beside the real watchdog and the gateway, for the fault tests."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.journal import Record, read
from tests.risk.stage import Stage
from tests.waiting import wait_for

# A replay squeezes days into seconds: limits that count by the wall clock would stop it.
UNPACED = """
execution: {pretrade: {max_orders_per_minute: 3000, max_repeats: 1000, quote_max_age_s: 60}}
risk: {order_rate: {enabled: false}, daily_loss: {enabled: false}}
"""


class MainStage(Stage):
    """A stage on which main.py itself plays."""

    main: subprocess.Popen[bytes]

    def start_main(self) -> subprocess.Popen[bytes]:
        """Start main.py."""
        self.main = self.spawn("main.py", "--config", str(self.config), name="main")
        return self.main

    def beat(self) -> dict[str, Any]:
        """Body of main's newest heartbeat; empty before the first."""
        try:
            document = json.loads((self.logs / "main_heartbeat.json").read_text())
        except (OSError, ValueError):
            return {}
        fits = document["run_id"] == self.environment["BACKSTOP_RUN_ID"]
        return dict(document["body"]) if fits else {}

    def await_beat(self, is_wanted: Callable[[dict[str, Any]], object], text: str) -> dict[str, Any]:
        """Wait for a heartbeat of main; its end is a failure."""

        def found() -> dict[str, Any] | None:
            assert self.main.poll() is None, self.output("main")[-3000:]
            body = self.beat()
            return body if body and is_wanted(body) else None

        body: dict[str, Any] = wait_for(found, text, 60.0)
        return body

    def await_phase(self, phase: str) -> dict[str, Any]:
        """Wait until main is in that phase."""
        return self.await_beat(lambda body: body["phase"] == phase, f"main {phase}")

    @property
    def main_journal(self) -> Path:
        """Main's journal."""
        return self.folder / "state" / "main.db"

    def main_records(self, *kinds: str) -> list[Record]:
        """Records of main's journal."""
        return list(read(self.main_journal, 0, kinds or None))


class TradingStage(MainStage):
    """A stage with a replay that is fast enough for main to trade at once."""

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a fast replay."""
        self.extra = UNPACED
        replay = (
            "--speed",
            "5000",
            "--barrier",
            "--bar-boundary",
            "300",
            "--sessions",
            "30",
            "--wait-for-client",
        )
        return super().start_gateway(*replay, *options)

    def start_trading(self, orders: int = 6) -> dict[str, Any]:
        """Start both processes; returns when main has sent some orders."""
        self.start_watchdog()
        self.start_main()
        return self.await_beat(lambda body: body["orders_sent"] >= orders, "orders")

    def new_run(self) -> None:
        """Give the processes that are started from now on the identity of a later run."""
        self.environment["BACKSTOP_RUN_ID"] = f"test-{secrets.token_hex(3)}"
