"""The watchdog's kill, with real processes, sockets and signals against the paper gateway."""

from __future__ import annotations

import signal

import pytest

from tests.risk.stage import Stage
from tests.waiting import wait_for


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


def test_a_main_that_sends_at_full_rate_is_stopped_and_nothing_is_turned_round(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "10", "--rate", "30")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)


def test_a_main_that_does_not_answer_is_ended_by_its_process(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "1", "--orders", "3", "--deaf", "--rate", "20")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    assert peer.wait(10) == -signal.SIGKILL
    assert stage.ask_account() == ({}, 0)


@pytest.mark.parametrize("step", ["kill_started", "close_intent"])
def test_a_watchdog_that_dies_during_the_kill_finishes_it_after_its_restart(stage: Stage, step: str) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "10", "--deaf")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    wait_for(lambda: stage.records(step), step)
    watchdog.kill()
    watchdog.wait()
    stage.start_watchdog()
    ended = stage.await_kill()
    assert ended["flat"], ended
    assert len(stage.records("kill_started")) == 1
    assert stage.ask_account() == ({}, 0)


def test_a_kill_without_the_broker_waits_for_it_and_then_flattens(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4")
    stage.await_check("heartbeat", "ok")
    gateway = stage.processes[0]
    gateway.send_signal(signal.SIGSTOP)
    stage.kill_now.touch()
    stage.await_state("killing")
    wait_for(lambda: "broker session lost" in stage.output("watchdog"), "the loss of the session")
    assert stage.records("kill_ended") == []
    gateway.send_signal(signal.SIGCONT)
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)
