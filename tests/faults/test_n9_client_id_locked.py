"""N9: the client id is still in use (326): main waits and says so, and the kill path works."""

from __future__ import annotations

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage
from tests.waiting import wait_for

MAIN = """
description: Main's client id is taken for the first two seconds after somebody has tried it.
faults: [{kind: locked_id, clients: [1], control: taken}]
"""
WATCHDOG = """
description: The watchdog is thrown out, and its client id stays taken while the file stands.
faults:
  - {kind: locked_id, clients: [2], control: taken}
  - {kind: reset, clients: [2], control: thrown}
"""


def test_main_waits_for_its_client_id(room: MakeRoom) -> None:
    main = room(MAIN, start=False)
    main.stage.begin("taken")
    main.assembly.session.start()
    connection = main.assembly.session._connection
    wait_for(lambda: connection.failed > 1, "refused attempts")
    assert connection._said is not None
    assert "in use by another session; waiting until it is free" in connection._said[0]
    main.stage.end("taken")
    assert main.assembly.session.wait_ready(30)


def test_a_kill_while_the_watchdogs_id_is_taken_waits_and_flattens(tmp_path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=WATCHDOG) as stage:
        stage.environment["BACKSTOP__BROKER__RECONNECT_MAX_S"] = "0.5"
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "2", "--orders", "4")
        stage.await_check("heartbeat", "ok")
        stage.begin("taken", "thrown")
        stage.await_state("blind")
        stage.kill_now.touch()
        stage.await_state("killing")
        wait_for(lambda: "in use by another session" in stage.output("watchdog"), "the reason")
        assert stage.records("kill_ended") == []
        stage.end("taken")
        assert stage.await_kill()["flat"]
