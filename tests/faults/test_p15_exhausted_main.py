"""P15: main has no memory or no descriptors left: the kill works all the same."""

from __future__ import annotations

import resource

import pytest

from tests.risk.stage import Stage


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_NOFILE"])
def test_the_kill_needs_nothing_of_a_main_that_has_nothing_left(stage: Stage, limit: str) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "10", "--rate", "10")
    stage.await_check("heartbeat", "ok")
    _, hard = resource.prlimit(peer.pid, getattr(resource, limit))
    resource.prlimit(peer.pid, getattr(resource, limit), (4, hard))
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)
