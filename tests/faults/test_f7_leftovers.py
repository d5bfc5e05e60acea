"""F7: what an earlier run has left: its heartbeat counts for nothing, its kill flag is obeyed."""

from __future__ import annotations

import json
import os
import time

from tests.risk.stage import Stage
from tests.waiting import wait_for


def test_an_old_heartbeat_arms_nothing_and_an_old_kill_stands(stage: Stage) -> None:
    stage.logs.mkdir()
    body = {"phase": "trading", "pid": os.getpid(), "start_ticks": 1, "events_processed": 5, "queue_depth": 0}
    old = {
        "run_id": "earlier",
        "boot_id": "b",
        "monotonic_ns": time.monotonic_ns(),
        "body": body,
        "sequence": 9,
    }
    (stage.logs / "main_heartbeat.json").write_text(json.dumps(old))
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        assert stage.status().get("kill") is None, "the earlier run's silence is no news"
        time.sleep(0.1)
    assert stage.status()["checks"]["heartbeat"] == "waiting"
    watchdog.terminate()
    watchdog.wait(20)
    (stage.folder / "flags" / "KILL.flag").write_text("{}")
    stage.start_watchdog()
    wait_for(lambda: stage.status().get("state") == "halted", "the halt")
    assert stage.status()["lease"] is False
