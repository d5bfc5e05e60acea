"""O12: a 4:1 split overnight is no drawdown: neither the watchdog kills nor main's book loses three quarters."""

from __future__ import annotations

from pathlib import Path

from tests.risk.stage import Stage
from tests.waiting import wait_for

FAULTS = """
description: AAPL splits four for one before the second session.
faults: [{kind: split, symbol: AAPL, ratio: 4, on: 2012-11-13}]
"""


class OvernightStage(Stage):
    """A session takes a few seconds."""

    def start_gateway(self, *options: str):
        return super().start_gateway("--speed", "4000", "--sessions", "2", *options)


def test_a_split_is_no_drawdown(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with OvernightStage(tmp_path / "project", faults=FAULTS) as stage:
        stage.environment["BACKSTOP__RISK__DRAWDOWN__MAX_DRAWDOWN"] = "0.03"
        stage.environment["BACKSTOP__RISK__DAILY_LOSS__MAX_DAILY_LOSS"] = "0.03"
        stage.start_peer("--positions", "1")  # 100 AAPL, some 55,000 of the million
        stage.start_watchdog()
        stage.await_state("watching")
        wait_for(lambda: stage.ask_account()[0] == {"AAPL": "400"}, "the split")
        wait_for(lambda: stage.status()["checks"].get("drawdown") == "ok", "marks after it")
        assert stage.status().get("kill") is None, stage.output("watchdog")
        assert stage.status()["drawdown"] < 0.02
