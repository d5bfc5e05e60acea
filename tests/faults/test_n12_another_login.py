"""N12: after the nightly reset another account has logged in on the same port. It is not ours to trade or to flatten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.hand import hand
from tests.faults.real_main import MainStage
from tests.waiting import wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MainStage]:
    """A project folder with a paper gateway that runs."""
    with MainStage(tmp_path) as stage:
        stage.environment["BACKSTOP__BROKER__RECONNECT_MAX_S"] = "1"
        yield stage


def test_an_account_that_is_not_the_one_of_the_start_is_neither_traded_nor_flattened(
    stage: MainStage,
) -> None:
    stage.start_watchdog()
    wait_for(lambda: stage.status().get("lease"), "the lease")
    stage.start_main()
    stage.await_phase("trading")
    gateway = stage.processes[0]
    gateway.kill()
    gateway.wait()
    # A tenth of the money: to a watchdog that took it for ours, a drawdown of 90%.
    stage.start_gateway("--account", "DU7777777", "--cash", "100000")
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.await_positions({"IBM": 10})
        for name in ("watchdog", "main"):
            wait_for(lambda name=name: "not DU1234567" in stage.output(name), f"{name} to say so")  # type: ignore[misc]
        assert stage.status()["lease"] is False
        stage.await_beat(lambda body: body["connection"] != "ready", "main without a connection")
        assert human.positions() == {"IBM": 10}
    assert stage.status().get("kill") is None
    other = stage.processes[-1]
    other.kill()
    other.wait()
    stage.start_gateway()
    stage.await_beat(lambda body: body["connection"] == "ready", "main connected to its own account")
    wait_for(lambda: stage.status().get("lease"), "the lease")
