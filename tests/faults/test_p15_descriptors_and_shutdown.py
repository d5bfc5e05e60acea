"""P15 and the ways out: main without file descriptors, on a full disk, and told to stop at any moment."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.real_main import MainStage
from tests.waiting import wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MainStage]:
    """A project folder with a paper gateway that runs."""
    with MainStage(tmp_path) as stage:
        yield stage


def test_a_main_without_descriptors_connects_again_once_it_has_some(stage: MainStage) -> None:
    # The watchdog comes second, so that it is connected at once: zmq ends a process that can't accept a connection.
    main = stage.start_main()
    stage.await_phase("trading")
    stage.start_watchdog()
    stage.await_state("watching")
    wait_for(lambda: "fresh=True" in stage.output("main"), "the lease")
    stage.await_check("heartbeat", "ok")
    _, hard = resource.prlimit(main.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(main.pid, resource.RLIMIT_NOFILE, (4, hard))
    gateway = stage.processes[0]
    gateway.kill()
    gateway.wait()
    # The heartbeat file can't be replaced without a descriptor either; the signed channel goes on.
    wait_for(lambda: "no socket can be made" in stage.output("main"), "failed attempts")
    stage.start_gateway()
    resource.prlimit(main.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_for(lambda: stage.output("main").count("reason=connected") > 1, "main connected again")
    stage.await_beat(lambda body: body["connection"] == "ready", "a heartbeat that says so")
    assert stage.status().get("kill") is None


def test_a_stop_without_a_broker_ends_main_at_once_and_in_order(stage: MainStage) -> None:
    gateway = stage.processes[0]
    gateway.kill()
    gateway.wait()
    main = stage.start_main()
    stage.await_beat(lambda body: body["phase"] == "starting", "main")
    began = time.monotonic()
    main.send_signal(signal.SIGTERM)
    assert main.wait(40) == 0, stage.output("main")
    assert time.monotonic() - began < 30.0  # half of the patience of a start
    assert stage.beat()["phase"] == "stopped"


@pytest.mark.parametrize("after_s", [0.3, 1.2, 2.0])
def test_a_stop_during_the_start_is_a_clean_end_without_an_alarm(stage: MainStage, after_s: float) -> None:
    main = stage.start_main()
    time.sleep(after_s)
    main.send_signal(signal.SIGTERM)
    code = main.wait(20)
    assert code in (0, -signal.SIGTERM), stage.output("main")
    assert stage.beat().get("phase") in (None, "stopped")


def test_a_halt_during_the_start_stands_when_the_start_goes_on(stage: MainStage) -> None:
    gateway = stage.processes[0]
    gateway.send_signal(signal.SIGSTOP)
    main = stage.start_main()
    stage.await_phase("starting")
    stage.kill_now.touch()
    stage.await_phase("halted")
    gateway.send_signal(signal.SIGCONT)
    wait_for(lambda: "warmed up" in stage.output("main"), "the rest of the start")
    body = stage.await_beat(lambda body: body["connection"] == "ready", "a heartbeat after it")
    assert body["phase"] == "halted"
    main.send_signal(signal.SIGTERM)
    assert main.wait(20) == 3, stage.output("main")[-2000:]
    assert stage.beat()["phase"] == "halted"
