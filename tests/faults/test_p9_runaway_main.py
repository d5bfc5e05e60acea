"""P9: main goes on trading at full rate while the watchdog flattens: nothing is turned round."""

from __future__ import annotations

from tests.risk.stage import Stage


def test_a_deaf_main_at_full_rate_turns_nothing_round(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "10", "--deaf", "--rate", "45")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)
