"""F3: the flags folder can't be read or is gone: main halts, gets no lease, and the operator is told."""

from __future__ import annotations

import shutil

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage
from tests.waiting import wait_for


def test_main_halts_when_the_folder_is_gone(room: MakeRoom) -> None:
    main = room()
    shutil.rmtree(main.stage.folder / "flags")
    main.run_until(lambda: main.parts.status.halt is not None, "the halt", 10.0)
    assert main.parts.status.halt.reason == "flag_folder"
    main.target(10)
    assert main.kinds("order_sent") == []


def test_the_watchdog_gives_no_lease_without_its_folder_and_says_so(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1")
    stage.await_check("heartbeat", "ok")
    shutil.move(stage.folder / "flags", stage.folder / "elsewhere")
    wait_for(lambda: stage.status().get("lease") is False, "no lease")
    wait_for(
        lambda: any("flags folder" in str(one.payload["text"]) for one in stage.records("alert")), "the alert"
    )
    assert stage.records("kill_started") == [], "a file system that hiccups sells nothing"
    shutil.move(stage.folder / "elsewhere", stage.folder / "flags")
    wait_for(lambda: stage.status().get("lease") is True, "the lease")
