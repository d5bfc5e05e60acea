"""P13: a watchdog without main watches and reports; it sells nothing by surprise."""

from __future__ import annotations

import time

from tests.faults.hand import hand
from tests.risk.stage import Stage
from tests.waiting import wait_for


def test_a_watchdog_without_main_watches_and_leaves_positions_alone(stage: Stage) -> None:
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.await_positions({"IBM": 10})
        stage.start_watchdog()
        stage.await_state("watching")
        end = time.monotonic() + 4.0  # longer than a heartbeat's time-out
        wait_for(lambda: stage.status().get("nlv"), "the account's value")
        while time.monotonic() < end:
            assert stage.status().get("kill") is None
            time.sleep(0.1)
        checks = stage.status()["checks"]
        assert checks["heartbeat"] == "waiting"
        assert human.positions() == {"IBM": 10}
