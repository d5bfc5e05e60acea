"""N12: the nightly reset: the gateway is away, then waits for its login. Nobody takes that for a flat account."""

from __future__ import annotations

from core.vocabulary import ConnectionState
from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage
from tests.waiting import wait_for

FAULTS = """
description: Away for a second, then connections are taken and not answered for two.
faults: [{kind: restart, down_s: 1, login_s: 2, control: night}]
"""


def test_main_waits_out_the_reset_and_keeps_its_book(room: MakeRoom) -> None:
    main = room(FAULTS, environment={"BROKER__CONNECT_TIMEOUT_S": "2", "BROKER__RECONNECT_MAX_S": "1"})
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
    main.stage.begin("night")
    main.run_until(lambda: main.parts.status.connection is not ConnectionState.READY, "the loss")
    assert not main.conditions.reconciled
    main.target(0)
    main.run_until(lambda: main.conditions.connected and main.conditions.reconciled, "the morning", 30.0)
    assert main.held() == {"IBM": 10}
    main.await_agreement()


def test_the_watchdog_gives_no_lease_and_tells_the_operator(tmp_path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=FAULTS) as stage:
        stage.environment |= {
            "BACKSTOP__RISK__BROKER_SILENCE__TIMEOUT_S": "1",
            "BACKSTOP__BROKER__RECONNECT_MAX_S": "1",
        }
        stage.environment["BACKSTOP__BROKER__CONNECT_TIMEOUT_S"] = "2"
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "1")
        stage.await_check("heartbeat", "ok")
        stage.begin("night")
        assert stage.await_state("blind")["lease"] is False
        wait_for(
            lambda: any("broker_silence" in str(one.payload["text"]) for one in stage.records("alert")),
            "the alert",
        )
        assert stage.await_state("watching")["lease"] is True
        assert stage.records("kill_started") == []
