"""P2: main is killed with orders working. The watchdog decides in 3 s of the last heartbeat, then cancels and flattens."""

from __future__ import annotations

from tests.faults.invariants import Evidence
from tests.risk.stage import Stage


def test_the_orders_of_a_killed_main_are_cancelled_and_its_positions_closed(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "3", "--orders", "20")
    stage.await_check("heartbeat", "ok")
    peer.kill()
    ended = stage.await_kill()
    assert ended["reason"] == "heartbeat"
    assert ended["flat"], ended
    figures = stage.records("kill_started")[-1].payload["figures"]
    assert isinstance(figures, dict)
    assert figures["age_s"] <= 20.0  # 3 s on a machine that is not loaded; the campaign prints it
    assert Evidence.of(stage).truth.working == []
