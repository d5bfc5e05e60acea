"""N13: questions without an answer are UNKNOWN: nothing is concluded, nothing done."""

from __future__ import annotations

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage
from tests.waiting import wait_for

FAULTS = """
description: Questions for positions and orders are not answered while the file stands.
faults: [{kind: silence, requests: [positions, open_orders, executions], clients: [1, 2], control: silent}]
"""


def test_main_concludes_nothing_from_silence(room: MakeRoom) -> None:
    main = room(FAULTS, environment={"BROKER__REQUEST_TIMEOUT_S": "0.5"})
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
    main.stage.begin("silent")
    before = len(main.kinds("order_sent"))
    main.run_until(lambda: main.kinds("reconciled")[-1]["unknown"], "an answer that isn't one", 20.0)
    assert not main.conditions.reconciled
    assert main.held() == {"IBM": 10}
    main.target(20, "MSFT")
    main.run_for(0.5)
    assert len(main.kinds("order_sent")) == before
    main.stage.end("silent")
    main.run_until(lambda: main.conditions.reconciled, "an answer", 20.0)
    assert main.kinds("break") == []


def test_a_kill_never_takes_silence_for_flat(tmp_path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=FAULTS) as stage:
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "2", "--orders", "4")
        stage.await_check("heartbeat", "ok")
        stage.begin("silent")
        stage.kill_now.touch()
        told = "no progress for 10 s: the broker has not answered"
        wait_for(lambda: any(told in str(one.payload["text"]) for one in stage.records("alert")), "the alert")
        assert stage.records("kill_ended") == []
        assert stage.records("close_intent") == []
        stage.end("silent")
        assert stage.await_kill()["flat"]
