"""The watchdog's kill, with real processes, sockets and signals against the paper gateway."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.risk.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def test_the_operators_flag_cancels_all_orders_and_flattens_the_account(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "3", "--orders", "20")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    ended = stage.await_kill()
    assert ended["flat"], ended
    assert ended["reason"] == "kill_now_flag"
    assert stage.ask_account() == ({}, 0)
    assert peer.poll() is None, "main answered HALT, so it was not ended"
    assert stage.await_state("halted")["lease"] is False
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(20) == 3


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_main_that_falls_silent_is_fenced_and_the_account_flattened(
    stage: Stage, number: signal.Signals
) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "5")
    stage.await_check("heartbeat", "ok")
    peer.send_signal(number)
    ended = stage.await_kill()
    assert ended["reason"] == "heartbeat"
    assert ended["flat"], ended
    assert peer.wait(10) == -signal.SIGKILL
    assert stage.ask_account() == ({}, 0)
