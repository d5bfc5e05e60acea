"""P8: the watchdog dies between sending a close and its acknowledgement: it finds the order, and doubles nothing."""

from __future__ import annotations

from pathlib import Path

from core.vocabulary import KILL_PREFIX
from tests.faults.truth import read_truth
from tests.risk.stage import Stage
from tests.waiting import wait_for

FAULTS = """
description: The watchdog hears of its own orders late; those in IBM are held for a while.
faults:
  - {kind: callbacks, delay: 1.0, delay_s: 3, clients: [2]}
  - {kind: hold, reason: halt, symbols: [IBM], clients: [2], control: halted}
"""


def test_a_close_that_nobody_acknowledged_is_found_and_not_sent_twice(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=FAULTS) as stage:
        stage.begin("halted")
        watchdog = stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "3", "--orders", "3")
        stage.await_check("heartbeat", "ok")
        stage.kill_now.touch()

        def closes() -> list[str]:
            orders = read_truth(stage.audit).orders.values()
            return [one.symbol for one in orders if one.order_ref.startswith(KILL_PREFIX)]

        wait_for(closes, "a closing order at the broker", every_s=0.001)
        watchdog.kill()
        watchdog.wait()
        stage.start_watchdog()
        wait_for(
            lambda: any(one.payload["step"] == "resumed" for one in stage.records("kill_step")),
            "the resumption",
        )
        stage.end("halted")
        assert stage.await_kill()["flat"]
        assert stage.ask_account() == ({}, 0)
